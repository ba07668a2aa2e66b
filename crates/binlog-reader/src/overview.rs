use crate::config::Config;
use crate::session::{quote_name, quote_text};

/// What an administrator runs so that a user can log in, read the log, and load tables.
pub fn user_sql(config: &Config) -> Vec<String> {
    let user = format!("{}@'%'", quote_text(config.user()));
    let database = config.database().map_or_else(|| "`…`".to_owned(), quote_name);
    vec![
        format!("CREATE USER {user} IDENTIFIED BY '…';"),
        format!("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {user};"),
        format!("GRANT SELECT, LOCK TABLES ON {database}.* TO {user};"),
    ]
}
