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
    /// # Panics
    /// With its state, if it does not come to that.
    pub fn wait_for(&self, source: &Self) {
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
        assert_eq!(ended, "0", "the replica did not follow: {:?}", self.query(state));
    }
}
