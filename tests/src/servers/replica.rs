use super::mysql::{Mysql, Release};

impl Mysql {
    /// A new server that follows this one, and logs what it does for it: to be asked for before any table is there.
    pub fn replica(&self, settings: &[(&str, &str)]) -> Self {
        let mut settings = [&[("server_id", "2")], settings].concat();
        let port = self.port();
        let follow = match self.release() {
            Release::Mysql => {
                // The users that it has of its own already.
                settings.push(("replica_skip_errors", "1396"));
                format!(
                    "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {port}, SOURCE_USER = 'root', \
                     SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 1000, \
                     GET_SOURCE_PUBLIC_KEY = 1; START REPLICA"
                )
            }
            Release::Mariadb(_) => {
                settings.push(("log_slave_updates", "ON"));
                format!(
                    "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = 'root', \
                     MASTER_SSL_VERIFY_SERVER_CERT = 0, MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1; START SLAVE"
                )
            }
        };
        let replica = Self::with_settings(self.release(), &settings);
        replica.query(&follow);
        replica
    }

    /// Waits until this replica has done all that its source had done by now.
    ///
    /// # Errors
    /// What it says of a row that the source's log adds though it is there, or changes though it is not: the source lost
    /// or kept what its log does not tell of, as MariaDB 10.11 did when it was killed within an ALTER TABLE.
    ///
    /// # Panics
    /// With its state, if it does not come to that for another reason.
    pub fn wait_for(&self, source: &Self) -> Result<(), String> {
        let (is_over, state) = match source.release() {
            Release::Mysql => {
                let executed = source.value("SELECT replace(@@gtid_executed, '\\n', '')");
                // The client writes a newline as two characters.
                let executed = executed.replace("\\n", "");
                (format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{executed}', 100)"), "SHOW REPLICA STATUS")
            }
            Release::Mariadb(_) => {
                let end = source.value("SELECT @@gtid_binlog_pos");
                (format!("SELECT MASTER_GTID_WAIT('{end}', 100)"), "SHOW SLAVE STATUS")
            }
        };
        let ended = self.value(&is_over);
        if ended == "0" {
            return Ok(());
        }
        let state = format!("{:?}", self.query(state));
        match DIVERGED.iter().any(|code| state.contains(&format!("Error_code: {code};"))) {
            true => Err(format!("the source is not what its log tells: {state}")),
            false => panic!("the replica did not follow: {state}"),
        }
    }
}

/// `ER_KEY_NOT_FOUND`, `ER_DUP_ENTRY`.
const DIVERGED: [u32; 2] = [1032, 1062];
