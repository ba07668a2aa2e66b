//! A first configuration: asked for on a terminal, by flags elsewhere; tried against the database before it is written.

mod draft;
mod listed;
mod proposal;
mod questions;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use event::Finding;
use wal_reader::overview;
use wal_reader::publication;
use wal_reader::wire::{self, Connection, Mode};

use self::draft::{Draft, SinkDraft, SourceDraft};
use self::listed::Listed;
use self::proposal::Proposal;
use self::questions::Questions;
use super::check;
use crate::cli::{Global, InitArgs};
use crate::config::{self, Config, Overrides, PipelineName, SecretUrl, SinkKind, TablePattern};
use crate::diagnostics::{Colour, Problem};
use crate::error::Error;
use crate::exit::ExitStatus;
use crate::pipeline;
use crate::store::Store;

/// What Debezium calls its publication unless told otherwise.
const DEBEZIUM_PUBLICATION: &str = "dbz_publication";

/// Writes a configuration, and says what is still to be done.
pub(crate) async fn init(
    args: &InitArgs,
    global: &Global,
    variables: Vec<(String, String)>,
) -> Result<ExitStatus, Problem> {
    let output = args.output.clone().unwrap_or_else(|| global.file().0);
    if output.exists() && !args.force {
        let what = format!("{} is there already", output.display());
        let help = "--force replaces it, --output writes another";
        return Err(Problem::new(ExitStatus::Usage, "CDC-CLI-010", what, help));
    }
    let questions = Questions::of_terminal();
    let (draft, overview) = draft(args, global, &questions, &variables).await?;
    let text = draft.text();
    let overrides = Overrides { variables, ..Overrides::default() };
    // What is wrong with an answer is found by who reads the file.
    let config = Config::parse(&output, &text, &overrides)?;
    if args.adopt_slot.is_some() {
        adopt(&config).await?;
    }
    write(&output, &text)?;
    let chosen = overview.iter().filter(|table| wants(&config, table)).count();
    say(&format!("wrote {}: {chosen} of {} tables\n", output.display(), overview.len()));
    let findings = check::findings(&config).await?;
    say(&check::render(&findings, Colour::of_stdout()));
    say(&for_the_administrator(&findings));
    let is_fine = findings.iter().all(|finding| finding.is_warning);
    let file = output.display();
    say(&match is_fine {
        true => format!("next: cdc run -c {file}"),
        false => format!("next: mend the problems, then cdc check -c {file} && cdc run -c {file}"),
    });
    Ok(if is_fine { ExitStatus::Done } else { ExitStatus::Problems })
}

/// Everything that is known by asking: the person, and the database.
async fn draft(
    args: &InitArgs,
    global: &Global,
    questions: &Questions,
    variables: &[(String, String)],
) -> Result<(Draft, Vec<Listed>), Problem> {
    let given = args.url.clone().or_else(|| global.source_url.clone());
    let url = questions.required(
        "--url",
        "the database (postgres://user@host:port/database, mysql://user@host:port/)",
        given,
        None,
        parse_url,
    )?;
    let password_file = questions.optional(
        "a file that holds the password (empty: none is needed, or the environment has it)",
        || args.password_file.clone(),
    )?;
    let Looked { database, user, tables, source, proposal } = match url.is_mysql() {
        true => look_at_mysql(&url, password_file.as_deref(), args, variables).await?,
        false => look_at_postgres(&url, password_file.as_deref(), args, questions, variables).await?,
    };
    say(&listed::list(&tables, database.as_deref(), &user));
    let overview = tables;
    let name = questions.required(
        "--name",
        "a name for the pipeline",
        args.name.clone(),
        database.as_deref(),
        name,
    )?;
    let given = (!args.tables.is_empty()).then(|| args.tables.clone());
    let is_chosen = given.is_some();
    let default = proposal.tables.join(",");
    let tables = questions.required("--tables", "which tables", given, Some(&default), patterns)?;
    // What the proposal leaves out belongs to its own patterns.
    let exclude_tables = match (args.exclude_tables.is_empty(), is_chosen) {
        (false, _) => args.exclude_tables.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
        (true, true) => Vec::new(),
        (true, false) => proposal.exclude_tables,
    };
    let draft = Draft {
        name,
        url: url.without_password(),
        password_file,
        source,
        tables: tables.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
        exclude_tables,
        sink: sink(args, global, questions)?,
        state_dir: questions.required(
            "--state-dir",
            "a folder for the checkpoint, which must survive restarts",
            global.state_dir.clone(),
            Some("/var/lib/cdc"),
            |text| Ok(text.to_owned()),
        )?,
    };
    Ok((draft, overview))
}

