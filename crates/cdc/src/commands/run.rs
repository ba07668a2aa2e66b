use std::collections::BTreeSet;
use std::sync::Arc;

use event::Failure as _;
use futures_util::future::join_all;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::admin::AdminPages;
use crate::config::{Config, Source};
use crate::control::ControlSocket;
use crate::diagnostics::Problem;
use crate::error::Error;
use crate::exit::ExitStatus;
use crate::pipeline::{self, Mode, Pipeline};
use crate::progress::{Progress, Terminal};
use crate::shutdown::Shutdown;
use crate::status::Status;
use crate::store::Store;
use crate::watch::{Eye, SourceWatch};

/// Runs pipelines until all are done, or until told to stop. One that fails does not stop the others: its failure is
/// logged at once, its probes say so, and the process ends with it.
pub(crate) async fn run(
    configs: Vec<Config>,
    mode: Mode,
    terminal: &Terminal,
) -> Result<ExitStatus, Problem> {
    refuse_twins(&configs)?;
    let shutdown = signals()?;
    let mut ready = Vec::new();
    for config in configs {
        let store = Store::open(&config)?;
        ready.push(Ready::new(config, mode, store, shutdown.clone(), terminal).await?);
    }
    let mut running = JoinSet::new();
    let mut shells = Vec::new();
    for Ready { pipeline, store, shell } in ready {
        let name = pipeline.config.pipeline.name.to_string();
        let status = Arc::clone(&pipeline.status);
        shells.push(shell);
        running.spawn(async move {
            let span = tracing::info_span!("run", pipeline = name);
            let ended = status.alive_during(pipeline.run(store)).instrument(span).await;
            match &ended {
                Ok(()) => status.finished(),
                Err(error) => tracing::error!(pipeline = name, code = error.code(), %error, "stopped"),
            }
            ended
        });
    }
    let ended = end(running).await;
    join_all(shells.into_iter().map(Shell::close)).await;
    ended
}

/// One pipeline, and what is around it while it runs.
struct Ready {
    pipeline: Pipeline,
    store: Store,
    shell: Shell,
}

/// What ends when it is dropped.
struct Shell {
    _socket: ControlSocket,
    pages: Option<AdminPages>,
    _progress: Progress,
    _watch: Option<SourceWatch>,
}

impl Shell {
    async fn close(self) {
        if let Some(pages) = self.pages {
            pages.close().await;
        }
    }
}

impl Ready {
    /// The folder's lock comes first: it makes the socket ours.
    async fn new(
        config: Config,
        mode: Mode,
        store: Store,
        shutdown: Shutdown,
        terminal: &Terminal,
    ) -> Result<Self, Problem> {
        let status = Status::new(&config.pipeline.name);
        let (socket, requests) =
            ControlSocket::serve(&config.pipeline.control_socket(), Arc::clone(&status))?;
        let pages = AdminPages::serve(&config.admin, &config.shown, Arc::clone(&status)).await?;
        let progress = terminal.show(Arc::clone(&status));
        // What is wrong with them is for the pipeline to say.
        let eye = match &config.source {
            Source::Postgres(source) => pipeline::options(source, &config).ok().map(Eye::postgres),
            Source::Mysql(source) => pipeline::mysql::options(source, &config).ok().map(Eye::mysql),
            // Whatever there is to see, the scans see.
            Source::Odbc(_) => None,
        };
        let watch = eye.map(|eye| SourceWatch::start(eye, Arc::clone(&status)));
        let shell = Shell { _socket: socket, pages, _progress: progress, _watch: watch };
        Ok(Self { pipeline: Pipeline { config, mode, status, requests, shutdown }, store, shell })
    }
}

/// Listens for SIGTERM and SIGINT.
fn signals() -> Result<Shutdown, Problem> {
    Shutdown::on_signals().map_err(|error| {
        let what = "can't listen for signals".to_owned();
        Problem::new(
            ExitStatus::Failed,
            "CDC-CLI-002",
            what,
            "the process may have too few file descriptors (ulimit -n)",
        )
        .caused_by(&error)
    })
}

fn refuse_twins(configs: &[Config]) -> Result<(), Problem> {
    let mut folders = BTreeSet::new();
    match configs.iter().find(|config| !folders.insert(config.pipeline.folder())) {
        None => Ok(()),
        Some(twin) => {
            let what = format!(
                "two configurations are called `{}` in {}",
                twin.pipeline.name,
                twin.pipeline.state_dir.display()
            );
            Err(Problem::new(ExitStatus::Usage, "CDC-CLI-003", what, "give each its own pipeline.name"))
        }
    }
}

/// Waits for all, and tells of the first that failed.
async fn end(mut running: JoinSet<Result<(), Error>>) -> Result<ExitStatus, Problem> {
    let mut first = None;
    while let Some(ended) = running.join_next().await {
        let problem = match ended {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => Problem::from(error),
            Err(error) => {
                let what = "a pipeline ended by a defect of this program".to_owned();
                let help = "nothing is lost: start it again, and report what it logged";
                Problem::new(ExitStatus::Failed, "CDC-CLI-004", what, help).caused_by(&error)
            }
        };
        first.get_or_insert(problem);
    }
    first.map_or(Ok(ExitStatus::Done), Err)
}
