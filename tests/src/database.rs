//! The database under test, of whichever kind: a server, and in it a database that is read from.

use crate::dialect::Dialect;
use crate::random::Random;
use crate::servers::{Mysql, Postgres, Release, Stop};
use crate::session::Session;

/// A server of its own.
#[derive(Debug)]
pub enum Database {
    /// PostgreSQL.
    Postgres(Postgres),
    /// MySQL or MariaDB.
    Mysql(Mysql),
}

/// On MySQL and MariaDB, the database that is read from.
const SCHEMA: &str = "shop";

impl Database {
    /// A PostgreSQL of any version.
    pub fn any_postgres(random: &mut Random) -> Self {
        Self::Postgres(Postgres::start(*random.pick(&Postgres::VERSIONS)))
    }

    /// A MySQL or MariaDB with names and types in its log.
    pub fn mysql(release: Release) -> Self {
        Self::mysql_with(release, &[])
    }

    /// The same with further settings.
    pub fn mysql_with(release: Release, settings: &[(&str, &str)]) -> Self {
        let settings: Vec<_> =
            [("binlog_row_metadata", "FULL")].into_iter().chain(settings.iter().copied()).collect();
        let mysql = Mysql::with_settings(release, &settings);
        mysql.query(&format!("CREATE DATABASE {SCHEMA}"));
        Self::Mysql(mysql)
    }

    /// Where an administrator reaches it.
    pub fn url(&self) -> String {
        match self {
            Self::Postgres(postgres) => postgres.url("postgres"),
            Self::Mysql(mysql) => mysql.url(SCHEMA),
        }
    }

    /// Opens an administrator's session.
    pub fn session(&self) -> Session {
        Session::at(&self.url())
    }

    /// Whose words it understands.
    pub fn dialect(&self) -> Dialect {
        Dialect::of(&self.url())
    }

    /// Stops it.
    pub fn stop(&mut self, mode: Stop) {
        match self {
            Self::Postgres(postgres) => postgres.stop(mode),
            Self::Mysql(mysql) => mysql.stop(mode),
        }
    }

    /// Starts it after a stop: same port, same data.
    pub fn start_again(&mut self) {
        match self {
            Self::Postgres(postgres) => postgres.start_again(),
            Self::Mysql(mysql) => mysql.start_again(),
        }
    }
}
