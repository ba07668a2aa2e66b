use std::io::Write as _;

use binlog_reader::Session;
use checkpoint::LoadState;
use event::{LoadPart, LoadRequest, TableName};
use wal_reader::wire::{self, Mode as SessionMode};

use crate::cli::SnapshotArgs;
use crate::commands::run;
use crate::config::{Config, Source, TablePattern, not_on_odbc};
use crate::control::{AskError, Reply, Request, ask};
use crate::diagnostics::Problem;
use crate::error::Error;
use crate::exit::ExitStatus;
use crate::pipeline::{self, Mode};
use crate::progress::Terminal;
use crate::store::Store;

mod estimate;

/// Loads: by the running pipeline if there is one, else by itself.
pub(crate) async fn snapshot(
    config: Config,
    args: &SnapshotArgs,
    terminal: &Terminal,
) -> Result<ExitStatus, Problem> {
    if let Source::Odbc(_) = config.source {
        return Err(not_on_odbc("cdc snapshot"));
    }
    if args.estimate {
        return estimate::estimate(&config, &args.tables).await;
    }
    if args.new_epoch {
        return start_over(config, terminal).await;
    }
    let tables = match args.tables.as_slice() {
        [] => None,
        patterns => Some(chosen(&config, patterns).await?),
    };
    let request = request(&config, args, tables.as_deref()).await?;
    // Whoever answers to this is the pipeline that has the folder.
    match (ask(&config.pipeline.control_socket(), &Request::Status {}).await, tables) {
        (Ok(_), Some(tables)) => reload_beside_stream(&config, &tables, request).await,
        (Ok(_), None) => {
            let what = "the pipeline is running, and loads what is due by itself".to_owned();
            let help = "name the tables to read anew by --tables, '*.*' for all";
            Err(Problem::new(ExitStatus::Usage, "CDC-CLI-005", what, help))
        }
        (Err(AskError::NotRunning { .. }), None) => run::run(vec![config], Mode::Load, terminal).await,
        (Err(AskError::NotRunning { .. }), Some(tables)) => {
            mark(&config, &tables, &request).await?;
            run::run(vec![config], Mode::Load, terminal).await
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// How the tables are to be read. What can be known to be wrong is said here, to whoever asks.
async fn request(
    config: &Config,
    args: &SnapshotArgs,
    tables: Option<&[TableName]>,
) -> Result<LoadRequest, Problem> {
    let truncate_first = args.truncate_first;
    if args.filter.is_none() && args.columns.is_empty() {
        return Ok(LoadRequest { truncate_first, ..LoadRequest::default() });
    }
    let usage = |what: &str, help: &'static str| {
        Problem::new(ExitStatus::Usage, "CDC-CLI-012", what.to_owned(), help)
    };
    let Some([table]) = tables else {
        let what = "--where and --columns are about one table";
        return Err(usage(what, "name it by --tables schema.table"));
    };
    if !args.columns.is_empty() && matches!(config.format.encoding(""), event::Format::DebeziumJson(_)) {
        let what =
            "debezium-json can't say that a column was not read: its consumers would overwrite the value";
        return Err(usage(what, "leave --columns out"));
    }
    if let Some(filter) = &args.filter {
        let said = try_filter(config, table, filter).await?;
        if let Some(said) = said {
            return Err(usage(&format!("--where: {said}"), "it stands in WHERE ( … )"));
        }
    }
    let part = LoadPart { filter: args.filter.clone(), columns: args.columns.clone() };
    Ok(LoadRequest { truncate_first, part: Some(part), ..LoadRequest::default() })
}

/// What the database has against a condition, if anything.
async fn try_filter(config: &Config, table: &TableName, filter: &str) -> Result<Option<String>, Error> {
    match &config.source {
        Source::Postgres(source) => {
            let options = pipeline::options(source, config)?;
            let mut sql = wire::connect(&options.connection, SessionMode::Sql).await?;
            match wal_reader::try_filter(&mut sql, table, filter).await {
                Ok(()) => Ok(None),
                Err(error) => match error.server_error() {
                    Some(said) => Ok(Some(said.to_string())),
                    None => Err(error.into()),
                },
            }
        }
        Source::Mysql(source) => {
            let options = pipeline::mysql::options(source, config)?;
            let mut session = Session::open(&options.connection).await?;
            match binlog_reader::try_filter(&mut session, table, filter).await {
                Ok(()) => Ok(None),
                Err(binlog_reader::Error::Server { error, .. }) => Ok(Some(error.to_string())),
                Err(error) => Err(error.into()),
            }
        }
        // `snapshot` has refused it.
        Source::Odbc(_) => Ok(None),
    }
}

/// Gives up what was remembered: a new slot, a new epoch, all tables.
async fn start_over(config: Config, terminal: &Terminal) -> Result<ExitStatus, Problem> {
    {
        let mut store = Store::open(&config)?;
        match &config.source {
            Source::Postgres(source) => {
                pipeline::start_over(&pipeline::options(source, &config)?, &mut store).await?;
            }
            Source::Mysql(_) => pipeline::mysql::start_over(&mut store).await?,
            Source::Odbc(_) => {}
        }
    }
    run::run(vec![config], Mode::Load, terminal).await
}

/// The tables that the patterns mean, of those that the pipeline knows. What it names outright is asked for anyway: the
/// pipeline has the last word.
async fn chosen(config: &Config, patterns: &[TablePattern]) -> Result<Vec<TableName>, Problem> {
    let checkpoint = Store::peek(config).await?;
    let known = checkpoint.map(|checkpoint| checkpoint.tables).unwrap_or_default();
    let mut tables: Vec<TableName> = known
        .into_keys()
        .filter(|name| patterns.iter().any(|pattern| pattern.matches(&name.schema, &name.table)))
        .collect();
    tables.extend(patterns.iter().filter_map(TablePattern::exact));
    tables.sort();
    tables.dedup();
    if tables.is_empty() {
        let patterns = patterns.iter().map(TablePattern::as_str).collect::<Vec<_>>().join(", ");
        let what = format!("no table of this pipeline matches {patterns}");
        let help = "`cdc status` lists its tables; new ones are loaded when the pipeline is started";
        return Err(Problem::new(ExitStatus::Usage, "CDC-CLI-006", what, help));
    }
    Ok(tables)
}

async fn reload_beside_stream(
    config: &Config,
    tables: &[TableName],
    request: LoadRequest,
) -> Result<ExitStatus, Problem> {
    let request = Request::Snapshot { tables: tables.iter().map(quoted).collect(), request };
    match ask(&config.pipeline.control_socket(), &request).await? {
        Reply::Snapshot { tables } => {
            // Nobody reads it if the pipe is closed.
            _ = writeln!(
                std::io::stdout(),
                "the running pipeline reads {tables} of its tables anew; `cdc status` says how far it is"
            );
            Ok(ExitStatus::Done)
        }
        Reply::Error { message } => {
            let help = "`cdc status` lists its tables";
            Err(Problem::new(
                ExitStatus::Failed,
                "CDC-CTL-004",
                format!("the pipeline refuses: {message}"),
                help,
            ))
        }
        Reply::Status(_) => {
            let what = "the pipeline answered something else".to_owned();
            Err(Problem::new(
                ExitStatus::Failed,
                "CDC-CTL-005",
                what,
                "run the same version of cdc on both sides",
            ))
        }
    }
}

/// Notes in the checkpoint that these tables are to be read from their beginning.
async fn mark(config: &Config, tables: &[TableName], request: &LoadRequest) -> Result<(), Problem> {
    let mut store = Store::open(config)?;
    let unknown = |name: String| {
        let what = format!("{name} is not one of this pipeline's tables");
        Problem::new(
            ExitStatus::Usage,
            "CDC-CLI-006",
            what,
            "a pipeline that never ran loads everything: leave --tables out",
        )
    };
    let Some(mut checkpoint) = store.load().await? else {
        return Err(unknown(tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
    };
    for name in tables {
        let Some(table) = checkpoint.tables.get_mut(name) else { return Err(unknown(name.to_string())) };
        if request.part.is_some() && matches!(table.load, LoadState::From(_)) && table.request.part.is_none()
        {
            let what = format!("{name} is still to be loaded as a whole");
            return Err(Problem::new(
                ExitStatus::Usage,
                "CDC-CLI-012",
                what,
                "load it first: `cdc snapshot`",
            ));
        }
        table.load_anew(request.clone());
    }
    Ok(store.save(&checkpoint).await?)
}

/// As a pattern that means this table alone.
fn quoted(name: &TableName) -> String {
    let quote = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
    format!("{}.{}", quote(&name.schema), quote(&name.table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_name_means_its_table() {
        let name = TableName::new("Odd \"one\"", "a.b*");
        assert_eq!(quoted(&name).parse::<TablePattern>().unwrap().exact(), Some(name));
    }
}
