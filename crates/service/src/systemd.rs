use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{Error, Service, State};

/// The unit for packages, by which the one of a single pipeline is made.
const TEMPLATE: &str = include_str!("../../../deploy/systemd/cdc@.service");

/// Writes the unit, enables it and starts it; below `root`, an image of another system, it is only written and enabled.
pub fn install(service: &Service, root: Option<&Path>) -> Result<PathBuf, Error> {
    let path = path(service, root);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed("create", folder))?;
    }
    fs::write(&path, unit(service)).map_err(failed("write", &path))?;
    let unit = unit_name(service);
    match root {
        Some(root) => _ = told(Command::new("systemctl").arg("--root").arg(root).args(["enable", &unit]))?,
        None => {
            told(Command::new("systemctl").arg("daemon-reload"))?;
            told(Command::new("systemctl").args(["enable", "--now", &unit]))?;
        }
    }
    Ok(path)
}

/// Stops and disables it, and removes the unit. What the pipeline remembers stays.
pub fn remove(service: &Service, root: Option<&Path>) -> Result<PathBuf, Error> {
    let (path, unit) = (path(service, root), unit_name(service));
    if !path.exists() {
        return Err(Error::Missing { name: service.name() });
    }
    match root {
        Some(root) => _ = told(Command::new("systemctl").arg("--root").arg(root).args(["disable", &unit]))?,
        None => _ = told(Command::new("systemctl").args(["disable", "--now", &unit]))?,
    }
    fs::remove_file(&path).map_err(failed("remove", &path))?;
    if root.is_none() {
        told(Command::new("systemctl").arg("daemon-reload"))?;
    }
    Ok(path)
}

/// What systemd says of it.
pub fn status(service: &Service) -> Result<State, Error> {
    if !path(service, None).exists() {
        return Err(Error::Missing { name: service.name() });
    }
    let mut command = Command::new("systemctl");
    command.args(["--no-pager", "--lines=5", "status", &unit_name(service)]);
    // 3: it is there and does not run.
    let output = output(&mut command)?;
    match output.status.code() {
        Some(0 | 3) => Ok(State {
            is_running: output.status.success(),
            told: String::from_utf8_lossy(&output.stdout).into_owned(),
        }),
        _ => Err(refused(&command, &output)),
    }
}

/// The unit's text.
pub fn unit(service: &Service) -> String {
    let name = unit_name(service);
    let password = service.config.with_extension("password");
    let mut text = format!(
        "# Made by `cdc service install`, which writes it anew; `systemctl edit {name}` adds to it.\n"
    );
    for line in TEMPLATE.lines().filter(|line| !line.starts_with('#')) {
        match line {
            line if line.starts_with("ExecStart=") => {
                let (program, config) = (quoted(&service.program), quoted(&service.config));
                text.push_str(&format!("ExecStart={program} run --config {config}\n"));
            }
            // The unit's user can't read what is root's alone: systemd hands it over.
            line if line.starts_with("LoadCredential=") => {
                if password.exists() {
                    let place = format!("/run/credentials/{name}/password");
                    text.push_str(&format!("# In the configuration: password_file = \"{place}\"\n"));
                    text.push_str(&format!("LoadCredential=password:{}\n", escaped(&password)));
                }
            }
            line => {
                text.push_str(&line.replace("%i", &service.pipeline));
                text.push('\n');
            }
        }
    }
    text
}

fn unit_name(service: &Service) -> String {
    format!("{}.service", service.name())
}

fn path(service: &Service, root: Option<&Path>) -> PathBuf {
    let root = root.unwrap_or_else(|| Path::new("/"));
    root.join("etc/systemd/system").join(unit_name(service))
}

/// A word of a command line, as systemd.service(5) and systemd.syntax(7) have it.
fn quoted(path: &Path) -> String {
    let text = escaped(path).replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$");
    format!("\"{text}\"")
}

/// `%` begins a specifier.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace('%', "%%")
}

fn told(command: &mut Command) -> Result<String, Error> {
    let output = output(command)?;
    if !output.status.success() {
        return Err(refused(command, &output));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn output(command: &mut Command) -> Result<Output, Error> {
    let program = PathBuf::from(command.get_program());
    command.output().map_err(failed("run", &program))
}

fn refused(command: &Command, output: &Output) -> Error {
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>();
    let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Error::Refused { command: format!("systemctl {}", words.join(" ")), told }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_runs_its_pipeline_as_the_packaged_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("my 100% shop.toml");
        let program = PathBuf::from("/opt/cdc/cdc");
        let service = Service { pipeline: "shop".to_owned(), program, config: config.clone() };
        let without = unit(&service);
        assert!(without.contains("ExecStart=\"/opt/cdc/cdc\" run --config \""), "{without}");
        assert!(
            without.contains("my 100%% shop.toml\"\n") && without.contains("pipeline shop\n"),
            "{without}"
        );
        assert!(!without.contains("LoadCredential") && !without.contains("%i"), "{without}");
        fs::write(config.with_extension("password"), "").unwrap();
        let with = unit(&service);
        assert!(
            with.contains("LoadCredential=password:/") && with.contains("100%% shop.password\n"),
            "{with}"
        );
        // Nothing of the confinement is left out.
        for line in TEMPLATE.lines().filter(|line| line.contains('=') && !line.starts_with('#')) {
            let (key, _) = line.split_once('=').unwrap();
            assert!(with.contains(&format!("\n{key}=")), "{key}");
        }
    }
}
