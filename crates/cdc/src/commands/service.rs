use std::io::Write as _;
use std::path::{Path, PathBuf};

use service::Service;

use crate::cli::ServiceCommand;
use crate::config::Config;
use crate::diagnostics::Problem;
use crate::exit::ExitStatus;

/// The one folder that the unit's user can write to.
const STATE_DIR: &str = "/var/lib/cdc";

/// Has the system run the pipeline, or no more, or tell of it.
pub(crate) fn service(config: &Config, file: &Path, command: &ServiceCommand) -> Result<ExitStatus, Problem> {
    let service = Service {
        pipeline: config.pipeline.name.to_string(),
        program: absolute(std::env::current_exe())?,
        config: absolute(std::path::absolute(file))?,
    };
    let (told, status) = match command {
        ServiceCommand::Install { print: true, .. } => {
            check(config)?;
            (service::unit(&service), ExitStatus::Done)
        }
        ServiceCommand::Install { root, .. } => {
            check(config)?;
            let path = service::install(&service, root.as_deref())?;
            (format!("{} is there, as {}", service.name(), path.display()), ExitStatus::Done)
        }
        ServiceCommand::Remove { root } => {
            let path = service::remove(&service, root.as_deref())?;
            let kept = config.pipeline.folder();
            let told = format!(
                "{} is gone; what it remembers is kept in {}, and the database keeps its log for it: `cdc slot drop` if it is \
                 given up",
                path.display(),
                kept.display()
            );
            (told, ExitStatus::Done)
        }
        ServiceCommand::Status => {
            let state = service::status(&service)?;
            (state.told, if state.is_running { ExitStatus::Done } else { ExitStatus::Unreachable })
        }
    };
    // Nobody reads it if the pipe is closed.
    _ = writeln!(std::io::stdout(), "{}", told.trim_end());
    Ok(status)
}

/// What would fail once the unit's own user runs it.
fn check(config: &Config) -> Result<(), Problem> {
    if config.pipeline.state_dir == Path::new(STATE_DIR) {
        return Ok(());
    }
    let what = format!(
        "pipeline.state_dir is {}, and the service's user can write to {STATE_DIR} alone",
        config.pipeline.state_dir.display()
    );
    let help =
        "leave state_dir out, and move what is in it there; or write a unit of your own: docs/deployment.md";
    Err(Problem::new(ExitStatus::Usage, "CDC-CLI-020", what, help))
}

fn absolute(path: std::io::Result<PathBuf>) -> Result<PathBuf, Problem> {
    path.map_err(|error| {
        let what = "can't tell where the program or its configuration is".to_owned();
        let help = "name the configuration by its whole path";
        Problem::new(ExitStatus::Failed, "CDC-CLI-021", what, help).caused_by(&error)
    })
}
