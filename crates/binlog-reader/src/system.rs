//! Which server this is, how far its log reaches, and whether a checkpoint still belongs to it.

use std::collections::HashMap;
use std::fmt;

use event::{BinlogOffset, BinlogPosition, Executed, GtidSet, MariadbPosition, list_names};

use crate::ddl::Dialect;
use crate::error::Error;
use crate::refusal::Refusal;
use crate::session::{Session, quote_text};

/// A server, as far as its log depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// What tells servers apart: MySQL's `@@server_uuid`, MariaDB's `@@server_uid` or, where it has none, its server id.
    pub identity: String,
    /// Of MySQL or MariaDB.
    pub flavour: Flavour,
    /// As the server calls itself.
    pub version: String,
    /// What its own events have in their headers.
    pub server_id: u32,
    /// What its files' names begin with.
    pub base: String,
    /// Whether transactions have GTIDs, all of them.
    pub has_gtids: bool,
    /// Whether tables' names are the same in whatever case they are written.
    pub lowers_names: bool,
}

impl System {
    /// How the server reads statements.
    pub(crate) fn dialect(&self, sql_mode: u64) -> Dialect {
        let is_mariadb = self.flavour == Flavour::Mariadb;
        Dialect {
            is_mariadb,
            version: version_number(&self.version),
            sql_mode,
            lowers_names: self.lowers_names,
        }
    }
}

/// As versioned comments have it: 8.4.3 is 80403.
fn version_number(version: &str) -> u32 {
    let numbers = version.split(|letter: char| !letter.is_ascii_digit()).take(3);
    numbers.fold(0, |number, part| number * 100 + part.parse::<u32>().unwrap_or_default())
}

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Oracle's, or a fork that calls itself so.
    Mysql,
    /// MariaDB.
    Mariadb,
}

/// How a checkpoint goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// The log is the one that it was made in.
    Same,
    /// Another server has the log's transactions: from this position on, in a new epoch, as offsets mean nothing there.
    FailedOver(BinlogPosition),
}

/// Asks the server.
///
/// # Errors
/// A [`Refusal`] if it writes no binary log.
pub async fn identify(session: &mut Session) -> Result<System, Error> {
    let variables = variables(session).await?;
    let get = |name: &str| variables.get(name).map_or("", String::as_str);
    if get("log_bin") != "ON" {
        return Err(Refusal::NoLog.into());
    }
    let version = get("version").to_owned();
    let flavour = if version.to_lowercase().contains("mariadb") || !get("gtid_strict_mode").is_empty() {
        Flavour::Mariadb
    } else {
        Flavour::Mysql
    };
    let server_id = get("server_id");
    let identity = [get("server_uuid"), get("server_uid"), server_id];
    let (file, _, _) = status(session).await?;
    Ok(System {
        identity: identity.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned(),
        flavour,
        version,
        server_id: server_id.parse().unwrap_or_default(),
        base: file.base,
        has_gtids: flavour == Flavour::Mariadb || get("gtid_mode") == "ON",
        lowers_names: !matches!(get("lower_case_table_names"), "" | "0"),
    })
}

/// Those that anybody here asks for, by name; what a server does not have is missing.
async fn variables(session: &mut Session) -> Result<HashMap<String, String>, Error> {
    let sql = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'server_uuid', 'server_uid', 'server_id', \
               'log_bin', 'gtid_mode', 'gtid_strict_mode', 'lower_case_table_names')";
    let rows: Vec<(String, String)> = session.rows(sql).await?;
    Ok(rows.into_iter().collect())
}

/// Where the log ends now, and which transactions it then holds.
///
/// # Errors
/// When the user may not ask, or the server does not answer.
pub async fn position(session: &mut Session, system: &System) -> Result<BinlogPosition, Error> {
    let (file, offset, gtids) = status(session).await?;
    let executed = match (system.has_gtids, system.flavour) {
        (false, _) => Executed::Untracked,
        (true, Flavour::Mysql) => Executed::Mysql(parse(session, &gtids)?),
        (true, Flavour::Mariadb) => {
            // In one step with the offset: `@@gtid_binlog_pos` may be ahead of it already.
            let name = quote_text(&file.name());
            let sql = format!("SELECT BINLOG_GTID_POS({name}, {offset})");
            let gtids: Option<Option<String>> = session.first(&sql).await?;
            Executed::Mariadb(parse(session, &gtids.flatten().unwrap_or_default())?)
        }
    };
    Ok(BinlogPosition { offset: BinlogOffset { file: file.number, offset }, executed })
}