/// What the database showed.
struct Looked {
    /// If one is meant, and not the whole server.
    database: Option<String>,
    user: String,
    tables: Vec<Listed>,
    source: SourceDraft,
    proposal: Proposal,
}

fn parse_url(text: &str) -> Result<SecretUrl, String> {
    let url = SecretUrl::from(text);
    let parsed = match url.is_mysql() {
        true => binlog_reader::Config::parse(text).map(drop).map_err(|error| error.to_string()),
        false => wire::Config::parse(text).map(drop).map_err(|error| error.to_string()),
    };
    parsed.map(|()| url)
}

async fn look_at_postgres(
    url: &SecretUrl,
    password_file: Option<&Path>,
    args: &InitArgs,
    questions: &Questions,
    variables: &[(String, String)],
) -> Result<Looked, Problem> {
    let (mut sql, login) = connect(url, password_file, variables).await?;
    let tables = overview::tables(&mut sql).await.map_err(Error::from)?;
    let tables: Vec<Listed> = tables.into_iter().map(Listed::from).collect();
    let publication = match (&args.publication, &args.adopt_slot) {
        (None, Some(slot)) => Some(adopted_publication(&mut sql, questions, slot).await?),
        (given, _) => given.clone(),
    };
    let proposal = match (&publication, &args.adopt_slot) {
        (Some(name), Some(_)) => {
            let published = publication::state(&mut sql, name).await.map_err(Error::from)?;
            let published = published.map(|state| state.tables).unwrap_or_default();
            Proposal::of(tables.iter().map(|table| (&table.name, published.contains(&table.name))))
        }
        _ => Proposal::of(tables.iter().map(|table| (&table.name, table.is_usable))),
    };
    let source = SourceDraft::Postgres { slot: args.adopt_slot.clone(), publication };
    let (database, user) = (Some(login.database().to_owned()), login.user().to_owned());
    Ok(Looked { database, user, tables, source, proposal })
}

async fn look_at_mysql(
    url: &SecretUrl,
    password_file: Option<&Path>,
    args: &InitArgs,
    variables: &[(String, String)],
) -> Result<Looked, Problem> {
    for (flag, given) in [("--adopt-slot", &args.adopt_slot), ("--publication", &args.publication)] {
        if given.is_some() {
            return Err(config::not_on_mysql(flag));
        }
    }
    let login = binlog_reader::Config::parse(url.expose()).map_err(Error::from)?;
    let mut tables = listed::of_mysql(url, password_file, variables).await?;
    tables.retain(|table| login.database().is_none_or(|database| table.name.schema == database));
    let mut proposal = Proposal::of(tables.iter().map(|table| (&table.name, table.is_usable)));
    if tables.is_empty() {
        proposal.tables = vec![format!("{}.*", login.database().unwrap_or("*"))];
    }
    let (database, user) = (login.database().map(str::to_owned), login.user().to_owned());
    Ok(Looked { database, user, tables, source: SourceDraft::Mysql, proposal })
}

/// As the pipeline will: the password comes from where the configuration says, the environment first.
async fn connect(
    url: &SecretUrl,
    password_file: Option<&Path>,
    variables: &[(String, String)],
) -> Result<(Connection, wire::Config), Problem> {
    let mut login = wire::Config::parse(url.expose()).map_err(Error::from)?;
    if let Some(file) = password_file {
        login = login.with_password_file(file);
    }
    let variable = variables.iter().find(|(name, _)| name == "CDC__SOURCE__POSTGRES__PASSWORD");
    if let Some((_, password)) = variable {
        login = login.with_password(password.as_str());
    }
    match wire::connect(&login, Mode::Sql).await {
        Ok(connection) => Ok((connection, login)),
        Err(error) => {
            if event::Failure::is_about_credentials(&error) {
                let sql = overview::role_sql(&login).join("\n");
                say(&format!("If the role is not there yet, a superuser runs in that database:\n\n{sql}\n"));
            }
            Err(Error::from(error).into())
        }
    }
}

