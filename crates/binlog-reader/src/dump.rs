//! The connection that a server sends its log over.

mod request;

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use event::{BinlogOffset, BinlogPosition, Executed, GtidSet, MariadbPosition};
use futures_util::FutureExt as _;

use crate::Options;
use crate::error::{Endpoint, Error, FATAL_READING_BINLOG};
use crate::refusal::Refusal;
use crate::session::{Session, quote_text};
use crate::spooled::Spooled;
use crate::system::{Flavour, System};
use crate::wire::{self, Wire};

/// Where a dump is to begin.
#[derive(Clone, Debug)]
pub(crate) enum From {
    /// At a place in a file of this server.
    Place(BinlogOffset),
    /// After these transactions, wherever the server has them.
    Mysql(GtidSet),
    /// Likewise.
    Mariadb(MariadbPosition),
}

/// Events of the log, one after the other, as they are in its files.
pub(crate) struct Dump {
    wire: Wire,
    event: Current,
    /// Where events are kept that are too large for memory; none: where the system keeps such files.
    spool: Option<PathBuf>,
    server: Endpoint,
    flavour: Flavour,
    user: String,
    server_id: u32,
}

/// The event that came last.
enum Current {
    /// It is the wire's packet.
    Packet,
    /// A compressed transaction that is being written to a file.
    Spooling(Box<Spooled>),
    /// It is there whole.
    Spooled(Box<Spooled>),
}

/// How often a server without news says that it is there …
const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
/// … and how long it may be silent: longer than a large event takes on a slow line.
const SILENT_FOR: Duration = Duration::from_secs(60);
/// The server gives up a reader that takes nothing for so long; one waits as long as its sink does.
const WRITE_TIMEOUT_S: u32 = 31_536_000;

impl From {
    /// On the server of the position's place, that is where it begins; a position without one is told by GTIDs.
    pub(crate) fn position(position: &BinlogPosition) -> Self {
        match &position.executed {
            Executed::Mysql(executed) if position.offset.file == 0 => Self::Mysql(executed.clone()),
            Executed::Mariadb(executed) if position.offset.file == 0 => Self::Mariadb(executed.clone()),
            _ => Self::Place(position.offset),
        }
    }
}

impl Dump {
    /// Asks for the log. The session is for questions beside it.
    pub(crate) async fn open(
        mut session: Session,
        options: &Options,
        system: &System,
        from: &From,
    ) -> Result<Self, Error> {
        let server_id = match options.server_id {
            Some(server_id) => server_id,
            None => free_server_id(&mut session, system).await?,
        };
        session.close().await;
        let mut wire = Wire::connect(&options.connection).await?;
        prepare(&mut wire, system, from).await?;
        let mut dump = Self {
            wire,
            event: Current::Packet,
            spool: options.spool.clone(),
            server: options.connection.endpoint(),
            flavour: system.flavour,
            user: options.connection.user().to_owned(),
            server_id,
        };
        dump.wire.begin("asking for the log");
        let asked = async {
            dump.wire.command(&request::register(server_id)).await?;
            dump.wire.send(&request::dump(server_id, system, from)).await
        };
        asked.await.map_err(|error| dump.explain(error))?;
        // What the server has against it, it says in place of the first event.
        dump.wait().await?;
        dump.wire.begin("reading the log");
        Ok(dump)
    }

    /// The event that came last, whole; of one that is kept in a file its beginning.
    pub(crate) fn event(&self) -> &[u8] {
        match &self.event {
            // Its first byte says that it is no error.
            Current::Packet => self.wire.shown().get(1..).unwrap_or_default(),
            Current::Spooling(spooled) | Current::Spooled(spooled) => spooled.head(),
        }
    }

    /// The event that came last, if it is kept in a file.
    pub(crate) fn take_spooled(&mut self) -> Option<Box<Spooled>> {
        match std::mem::replace(&mut self.event, Current::Packet) {
            Current::Spooled(spooled) => Some(spooled),
            other => {
                self.event = other;
                None
            }
        }
    }

    /// Takes the next event if it has come; whether it has.
    pub(crate) fn take(&mut self) -> Result<bool, Error> {
        loop {
            if self.advance().map_err(|error| self.explain(error))? {
                return Ok(true);
            }
            let Some(filled) = self.wire.fill().now_or_never() else { return Ok(false) };
            filled?;
        }
    }