/// Whether a checkpoint made at `server` still lies in the log of `now`.
///
/// # Errors
/// A [`Refusal`] if this server can't go on from there.
pub async fn check(
    session: &mut Session,
    now: &System,
    server: &str,
    base: &str,
    position: &BinlogPosition,
    tables: impl IntoIterator<Item = impl fmt::Display>,
) -> Result<Continuity, Error> {
    let tables = list_names(tables);
    let is_same = now.identity == server && now.base == base;
    match (&position.executed, now.has_gtids) {
        (Executed::Untracked, true) | (Executed::Mysql(_) | Executed::Mariadb(_), false) if is_same => {
            let problem =
                "GTIDs were switched on or off on the server since the checkpoint was made".to_owned();
            return Err(Refusal::GtidsSwitched { problem }.into());
        }
        (Executed::Untracked, _) | (_, false) if !is_same => {
            let (expected, found) = (server.to_owned(), now.identity.clone());
            return Err(Refusal::OtherServer { expected, found, tables }.into());
        }
        _ => {}
    }
    check_contained(session, position, &tables).await?;
    if is_same {
        check_there(session, position, &tables).await?;
        return Ok(Continuity::Same);
    }
    check_not_purged(session, position, &tables).await?;
    tracing::info!(before = server, now = now.identity, "another server goes on with the log's transactions");
    Ok(Continuity::FailedOver(BinlogPosition {
        offset: BinlogOffset::default(),
        executed: position.executed.clone(),
    }))
}

/// What was delivered must be there.
async fn check_contained(
    session: &mut Session,
    position: &BinlogPosition,
    tables: &str,
) -> Result<(), Error> {
    let extra = match &position.executed {
        Executed::Untracked => return Ok(()),
        Executed::Mysql(delivered) => {
            let executed: GtidSet = global(session, "gtid_executed").await?;
            delivered.minus(&executed).to_string()
        }
        Executed::Mariadb(delivered) => {
            let executed: MariadbPosition = global(session, "gtid_binlog_pos").await?;
            delivered.minus(&executed).to_string()
        }
    };
    if extra.is_empty() {
        return Ok(());
    }
    Err(Refusal::Diverged { extra, tables: tables.to_owned() }.into())
}

/// The file of the checkpoint, and as much of it as was read.
async fn check_there(session: &mut Session, position: &BinlogPosition, tables: &str) -> Result<(), Error> {
    let offset = position.offset;
    let files = files(session).await?;
    let Some(last) = files.iter().map(|(file, size)| BinlogOffset { file: file.number, offset: *size }).max()
    else {
        return Ok(());
    };
    if last < offset {
        let (log_end, checkpoint) = (last.to_string(), offset.to_string());
        return Err(Refusal::Rewound { log_end, checkpoint, tables: tables.to_owned() }.into());
    }
    // A position that only GTIDs tell has no file yet.
    if offset.file == 0 {
        return check_not_purged(session, position, tables).await;
    }
    if files.iter().all(|(file, _)| file.number != offset.file) {
        let missing = missing(session, position).await?;
        let missing = missing.unwrap_or_else(|| format!("its file number {}", offset.file));
        return Err(purged(session, missing, tables));
    }
    Ok(())
}

/// What was purged must have been delivered.
async fn check_not_purged(
    session: &mut Session,
    position: &BinlogPosition,
    tables: &str,
) -> Result<(), Error> {
    match missing(session, position).await? {
        Some(missing) => Err(purged(session, missing, tables)),
        None => Ok(()),
    }
}

fn purged(session: &Session, missing: String, tables: &str) -> Error {
    let flavour = if session.is_mariadb() { Flavour::Mariadb } else { Flavour::Mysql };
    Refusal::Purged { flavour, missing, tables: tables.to_owned() }.into()
}

/// Purged transactions that were not delivered, as far as GTIDs tell.
async fn missing(session: &mut Session, position: &BinlogPosition) -> Result<Option<String>, Error> {
    let missing = match &position.executed {
        Executed::Untracked => return Ok(None),
        Executed::Mysql(delivered) => {
            let purged: GtidSet = global(session, "gtid_purged").await?;
            purged.minus(delivered).to_string()
        }
        Executed::Mariadb(delivered) => {
            // What was there before the oldest file's first transaction.
            let Some((file, _)) = files(session).await?.into_iter().min_by_key(|(file, _)| file.number)
            else {
                return Ok(None);
            };
            let sql = format!("SELECT BINLOG_GTID_POS({}, 4)", quote_text(&file.name()));
            let purged: Option<Option<String>> = session.first(&sql).await?;
            let purged: MariadbPosition = parse(session, &purged.flatten().unwrap_or_default())?;
            purged.minus(delivered).to_string()
        }
    };
    Ok(Some(missing).filter(|missing| !missing.is_empty()))
}

/// The files of the log and their sizes.
pub(crate) async fn files(session: &mut Session) -> Result<Vec<(LogFile, u64)>, Error> {
    const SQL: &str = "SHOW BINARY LOGS";
    let mut files = Vec::new();
    // The number of columns differs between versions.
    for row in session.rows::<mysql_async::Row>(SQL).await.map_err(rights(session))? {
        let name: Option<String> = row.get(0);
        let size: Option<u64> = row.get(1);
        let file = name.as_deref().and_then(LogFile::parse);
        let (Some(file), Some(size)) = (file, size) else {
            return Err(unexpected(session, SQL, "a file without a number or a size"));
        };
        files.push((file, size));
    }
    Ok(files)
}

