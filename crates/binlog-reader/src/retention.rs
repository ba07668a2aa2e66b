//! For how long the server keeps what a checkpoint still needs. It purges files by their age, whoever reads them, so that a
//! pipeline that is too far behind, or down for too long, loses its way on.

use event::{BinlogOffset, Explanation};

use crate::Options;
use crate::dump::{Dump, From};
use crate::error::Error;
use crate::session::Session;
use crate::system::{self, System};

/// The code of a log that is soon purged.
pub const SOON_PURGED: &str = "CDC-MY-070";

/// What is remembered between looks: when a file of the log was ended never changes.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    ended: Option<(u32, u64)>,
}

/// A file of the log that is kept for a while only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub file: String,
    /// Until the server may purge it.
    pub left_seconds: u64,
    /// How long a file is kept after it was ended.
    pub limit_seconds: u64,
    is_mariadb: bool,
}

impl Retention {
    /// How long the file of this place is still kept; none if nothing will purge it: without such a limit, or because it
    /// is being written. The server is asked for the beginning of the next file, once.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(crate) async fn look(
        &mut self,
        session: &mut Session,
        options: &Options,
        system: &System,
        place: BinlogOffset,
    ) -> Result<Option<Kept>, Error> {
        let sql = "SHOW GLOBAL VARIABLES WHERE Variable_name IN \
                   ('binlog_expire_logs_seconds', 'binlog_expire_logs_auto_purge', 'expire_logs_days')";
        let rows: Vec<(String, String)> = session.rows(sql).await?;
        let value =
            |name: &str| rows.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let Some(limit_seconds) = limit_seconds(value) else { return Ok(None) };
        let files = system::files(session).await?;
        let next = files
            .iter()
            .map(|(file, _)| file)
            .filter(|file| file.number > place.file)
            .min_by_key(|file| file.number);
        let (Some(file), Some(next)) = (files.iter().find(|(file, _)| file.number == place.file), next)
        else {
            return Ok(None);
        };
        let ended = match self.ended {
            Some((number, ended)) if number == place.file => ended,
            _ => begun(options, system, next.number).await?,
        };
        self.ended = Some((place.file, ended));
        let now: Option<(u64,)> = session.first("SELECT UNIX_TIMESTAMP()").await?;
        let age = now.map_or(0, |(now,)| now).saturating_sub(ended);
        let left_seconds = limit_seconds.saturating_sub(age);
        let (file, is_mariadb) = (file.0.name(), session.is_mariadb());
        Ok(Some(Kept { file, left_seconds, limit_seconds, is_mariadb }))
    }
}

impl Kept {
    /// Of the time that it is kept, what is left.
    pub fn share_left(&self) -> f64 {
        self.left_seconds as f64 / self.limit_seconds.max(1) as f64
    }

    /// Whether it is time to do something.
    pub fn is_scarce(&self) -> bool {
        self.share_left() < 0.5
    }

    /// In words that can be acted upon.
    pub fn explanation(&self) -> Explanation {
        let Self { file, left_seconds, limit_seconds, is_mariadb } = self;
        let kind = if *is_mariadb { "GLOBAL" } else { "PERSIST" };
        let longer = limit_seconds.saturating_mul(4);
        Explanation::new(
            format!(
                "the server may purge {file} in {} (it keeps its log for {})",
                duration(*left_seconds),
                duration(*limit_seconds)
            ),
            "the checkpoint is in it: once it is gone, all tables must be loaded anew",
            "let the pipeline run, mend what keeps it from catching up, or let the server keep its log for longer",
        )
        .with_sql([format!("SET {kind} binlog_expire_logs_seconds = {longer};")])
    }
}

/// After how many seconds a file of the log may be purged; none: never.
pub(crate) fn limit_seconds<'v>(value: impl Fn(&str) -> Option<&'v str>) -> Option<u64> {
    if value("binlog_expire_logs_auto_purge").is_some_and(|auto| auto.eq_ignore_ascii_case("OFF")) {
        return None;
    }
    let number = |name| value(name).and_then(|value| value.parse::<f64>().ok()).filter(|value| *value > 0.0);
    let days = || number("expire_logs_days").map(|days| days * 86_400.0);
    number("binlog_expire_logs_seconds").or_else(days).map(|seconds| seconds as u64)
}

/// When a file was begun, which is when the one before it was ended: its first event says so.
async fn begun(options: &Options, system: &System, file: u32) -> Result<u64, Error> {
    let session = Session::open(&options.connection).await?;
    let from = From::Place(BinlogOffset { file, offset: 4 });
    // It takes a number of its own, so that it ends nobody's stream.
    let options = Options { server_id: None, ..options.clone() };
    let mut dump = Dump::open(session, &options, system, &from).await?;
    loop {
        let timestamp = dump.event().first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        // What the server makes up for this reader alone has no time.
        if timestamp > 0 {
            return Ok(timestamp.into());
        }
        dump.wait().await?;
    }
}

/// Seconds for people.
pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(values: &[(&str, &'static str)]) -> Option<u64> {
        limit_seconds(|name| values.iter().find(|(found, _)| *found == name).map(|(_, value)| *value))
    }

    #[test]
    fn a_log_is_kept_for_as_long_as_any_of_its_settings_says() {
        assert_eq!(limit(&[("binlog_expire_logs_seconds", "60"), ("expire_logs_days", "7")]), Some(60));
        assert_eq!(limit(&[("binlog_expire_logs_seconds", "0"), ("expire_logs_days", "0.5")]), Some(43_200));
        assert_eq!(limit(&[("binlog_expire_logs_seconds", "0"), ("expire_logs_days", "0.000000")]), None);
        let auto = [("binlog_expire_logs_seconds", "60"), ("binlog_expire_logs_auto_purge", "OFF")];
        assert_eq!(limit(&auto), None);
    }

    #[test]
    fn durations_are_said_in_their_own_size() {
        assert_eq!(
            [0, 119, 120, 7_200, 2_592_000].map(duration),
            ["0 s", "119 s", "2 minutes", "2 hours", "30 days"]
        );
    }
}