async fn adopted_publication(
    sql: &mut Connection,
    questions: &Questions,
    slot: &str,
) -> Result<String, Problem> {
    let is_debezium = publication::state(sql, DEBEZIUM_PUBLICATION).await.map_err(Error::from)?.is_some();
    let default = is_debezium.then_some(DEBEZIUM_PUBLICATION);
    let question = format!("the publication that slot {slot} was read with");
    questions.required("--publication", &question, None, default, |text| Ok(text.to_owned()))
}

fn sink(args: &InitArgs, global: &Global, questions: &Questions) -> Result<SinkDraft, Problem> {
    let kind = questions.required(
        "--sink",
        "where the events go (kafka, nats, http, file, stdout)",
        global.sink,
        Some("kafka").filter(|_| questions.can_ask()),
        |text| <SinkKind as clap::ValueEnum>::from_str(text, true),
    )?;
    let some = |given: &[String]| (!given.is_empty()).then(|| given.to_vec());
    Ok(match kind {
        SinkKind::Kafka => {
            let default = Some("127.0.0.1:9092").filter(|_| questions.can_ask());
            let given = some(&args.brokers);
            SinkDraft::Kafka(questions.required("--brokers", "Kafka's brokers", given, default, addresses)?)
        }
        SinkKind::Nats => {
            let default = Some("nats://127.0.0.1:4222").filter(|_| questions.can_ask());
            let given = some(&args.servers);
            SinkDraft::Nats(questions.required("--servers", "NATS's servers", given, default, addresses)?)
        }
        SinkKind::Http => {
            let given = args.receiver.clone();
            let url = |text: &str| Ok(text.to_owned());
            SinkDraft::Http(questions.required("--receiver", "the receiver's URL", given, None, url)?)
        }
        SinkKind::File => {
            SinkDraft::File(
                questions.required("--path", "the file", args.path.clone(), None, |text| {
                    Ok(PathBuf::from(text))
                })?,
            )
        }
        SinkKind::Stdout => SinkDraft::Stdout,
        SinkKind::Null => SinkDraft::Null,
    })
}

async fn adopt(config: &Config) -> Result<(), Problem> {
    let options = pipeline::options(config.postgres("--adopt-slot")?, config)?;
    let mut store = Store::open(config)?;
    let adopted = pipeline::adopt(&options, &mut store, config).await.map_err(|error| {
        // Nothing here tries again.
        let code = event::Failure::code(&error);
        Problem::new(ExitStatus::Failed, code, error.to_string(), "nothing was changed")
    })?;
    say(&format!(
        "adopted slot {}: {} tables go on at {}, without a load",
        options.slot, adopted.tables, adopted.position
    ));
    Ok(())
}

fn write(output: &Path, text: &str) -> Result<(), Problem> {
    std::fs::write(output, text).map_err(|error| {
        let what = format!("can't write {}", output.display());
        let help = "--output writes it elsewhere";
        Problem::new(ExitStatus::Failed, "CDC-CLI-011", what, help).caused_by(&error)
    })
}

/// All statements at once, each only once.
fn for_the_administrator(findings: &[Finding]) -> String {
    let mut statements: Vec<&str> = Vec::new();
    for statement in findings.iter().filter(|finding| !finding.is_warning).flat_map(|f| &f.explanation.sql) {
        if !statements.contains(&statement.as_str()) {
            statements.push(statement);
        }
    }
    match statements.as_slice() {
        [] => String::new(),
        statements => format!("\nAll of it for the database's administrator:\n\n{}\n", statements.join("\n")),
    }
}

fn wants(config: &Config, table: &Listed) -> bool {
    config.source.wants(&table.name.schema, &table.name.table)
}

fn name(text: &str) -> Result<PipelineName, String> {
    text.to_owned().try_into()
}

fn patterns(text: &str) -> Result<Vec<TablePattern>, String> {
    text.split(',')
        .map(|pattern| pattern.parse::<TablePattern>().map_err(|error| error.to_string()))
        .collect()
}

fn addresses(text: &str) -> Result<Vec<String>, String> {
    Ok(text.split(',').map(|address| address.trim().to_owned()).collect())
}

fn say(text: &str) {
    // Nobody reads it if the pipe is closed.
    _ = writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n'));
}
