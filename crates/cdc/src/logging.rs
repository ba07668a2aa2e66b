//! Log lines on standard error: standard output belongs to the events.

use std::io::IsTerminal;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use crate::diagnostics::Problem;
use crate::exit::ExitStatus;
use crate::progress::Terminal;
use crate::spans::{self, Exporter};

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One object a line.
    Json,
}

/// Starts logging, and sending spans if there is a collector. `filter` is a level or a filter as `RUST_LOG` has it: `info`, `wal_reader=debug,info`.
pub(crate) fn start(
    filter: &str,
    format: LogFormat,
    terminal: &Terminal,
    exporter: Option<&Exporter>,
) -> Result<(), Problem> {
    // The NATS client tells of each of its attempts to reach a server, and the sink itself says what matters. At `trace`
    // its `connection` writes the password that it sends: that must not be asked for, even by name. The last directive
    // for a target counts. ODBC's drivers say that they know no version 3.80, and are understood all the same.
    let filter =
        format!("async_nats=off,odbc_api=off,{filter},async_nats::connection=off,{}=off", spans::TARGET);
    let targets: Targets = filter.parse().map_err(|error| {
        let what = format!("`{filter}` is no log filter");
        Problem::new(
            ExitStatus::Usage,
            "CDC-CLI-001",
            what,
            "use error, warn, info, debug or trace, also per part: wal_reader=debug,info",
        )
        .caused_by(&error)
    })?;
    let lines = fmt::layer().with_writer(terminal.clone());
    let lines = match format {
        LogFormat::Human => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    registry().with(lines.with_filter(targets)).with(exporter.map(Exporter::layer)).init();
    Ok(())
}
