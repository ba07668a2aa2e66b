use super::{Postgres, Server};

/// PgBouncer 1.18, which speaks no replication, in front of the database `postgres` of a server.
#[derive(Debug)]
pub struct Pgbouncer(Server);

impl Pgbouncer {
    /// Starts one with these settings.
    pub fn in_front_of(postgres: &Postgres, settings: &[(&str, &str)]) -> Self {
        Self(Server::start("pgbouncer", &["--to".to_owned(), postgres.port().to_string()], settings))
    }

    /// Where it is reached over TCP.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.0.port())
    }
}
