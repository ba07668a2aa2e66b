//! Log lines on standard error: standard output belongs to the events.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::diagnostics::Problem;
use crate::exit::ExitStatus;
use crate::progress::Terminal;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One object a line.
    Json,
}

/// Starts logging. `filter` is a level or a filter as `RUST_LOG` has it: `info`, `wal_reader=debug,info`.
pub(crate) fn start(filter: &str, format: LogFormat, terminal: &Terminal) -> Result<(), Problem> {
    // The NATS client tells of each of its attempts to reach a server, and the sink itself says what matters. At `trace`
    // its `connection` writes the password that it sends: that must not be asked for, even by name. The last directive
    // for a target counts.
    let filter = format!("async_nats=off,{filter},async_nats::connection=off");
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        let what = format!("`{filter}` is no log filter");
        Problem::new(
            ExitStatus::Usage,
            "CDC-CLI-001",
            what,
            "use error, warn, info, debug or trace, also per part: wal_reader=debug,info",
        )
        .caused_by(&error)
    })?;
    let lines = fmt().with_env_filter(filter).with_writer(terminal.clone());
    match format {
        LogFormat::Human => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).init(),
    }
    Ok(())
}
