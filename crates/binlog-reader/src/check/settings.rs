use std::collections::HashMap;

use event::{Explanation, Findings};

use super::set;
use crate::error::Error;
use crate::session::Session;

/// The server's settings, by name; what a server does not have is missing.
pub(super) struct Settings {
    values: HashMap<String, String>,
    pub(super) is_mariadb: bool,
}

const NAMES: &str = "('version', 'log_bin', 'binlog_format', 'binlog_row_image', 'binlog_row_metadata', 'gtid_mode', \
    'enforce_gtid_consistency', 'gtid_strict_mode', 'binlog_expire_logs_seconds', 'binlog_expire_logs_auto_purge', \
    'expire_logs_days', 'server_id', 'log_slave_updates', 'log_replica_updates', 'innodb_native_foreign_keys')";
/// A log that is kept for a shorter time does not outlast a night in which nobody looks.
const SHORT_S: u64 = 86_400;

impl Settings {
    pub(super) async fn of(session: &mut Session) -> Result<Self, Error> {
        let sql = format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN {NAMES}");
        let rows: Vec<(String, String)> = session.rows(&sql).await?;
        Ok(Self { values: rows.into_iter().collect(), is_mariadb: session.is_mariadb() })
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub(super) fn has_log(&self) -> bool {
        self.is("log_bin", "ON")
    }

    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.get(name).is_some_and(|found| found.eq_ignore_ascii_case(value))
    }

    /// Major and minor version.
    pub(super) fn version(&self) -> (u32, u32) {
        let text = self.get("version").unwrap_or_default();
        let mut numbers =
            text.split(|letter: char| !letter.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    /// After how many seconds a file of the log may be purged; none: never.
    fn expire_seconds(&self) -> Option<u64> {
        crate::retention::limit_seconds(|name| self.get(name))
    }

    /// What it says of the log.
    pub(super) fn check(&self, findings: &mut Findings) {
        if !self.is("binlog_format", "ROW") {
            let explanation = Explanation::new(
                format!("binlog_format is {}", self.get("binlog_format").unwrap_or("unknown")),
                "changes that are logged as statements do not say which rows they changed: the pipeline stops at the first",
                self.mend("sessions that are open keep what they have until they connect anew"),
            );
            findings.problem("CDC-MY-021", explanation.with_sql(set(self, "binlog_format", "ROW")));
        }
        if self.is("server_id", "0") {
            let explanation = Explanation::new(
                "server_id is 0".to_owned(),
                "such a server sends its log to nobody",
                self.mend("any number that no other server or reader has"),
            );
            findings.problem("CDC-MY-065", explanation.with_sql(set(self, "server_id", "1")));
        }
        if let Some(image) = self.get("binlog_row_image").filter(|_| !self.is("binlog_row_image", "FULL")) {
            let explanation = Explanation::new(
                format!("binlog_row_image is {image}"),
                "rows come without the columns that were not changed: consumers are told that those are left out, and \
                 have to know them already",
                self.mend("sessions that are open keep what they have until they connect anew"),
            );
            findings.warning("CDC-MY-060", explanation.with_sql(set(self, "binlog_row_image", "FULL")));
        }
        if let Some(metadata) =
            self.get("binlog_row_metadata").filter(|_| !self.is("binlog_row_metadata", "FULL"))
        {
            let explanation = Explanation::new(
                format!("binlog_row_metadata is {metadata}"),
                "the log does not say what the columns of its rows are: that is followed through DDL instead, and the \
                 pipeline stops where a statement is not understood",
                self.mend("it costs some bytes for each table of a transaction"),
            );
            findings.warning("CDC-MY-061", explanation.with_sql(set(self, "binlog_row_metadata", "FULL")));
        }
        self.check_gtids(findings);
        if let Some(seconds) = self.expire_seconds().filter(|seconds| *seconds < SHORT_S) {
            let explanation = Explanation::new(
                format!("the server keeps its log for {}", crate::retention::duration(seconds)),
                "a pipeline that is down for longer has to load all tables again",
                self.mend("as long as nobody may notice that it is down, if the disk has room"),
            );
            findings.warning(
                "CDC-MY-064",
                explanation.with_sql(set(self, "binlog_expire_logs_seconds", "604800")),
            );
        }
    }

    fn check_gtids(&self, findings: &mut Findings) {
        if self.is_mariadb {
            if self.is("gtid_strict_mode", "OFF") {
                let explanation = Explanation::new(
                    "gtid_strict_mode is OFF".to_owned(),
                    "servers of one group may have the same GTID for different transactions, and a pipeline that fails \
                     over to another can't tell",
                    self.mend("on all servers that the pipeline may be pointed at"),
                );
                findings.warning("CDC-MY-062", explanation.with_sql(set(self, "gtid_strict_mode", "ON")));
            }
            return;
        }
        if !self.is("gtid_mode", "ON") {
            let explanation = Explanation::new(
                format!("gtid_mode is {}", self.get("gtid_mode").unwrap_or("unknown")),
                "a pipeline can't go on at another server after a failover: places in the log are the server's own",
                "as an administrator, one step after the other, on all servers of the group, while the pipeline has no \
                 checkpoint yet: afterwards it has to start over (cdc snapshot --new-epoch)",
            );
            let steps = [
                ("enforce_gtid_consistency", "ON"),
                ("gtid_mode", "OFF_PERMISSIVE"),
                ("gtid_mode", "ON_PERMISSIVE"),
            ];
            let steps = steps.into_iter().chain([("gtid_mode", "ON")]);
            let sql: Vec<String> = steps.flat_map(|(name, value)| set(self, name, value)).collect();
            findings.warning("CDC-MY-062", explanation.with_sql(sql));
        }
    }

    /// Where a setting is made, and what else there is to know of it.
    fn mend(&self, more: &str) -> String {
        match self.is_mariadb {
            true => format!(
                "as an administrator, and in the server's configuration file, as a restart forgets it ({more})"
            ),
            false => format!("as an administrator ({more})"),
        }
    }
}