/// How far the log reaches: the file's name, and the place.
pub(crate) async fn log_end(session: &mut Session) -> Result<(String, BinlogOffset), Error> {
    let (file, offset, _) = status(session).await?;
    Ok((file.name(), BinlogOffset { file: file.number, offset }))
}

/// The file that is written, where it ends, and the transactions that were executed up to there (MySQL).
async fn status(session: &mut Session) -> Result<(LogFile, u64, String), Error> {
    let row = status_row(session).await?;
    let name: Option<String> = row.get(0);
    let offset: Option<u64> = row.get(1);
    let gtids: Option<String> = row.get_opt("Executed_Gtid_Set").and_then(Result::ok);
    let file = name.as_deref().and_then(LogFile::parse);
    match (file, offset) {
        (Some(file), Some(offset)) => Ok((file, offset, gtids.unwrap_or_default())),
        _ => Err(unexpected(session, "SHOW BINARY LOG STATUS", "a file without a number or a position")),
    }
}

async fn status_row(session: &mut Session) -> Result<mysql_async::Row, Error> {
    /// `ER_PARSE_ERROR`: MySQL before 8.2 knows the older name alone, since 8.4 the newer one; MariaDB knows the older.
    const NOT_KNOWN: u16 = 1064;
    let older = "SHOW MASTER STATUS";
    let newer = if session.is_mariadb() { older } else { "SHOW BINARY LOG STATUS" };
    let mut row = session.first_row(newer).await;
    if matches!(&row, Err(error) if error.number() == Some(NOT_KNOWN)) {
        row = session.first_row(older).await;
    }
    Ok(row.map_err(rights(session))?.ok_or(Refusal::NoLog)?)
}

/// Which databases' changes the log has, if not all.
#[derive(Debug)]
pub(crate) struct LogFilters {
    only: Vec<String>,
    without: Vec<String>,
}

impl LogFilters {
    /// Whether what is changed in a database's tables is left out: the first kind counts, where there is one.
    pub(crate) fn hide(&self, database: &str) -> bool {
        let names = |names: &[String]| names.iter().any(|name| name == database);
        if self.only.is_empty() { names(&self.without) } else { !names(&self.only) }
    }
}

/// What the server leaves out of its log, if anything.
pub(crate) async fn log_filters(session: &mut Session) -> Result<Option<LogFilters>, Error> {
    let row = status_row(session).await?;
    let names = |column: &str| -> Vec<String> {
        let names: Option<String> = row.get_opt(column).and_then(Result::ok);
        let names = names.unwrap_or_default();
        names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let filters = LogFilters { only: names("Binlog_Do_DB"), without: names("Binlog_Ignore_DB") };
    Ok((!filters.only.is_empty() || !filters.without.is_empty()).then_some(filters))
}

/// The privilege that the server asks for, by name.
fn rights(session: &Session) -> impl Fn(Error) -> Error + use<> {
    let user = session.user().to_owned();
    move |error| match &error {
        Error::Server { error: said, .. } if said.number == 1227 => {
            Refusal::rights(&user, &said.message).into()
        }
        _ => error,
    }
}

async fn global<T: std::str::FromStr<Err = event::ParseGtidError>>(
    session: &mut Session,
    name: &str,
) -> Result<T, Error> {
    let value: Option<Option<String>> = session.first(&format!("SELECT @@GLOBAL.{name}")).await?;
    parse(session, &value.flatten().unwrap_or_default())
}

fn parse<T: std::str::FromStr<Err = event::ParseGtidError>>(
    session: &Session,
    text: &str,
) -> Result<T, Error> {
    text.parse()
        .map_err(|error: event::ParseGtidError| unexpected(session, "asking for GTIDs", &error.to_string()))
}

fn unexpected(session: &Session, doing: &'static str, problem: &str) -> Error {
    Error::Protocol { server: session.endpoint().clone(), doing: doing.into(), problem: problem.to_owned() }
}

/// One of a log's files: `binlog.000042`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFile {
    pub(crate) base: String,
    pub(crate) number: u32,
}

impl LogFile {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (base, number) = name.rsplit_once('.')?;
        Some(Self { base: base.to_owned(), number: number.parse().ok()? })
    }

    pub(crate) fn name(&self) -> String {
        format!("{}.{:06}", self.base, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_by_the_number_at_the_end_of_their_names() {
        let file = LogFile::parse("my.host-bin.000042").unwrap();
        assert_eq!(
            (file.base.as_str(), file.number, file.name().as_str()),
            ("my.host-bin", 42, "my.host-bin.000042")
        );
        assert_eq!(LogFile::parse("binlog.1000000").unwrap().name(), "binlog.1000000");
        assert_eq!(LogFile::parse("binlog.index"), None);
        assert_eq!((version_number("9.7.4-2"), version_number("11.8.2-MariaDB-log")), (90704, 110_802));
    }
}