    /// Waits for the next event. Cancel-safe: an event that came is kept.
    pub(crate) async fn wait(&mut self) -> Result<(), Error> {
        while !self.take()? {
            tokio::time::timeout(SILENT_FOR, self.wire.fill()).await.map_err(|_| Error::Silent {
                server: self.server.clone(),
                seconds: SILENT_FOR.as_secs(),
            })??;
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<bool, Error> {
        if let Current::Spooled(_) = self.event {
            self.event = Current::Packet;
        }
        if let Current::Packet = self.event {
            if self.wire.advance()? {
                return match self.wire.packet()? {
                    [wire::OK, ..] => Ok(true),
                    _ => Err(self.wire.unexpected("a packet that is no event")),
                };
            }
            match self.wire.large() {
                Some([wire::OK, event @ ..]) if Spooled::is_wanted(event) => {
                    let file = Spooled::begin(self.spool.as_deref()).map_err(|error| self.unkept(error))?;
                    self.event = Current::Spooling(Box::new(file));
                }
                _ => return Ok(false),
            }
        }
        self.spool()
    }

    /// Writes to the file what has come of its event; whether that was all of it.
    fn spool(&mut self) -> Result<bool, Error> {
        let Current::Spooling(spooled) = &mut self.event else { return Ok(false) };
        loop {
            match self.wire.piece()? {
                None => return Ok(false),
                Some([]) => break,
                Some(piece) => {
                    if let Err(error) = spooled.write(piece) {
                        return Err(self.unkept(error));
                    }
                }
            }
        }
        if let Current::Spooling(spooled) = std::mem::replace(&mut self.event, Current::Packet) {
            self.event = Current::Spooled(spooled);
        }
        Ok(true)
    }

    fn unkept(&self, error: io::Error) -> Error {
        let path = self.spool.clone().unwrap_or_else(std::env::temp_dir);
        Error::File { what: "compressed transaction", path, source: Arc::new(error) }
    }

    fn explain(&self, error: Error) -> Error {
        explain(error, self.flavour, &self.user, self.server_id)
    }

    /// Ends the connection.
    pub(crate) async fn close(self) {
        self.wire.close().await;
    }
}

impl std::fmt::Debug for Dump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dump").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Tells the server what kind of reader this is.
async fn prepare(wire: &mut Wire, system: &System, from: &From) -> Result<(), Error> {
    let heartbeat_ns = HEARTBEAT_EVERY.as_nanos();
    wire.execute(&format!("SET SESSION net_write_timeout = {WRITE_TIMEOUT_S}")).await?;
    wire
        .execute(&format!(
            "SET @master_heartbeat_period = {heartbeat_ns}, @source_heartbeat_period = {heartbeat_ns}, \
             @source_binlog_checksum = @@GLOBAL.binlog_checksum, @master_binlog_checksum = @@GLOBAL.binlog_checksum"
        ))
        .await?;
    if system.flavour == Flavour::Mariadb {
        // Knows GTIDs and all later events (`MARIA_SLAVE_CAPABILITY_GTID`).
        wire.execute("SET @mariadb_slave_capability = 4").await?;
        if let From::Mariadb(executed) = from {
            let executed = quote_text(&executed.to_string());
            wire.execute(&format!("SET @slave_connect_state = {executed}, @slave_gtid_strict_mode = 1"))
                .await?;
        }
    }
    Ok(())
}

/// A number that nobody has who is connected now. It is high, as those are low that people choose.
async fn free_server_id(session: &mut Session, system: &System) -> Result<u32, Error> {
    const HIGH: u32 = 1 << 31;
    let sql = match system.flavour {
        // Since 8.0.22, and alone since 8.4.
        Flavour::Mysql => "SHOW REPLICAS",
        Flavour::Mariadb => "SHOW SLAVE HOSTS",
    };
    let mut taken = Vec::new();
    match session.rows::<mysql_async::Row>(sql).await {
        Ok(rows) => taken.extend(rows.iter().filter_map(|row| row.get::<u32, _>(0))),
        // Without the privilege to see others, or on an older server: among so many numbers two seldom meet.
        Err(Error::Server { error, .. }) if matches!(error.number, 1064 | 1227) => {}
        Err(error) => return Err(error),
    }
    loop {
        let random = RandomState::new().hash_one(session.id());
        let server_id = HIGH | random as u32;
        if server_id != system.server_id && !taken.contains(&server_id) {
            return Ok(server_id);
        }
    }
}

/// What the server has against sending its log: most of it has one number, and the message tells which.
fn explain(error: Error, flavour: Flavour, user: &str, server_id: u32) -> Error {
    /// `ER_SLAVE_SAME_ID` (MariaDB).
    const SAME_ID: u16 = 4052;
    let Error::Server { error: said, .. } = &error else { return error };
    let message = said.message.clone();
    match said.number {
        // `ER_SPECIFIC_ACCESS_DENIED_ERROR`, and for the command itself access denied to the user.
        1227 | 1045 => Refusal::rights(user, &message).into(),
        SAME_ID | FATAL_READING_BINLOG if message.contains("same server_uuid/server_id") => {
            Refusal::ServerIdTaken { server_id, said: message }.into()
        }
        FATAL_READING_BINLOG
            if ["purged", "Could not find first log file", "not in the master", "not found"]
                .iter()
                .any(|part| message.contains(part)) =>
        {
            Refusal::Purged { flavour, missing: message, tables: "all tables".to_owned() }.into()
        }
        FATAL_READING_BINLOG
            if message.contains("position > file size") || message.contains("impossible position") =>
        {
            Refusal::Rewound {
                log_end: message,
                checkpoint: "that was asked for".to_owned(),
                tables: "all tables".to_owned(),
            }
            .into()
        }
        FATAL_READING_BINLOG if message.contains("more GTIDs than") || message.contains("diverg") => {
            Refusal::Diverged { extra: message, tables: "all tables".to_owned() }.into()
        }
        _ => error,
    }
}
