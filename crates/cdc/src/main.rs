//! `cdc`: a database's own replication log as an ordered, typed, gap-evident stream of row changes.
//!
//! The binary is where everything meets, and the only crate that knows all the others. It has two halves:
//!
//! - **The pipeline** (`pipeline`) is the one loop from a source to a sink. It is given all that it needs from
//!   outside as values: configuration, checkpoint store, [`status::Status`], requests, [`shutdown::Shutdown`].
//! - **The shell** is everything around it that people and machines touch. It never reaches into the loop: it shows
//!   the status, and hands requests over.
//!
//! | file | what |
//! |---|---|
//! | `cli`, `commands` | the command line, one file per command |
//! | `config` | `cdc.toml`, the environment and the flags as a typed tree |
//! | `diagnostics`, `exit` | errors for people, what the process ends with |
//! | `status`, `metrics`, `process`, `admin`, `progress` | what a pipeline is doing: kept, as metrics, as pages, as a bar |
//! | `watch` | the database, seen from beside the pipeline |
//! | `control` | the socket that commands use to speak to a running pipeline |
//! | `shutdown`, `logging`, `spans` | signals in, log lines and spans out |
//! | `pipeline`, `error` | the loop, and why it stops |

mod admin;
mod cli;
mod commands;
mod config;
mod control;
mod diagnostics;
mod error;
mod exit;
mod logging;
mod metrics;
mod pipeline;
mod process;
mod progress;
mod shutdown;
mod spans;
mod status;
mod store;
mod watch;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command, ConfigCommand, Global};
use crate::commands::{
    check, completions, init, replay, resync, run, service, slot, snapshot, state, status as status_command,
    tail,
};
use crate::config::Config;
use crate::diagnostics::{Colour, Problem};
use crate::exit::ExitStatus;
use crate::pipeline::Mode;
use crate::progress::Terminal;
use crate::spans::Exporter;

/// In C libraries too: librdkafka takes several pieces a message on one thread and frees them on another, which costs the
/// system's allocator a third of all CPU to Kafka (docs/decisions/2026-11-22-an-allocator-for-librdkafka.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    // clap ends the process with 2 on a wrong command line, and with 0 after --help.
    let Cli { command, global } = Cli::parse();
    let ended = match start(&command, &global) {
        Ok((terminal, spans)) => {
            let ended = perform(command, &global, &terminal).await;
            if let Some(spans) = spans {
                spans.close();
            }
            ended
        }
        Err(problem) => Err(problem),
    };
    match ended {
        Ok(status) => status.into(),
        Err(problem) => {
            // Nobody reads it if the pipe is closed.
            _ = write!(std::io::stderr(), "{}", problem.render(Colour::of_stderr()));
            problem.status().into()
        }
    }
}

/// Log lines for every command, spans for those that move rows.
fn start(command: &Command, global: &Global) -> Result<(Terminal, Option<Exporter>), Problem> {
    let terminal = Terminal::of_stderr();
    let endpoint = global.otlp_endpoint.as_deref().filter(|_| command.moves_rows());
    let spans = endpoint.map(Exporter::new).transpose()?;
    logging::start(&global.log_level, global.log_format, &terminal, spans.as_ref())?;
    Ok((terminal, spans))
}

async fn perform(command: Command, global: &Global, terminal: &Terminal) -> Result<ExitStatus, Problem> {
    match command {
        Command::Run { configs } if configs.is_empty() => {
            run::run(vec![load(global)?], Mode::Run, terminal).await
        }
        Command::Run { configs } => {
            let configs =
                configs.iter().map(|file| load_file(file, true, global)).collect::<Result<_, _>>()?;
            run::run(configs, Mode::Run, terminal).await
        }
        Command::Snapshot(args) => snapshot::snapshot(load(global)?, &args, terminal).await,
        Command::Init(args) => init::init(&args, global, variables().collect()).await,
        Command::Check { json } => check::check(&load(global)?, json).await,
        Command::Tail(args) => tail::tail(&load(global)?, &args).await,
        Command::Status { healthy, json } => status_command::status(&load(global)?, healthy, json).await,
        Command::Resync(args) => resync::resync(&load(global)?, &args),
        Command::Replay(args) => replay::replay(&load(global)?, &args).await,
        Command::State(command) => state::state(&load(global)?, &command).await,
        Command::Service(command) => service::service(&load(global)?, &global.file().0, &command),
        Command::Slot(command) => slot::slot(load(global)?, command).await,
        Command::Config(ConfigCommand::Show) => {
            let (file, named) = global.file();
            let shown = Config::show(&file, named, &global.overrides(variables()))?;
            _ = write!(std::io::stdout(), "{shown}");
            Ok(ExitStatus::Done)
        }
        Command::Config(ConfigCommand::Schema) => {
            _ = write!(std::io::stdout(), "{}", Config::schema());
            Ok(ExitStatus::Done)
        }
        Command::Completions { shell } => Ok(completions::completions(shell)),
    }
}

fn load(global: &Global) -> Result<Config, Problem> {
    let (file, named) = global.file();
    load_file(&file, named, global)
}

fn load_file(file: &Path, named: bool, global: &Global) -> Result<Config, Problem> {
    Ok(Config::load(file, named, &global.overrides(variables()))?)
}

/// The environment. A variable that is not UTF-8 is nobody's key, and must not end the program.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
}
