//! What is remembered of a polled database: rows, and events that were not delivered.

use std::fs;
use std::path::Path;

use poll_reader::Copied;

use super::archive::{self, Content};
use super::{LABEL, Label, nothing, unreadable, unwritable};
use crate::config::Config;
use crate::diagnostics::Problem;
use crate::store::Store;

const STATE: &str = "poll.sqlite";

pub(super) fn backup(config: &Config, file: &Path) -> Result<String, Problem> {
    let copy = archive::beside(file, STATE);
    let done = backup_by(config, file, &copy);
    _ = fs::remove_file(&copy);
    done
}

fn backup_by(config: &Config, file: &Path, copy: &Path) -> Result<String, Problem> {
    let unwritable = |error| unwritable(file, &error);
    // A folder that is not there is the file's mistake, not the state's.
    archive::private(copy).map_err(unwritable)?;
    let Some(copied) = poll_reader::copy(&config.pipeline.folder(), copy)? else {
        return Err(nothing(config));
    };
    let label = Label::new(config, Some(poll_reader::checksum(copy).map_err(unwritable)?));
    archive::write(file, label.unix_seconds, &[(LABEL, label.content()), (STATE, Content::Of(copy))])
        .map_err(unwritable)?;
    Ok(format!("{} with {} is in {}", label.pipeline, shown(&copied), file.display()))
}

pub(super) fn restore(config: &Config, file: &Path) -> Result<String, Problem> {
    let label = Label::of(file, config)?;
    // Its lock keeps it from a running pipeline.
    let _store = Store::open(config)?;
    let folder = config.pipeline.folder();
    let copy = archive::beside(&folder.join(STATE), "copy");
    let restored = archive::unpack(file, STATE, &copy)
        .and_then(|()| poll_reader::checksum(&copy))
        .map_err(|error| unreadable(file, &error.to_string()))
        .and_then(|checksum| match label.checksum == Some(checksum) {
            true => Ok(poll_reader::put_back(&copy, &folder)?),
            false => Err(unreadable(file, "it was damaged")),
        });
    _ = fs::remove_file(&copy);
    let (copied, aside) = restored?;
    let was =
        aside.map(|aside| format!("; what was there is kept as {}", aside.display())).unwrap_or_default();
    Ok(format!(
        "{} goes on with {}{was}. The next scans send every row again, and what was deleted since the copy; a row that came \
         after it and is gone again by now stays in the sink",
        label.pipeline,
        shown(&copied)
    ))
}

fn shown(copied: &Copied) -> String {
    let Copied { epoch, rows, undelivered } = copied;
    format!("{rows} known rows and {undelivered} events to be sent, epoch {epoch}")
}
