//! What would fail or lose rows later, asked beforehand and all at once. Changes nothing.
//!
//! | file | what it looks for |
//! |---|---|
//! | `settings` | what the server writes into its log, and for how long it keeps that |
//! | `sessions` | sessions that set something else for themselves |
//! | `origin` | what never comes into this server's log: of a replica, of databases that are left out |
//! | `rights` | what this user may not read or lock |
//! | `tables` | tables without a key, or without snapshots, and changes that are made below the log |
//! | `checkpoint` | whether the log still has what comes after the checkpoint, and for how long |

mod checkpoint;
mod origin;
mod rights;
mod sessions;
mod settings;
mod tables;

use event::{BinlogPosition, Finding, Findings};

use self::settings::Settings;
use crate::catalog;
use crate::error::Error;
use crate::options::Options;
use crate::session::{Session, quote_text};

/// What a checkpoint says, if it says where to go on.
#[derive(Clone, Debug)]
pub struct Known {
    /// The server it was made at.
    pub server: String,
    /// What its files' names began with.
    pub base: String,
    /// Where it stands.
    pub position: BinlogPosition,
}

/// Looks at the server, the user, the tables and the log.
///
/// # Errors
/// When the server can't be asked at all.
pub async fn check(options: &Options, known: Option<&Known>) -> Result<Vec<Finding>, Error> {
    let mut findings = Findings::default();
    let mut session = Session::open(&options.connection).await?;
    let settings = Settings::of(&mut session).await?;
    if !settings.has_log() {
        findings.push(&crate::Refusal::NoLog);
        return Ok(findings.into_vec());
    }
    settings.check(&mut findings);
    sessions::check(&mut session, &settings, &mut findings).await?;
    let account = account(&mut session).await?;
    let system = rights::log(&mut session, options, &account, &mut findings).await?;
    if let Some(system) = &system {
        origin::check(&mut session, system, &settings, options, &mut findings).await?;
    }
    let mut candidates = catalog::candidates(&mut session).await?;
    candidates.retain(|candidate| (options.wanted)(&candidate.name));
    rights::tables(&mut session, options, &candidates, &account, &mut findings).await?;
    tables::check(&mut session, options, &candidates, &settings, &mut findings).await?;
    if let (Some(system), Some(known)) = (&system, known) {
        checkpoint::check(&mut session, options, system, known, &mut findings).await?;
    }
    Ok(findings.into_vec())
}

/// The user as GRANT names it.
async fn account(session: &mut Session) -> Result<String, Error> {
    let account: Option<(String,)> = session.first("SELECT CURRENT_USER()").await?;
    let account = account.map(|(account,)| account).unwrap_or_default();
    let (user, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
    Ok(format!("{}@{}", quote_text(user), quote_text(host)))
}

/// A dump connection for a look at the log takes a number of its own, so that it ends nobody's stream.
fn aside(options: &Options) -> Options {
    Options { server_id: None, ..options.clone() }
}

/// Whether the server says no because this user may not do it.
fn is_denied(error: &Error) -> bool {
    // Of a database, a table, a column, and of what belongs to all of the server.
    error.number().is_some_and(|number| [1044, 1142, 1143, 1227].contains(&number))
}

/// A setting for good.
fn set(system: &Settings, name: &str, value: &str) -> [String; 1] {
    let kind = if system.is_mariadb { "GLOBAL" } else { "PERSIST" };
    [format!("SET {kind} {name} = {value};")]
}
