use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use event::{Estimate, TableName};

use crate::commands::slot::mebibytes;
use crate::config::{Config, Source, TablePattern, not_on_odbc};
use crate::diagnostics::Problem;
use crate::error::Error;
use crate::exit::ExitStatus;
use crate::pipeline;
use crate::progress::time_left;

/// Says how much there is to load, and how long it takes.
pub(super) async fn estimate(config: &Config, patterns: &[TablePattern]) -> Result<ExitStatus, Problem> {
    let estimate = match &config.source {
        Source::Postgres(source) => {
            let options = pipeline::options(source, config)?;
            let wanted = chosen(&options.wanted, patterns);
            wal_reader::estimate(&wal_reader::Options { wanted, ..options }).await.map_err(Error::from)?
        }
        Source::Mysql(source) => {
            let options = pipeline::mysql::options(source, config)?;
            let wanted = chosen(&options.wanted, patterns);
            binlog_reader::estimate(&binlog_reader::Options { wanted, ..options })
                .await
                .map_err(Error::from)?
        }
        Source::Odbc(_) => return Err(not_on_odbc("cdc snapshot")),
    };
    // Nobody reads it if the pipe is closed.
    _ = write!(std::io::stdout(), "{}", render(&estimate, config.load.snapshot_max_minutes.duration()));
    Ok(ExitStatus::Done)
}

type Wanted = Arc<dyn Fn(&TableName) -> bool + Send + Sync>;

/// Of the wanted tables those that match; all of them, if there are no patterns.
fn chosen(wanted: &Wanted, patterns: &[TablePattern]) -> Wanted {
    let (wanted, patterns) = (Arc::clone(wanted), patterns.to_vec());
    Arc::new(move |name: &TableName| {
        let is_chosen =
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(&name.schema, &name.table));
        is_chosen && wanted(name)
    })
}

fn render(estimate: &Estimate, snapshot_max: Option<Duration>) -> String {
    let Estimate { tables, sample } = estimate;
    let time = |bytes| sample.time_of(bytes).map_or_else(|| "-".to_owned(), time_left);
    let mut text = format!("{:<44} {:>14} {:>12} {:>10}\n", "table", "rows", "size", "time");
    for table in tables {
        let guess = if table.is_guess { "~" } else { "" };
        _ = write!(
            text,
            "{:<44} {:>14} {:>12} {:>10}",
            table.name.to_string(),
            format!("{guess}{}", table.rows),
            mebibytes(table.bytes),
            time(table.bytes)
        );
        let takes_long = |most| sample.time_of(table.bytes).is_some_and(|time| time > most);
        text.push_str(match (table.is_read_whole, snapshot_max) {
            (true, Some(most)) if takes_long(most) => "  longer than [load] snapshot_max_minutes allows\n",
            (true, _) => "  one snapshot\n",
            (false, _) => "\n",
        });
    }
    let (rows, bytes) =
        tables.iter().fold((0, 0), |(rows, bytes), table| (rows + table.rows, bytes + table.bytes));
    _ = writeln!(
        text,
        "{:<44} {rows:>14} {:>12} {:>10}",
        format!("{} tables", tables.len()),
        mebibytes(bytes),
        time(bytes)
    );
    _ = writeln!(
        text,
        "\nrows: as the planner guesses (~ never analysed: by the sample's density); time: by one connection, from a sample \
         of {} rows, {} in {:.1} s; the sink, which may be slower, was not tried",
        sample.rows,
        mebibytes(sample.bytes),
        sample.time.as_secs_f64()
    );
    text
}
