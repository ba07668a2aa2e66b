use std::fmt;

use end_to_end::database::Database;
use end_to_end::random::Random;
use end_to_end::servers::{Postgres, Release};

/// What a pipeline on PostgreSQL may be set to: each round takes one of them.
const POSTGRES_OPTIONS: &[&str] = &["", "streaming = true"];

/// How MySQL's log may be written from some moment on.
const MYSQL_FORMS: &[&str] = &[
    "SET GLOBAL binlog_row_metadata = 'MINIMAL'",
    "SET GLOBAL binlog_row_metadata = 'FULL'",
    "SET GLOBAL binlog_transaction_compression = ON",
    "SET GLOBAL binlog_transaction_compression = OFF",
    "SET GLOBAL binlog_row_value_options = 'PARTIAL_JSON'",
    "FLUSH BINARY LOGS",
];
const MARIADB_FORMS: &[&str] = &[
    "SET GLOBAL binlog_row_metadata = 'NO_LOG'",
    "SET GLOBAL binlog_row_metadata = 'MINIMAL'",
    "SET GLOBAL binlog_row_metadata = 'FULL'",
    "SET GLOBAL log_bin_compress = ON",
    "SET GLOBAL log_bin_compress = OFF",
    "FLUSH BINARY LOGS",
];

/// How much of rows it has. Sessions take it over as they begin.
const IMAGES: &[&str] = &[
    "SET GLOBAL binlog_row_image = 'MINIMAL'",
    "SET GLOBAL binlog_row_image = 'NOBLOB'",
    "SET GLOBAL binlog_row_image = 'FULL'",
];

/// Which database a round is on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Postgres(u32),
    Mysql(Release),
}

impl Source {
    pub(super) fn is_mysql(self) -> bool {
        matches!(self, Self::Mysql(_))
    }

    /// A server, and the section of the configuration that names it.
    pub(super) fn start(self, random: &mut Random) -> (Database, String) {
        match self {
            Self::Postgres(version) => {
                let option = random.pick(POSTGRES_OPTIONS);
                // With little memory, running transactions are streamed.
                let memory = if option.is_empty() { "64MB" } else { "64kB" };
                let settings =
                    [("max_logical_replication_workers", "0"), ("logical_decoding_work_mem", memory)];
                let database = Database::Postgres(Postgres::with_settings(version, &settings));
                let config = format!("[source.postgres]\nurl = \"{}\"\n{option}", database.url());
                (database, config)
            }
            Self::Mysql(release) => {
                let database = Database::mysql(release);
                let (server, schema) = (database.url(), "shop");
                let url = server.trim_end_matches(schema);
                let config = format!("[source.mysql]\nurl = \"{url}\"\ntables = [\"{schema}.*\"]");
                (database, config)
            }
        }
    }

    /// Has the log written in another form from now on. The server may just be starting: then not.
    pub(super) fn change_form(self, database: &Database, images: bool, random: &mut Random) {
        let (Self::Mysql(release), Database::Mysql(mysql)) = (self, database) else { return };
        let forms = if release == Release::Mysql { MYSQL_FORMS } else { MARIADB_FORMS };
        let forms = if images && random.once_in(2) { IMAGES } else { forms };
        mysql.query(random.pick::<&str>(forms));
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(version) => write!(f, "PostgreSQL {version}"),
            Self::Mysql(Release::Mysql) => f.write_str("MySQL"),
            Self::Mysql(Release::Mariadb(version)) => write!(f, "MariaDB {version}"),
        }
    }
}
