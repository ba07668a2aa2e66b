use std::path::Path;

use binlog_reader::Session;
use event::{Failure as _, TableName};
use wal_reader::overview::{Identity, TableOverview};

use super::say;
use crate::commands::status::size;
use crate::config::SecretUrl;
use crate::diagnostics::Problem;
use crate::error::Error;

/// A table that could be sent.
pub(super) struct Listed {
    pub(super) name: TableName,
    bytes: u64,
    /// What tells its rows apart.
    identity: &'static str,
    /// Whether it is proposed.
    pub(super) is_usable: bool,
}

/// Tables that are listed one by one.
const LISTED: usize = 40;

impl From<TableOverview> for Listed {
    fn from(table: TableOverview) -> Self {
        let identity = match table.identity {
            Identity::PrimaryKey => "primary key",
            Identity::Index => "replica identity by index",
            Identity::Full => "replica identity full",
            Identity::None(_) => "NO replica identity: UPDATE and DELETE would fail once it is published",
        };
        Self { name: table.name, bytes: table.bytes, identity, is_usable: !table.identity.is_none() }
    }
}

/// The tables of MySQL or MariaDB. The password comes from where the configuration says, the environment first.
pub(super) async fn of_mysql(
    url: &SecretUrl,
    password_file: Option<&Path>,
    variables: &[(String, String)],
) -> Result<Vec<Listed>, Problem> {
    let mut login = binlog_reader::Config::parse(url.expose()).map_err(Error::from)?;
    if let Some(file) = password_file {
        login = login.with_password_file(file);
    }
    if let Some((_, password)) = variables.iter().find(|(name, _)| name == "CDC__SOURCE__MYSQL__PASSWORD") {
        login = login.with_password(password.as_str());
    }
    let mut session = match Session::open(&login).await {
        Ok(session) => session,
        Err(error) => {
            if error.is_about_credentials() {
                let sql = binlog_reader::user_sql(&login).join("\n");
                say(&format!("If the user is not there yet, an administrator runs:\n\n{sql}\n"));
            }
            return Err(Error::from(error).into());
        }
    };
    let candidates = binlog_reader::candidates(&mut session).await.map_err(Error::from)?;
    session.close().await;
    let listed = candidates.into_iter().map(|candidate| {
        let identity = match (candidate.has_key, candidate.has_snapshots()) {
            (true, true) => "primary key",
            (false, true) => "NO primary key: its events have no key",
            (_, false) => "its engine has no snapshots: locked while it is loaded",
        };
        Listed { name: candidate.name, bytes: candidate.bytes, identity, is_usable: true }
    });
    Ok(listed.collect())
}

/// Them all, the largest first.
pub(super) fn list(tables: &[Listed], database: Option<&str>, user: &str) -> String {
    let database = database.map_or_else(|| "the server".to_owned(), |name| format!("database {name}"));
    let mut text = format!("{database} as {user} sees it: {} tables\n", tables.len());
    let mut largest: Vec<&Listed> = tables.iter().collect();
    largest.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    let width =
        largest.iter().take(LISTED).map(|table| table.name.to_string().chars().count()).max().unwrap_or(0);
    for Listed { name, bytes, identity, .. } in largest.iter().take(LISTED) {
        text += &format!("  {:<width$}  {:>10}  {identity}\n", name.to_string(), size(*bytes));
    }
    if let Some(more @ 1..) = tables.len().checked_sub(LISTED) {
        text += &format!("  and {more} smaller ones\n");
    }
    text
}
