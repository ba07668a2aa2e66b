use event::{Lsn, TableName};

/// What keeps a pipeline from running until a person decides or mends something. Each says what was found, why going
/// on would lose or invent rows, and what to do.
///
/// | code | what was found |
/// |---|---|
/// | `CDC-PG-020` | `wal_level` is not `logical` |
/// | `CDC-PG-021` | the publication is missing or lacks tables, and this role may not change it |
/// | `CDC-PG-022` | the publication leaves out kinds of changes |
/// | `CDC-PG-023` | the slot is lost: the server removed WAL that it still needed |
/// | `CDC-PG-024` | the slot is gone |
/// | `CDC-PG-025` | the slot is of another kind or database |
/// | `CDC-PG-026` | the slot is ahead of the checkpoint |
/// | `CDC-PG-027` | there is a slot, but no checkpoint |
/// | `CDC-PG-028` | the server is another one |
/// | `CDC-PG-029` | the checkpoint lies beyond the point where the server's timeline branched off |
/// | `CDC-PG-030` | the server can't decode its WAL at this place |
/// | `CDC-PG-031` | tables without a replica identity |
/// | `CDC-PG-032` | no table matches |
/// | `CDC-PG-033` | a table can't be read whole by this role |
/// | `CDC-PG-034` | the server is a standby |
/// | `CDC-PG-035` | a message can't be decoded |
/// | `CDC-PG-040` | a table can't be sent as `[[table]]` says |
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // The messages say it.
pub enum Refusal {
    #[error(
        "wal_level is `{found}`, so the log does not hold row changes. As a superuser: \
         ALTER SYSTEM SET wal_level = 'logical'; then restart the server"
    )]
    WalLevel { found: String },
    #[error(
        "publication \"{publication}\" {problem}, and this role may not change that ({server}). As the owner of the \
         tables: {sql}"
    )]
    Publication { publication: String, problem: String, server: String, sql: String },
    #[error(
        "publication \"{publication}\" leaves out {missing}: those changes would be lost without a trace. \
         ALTER PUBLICATION \"{publication}\" SET (publish = 'insert, update, delete, truncate');"
    )]
    PublishedOperations { publication: String, missing: String },
    #[error(
        "slot \"{slot}\" is lost: {why}. The changes after {checkpoint} can't be had any more; the tables need a reload: \
         `cdc snapshot --new-epoch`. Raise max_slot_wal_keep_size if this was a long standstill"
    )]
    SlotLost { slot: String, why: String, checkpoint: String },
    #[error(
        "slot \"{slot}\" does not exist on this server, but the checkpoint stands at {checkpoint}. It was dropped, or \
         the server was failed over or restored without it; changes since then may be gone, so the tables need a reload: \
         `cdc snapshot --new-epoch`"
    )]
    SlotMissing { slot: String, checkpoint: Lsn },
    #[error("slot \"{slot}\" {problem}: choose another name under [source.postgres] slot, or drop it")]
    SlotForeign { slot: String, problem: String },
    #[error(
        "slot \"{slot}\" was confirmed up to {confirmed}, beyond the checkpoint at {checkpoint}: somebody else read from \
         it, or the state folder is an old copy. The changes in between would be skipped. Tables to reload: {tables}: \
         `cdc snapshot --new-epoch`"
    )]
    SlotAhead { slot: String, confirmed: Lsn, checkpoint: Lsn, tables: String },
    #[error(
        "slot \"{slot}\" exists (confirmed up to {confirmed}), but there is no checkpoint in {state}: it belongs to \
         another pipeline, or this one's state folder is lost. Restore the folder; or drop the slot (`cdc slot drop`) \
         and start over"
    )]
    SlotUnknown { slot: String, confirmed: Lsn, state: String },
    #[error(
        "this server's system identifier is {found}, the checkpoint was made with {expected}: it is another cluster, \
         where the checkpoint's position means nothing. Mend the URL, or start over with `cdc snapshot --new-epoch`"
    )]
    OtherSystem { expected: String, found: String },
    #[error(
        "the server is on timeline {timeline} now, which branched off at {switch}; the checkpoint stands at \
         {checkpoint} of timeline {before}: transactions were delivered that this server never had. Tables to \
         reload: {tables}: `cdc snapshot --new-epoch`"
    )]
    Diverged { timeline: u32, before: u32, switch: Lsn, checkpoint: Lsn, tables: String },
    #[error(
        "the server can't decode its WAL after {checkpoint} ({error}). Trying again will not help: \
         the slot will never move past it. Start over with a new slot: `cdc snapshot --new-epoch`"
    )]
    DecodingDead { checkpoint: Lsn, error: String },
    #[error(
        "tables without a primary key or other replica identity: {tables}. Publishing them as they are would make \
         the application's own UPDATE and DELETE fail. Exclude them, give them a key, or for each: {sql}"
    )]
    NoReplicaIdentity { tables: String, sql: String },
    #[error("no table matches [source.postgres] tables. In database \"{database}\" this role sees: {seen}")]
    NoTables { database: String, seen: String },
    #[error("table {table} can't be read whole by this role: {problem}. {remedy}")]
    Unreadable { table: TableName, problem: String, remedy: String },
    #[error(
        "the server is a standby (in recovery). Point the URL at the primary, or add target_session_attrs=primary"
    )]
    Standby,
    #[error("{table} can't be sent as its [[table]] section says: {problem}")]
    Rules { table: TableName, problem: String },
    #[error("after {position}: {error}")]
    Decoding { position: Lsn, error: decoder::Error },
}

impl Refusal {
    /// The stable code, explained in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WalLevel { .. } => "CDC-PG-020",
            Self::Publication { .. } => "CDC-PG-021",
            Self::PublishedOperations { .. } => "CDC-PG-022",
            Self::SlotLost { .. } => "CDC-PG-023",
            Self::SlotMissing { .. } => "CDC-PG-024",
            Self::SlotForeign { .. } => "CDC-PG-025",
            Self::SlotAhead { .. } => "CDC-PG-026",
            Self::SlotUnknown { .. } => "CDC-PG-027",
            Self::OtherSystem { .. } => "CDC-PG-028",
            Self::Diverged { .. } => "CDC-PG-029",
            Self::DecodingDead { .. } => "CDC-PG-030",
            Self::NoReplicaIdentity { .. } => "CDC-PG-031",
            Self::NoTables { .. } => "CDC-PG-032",
            Self::Unreadable { .. } => "CDC-PG-033",
            Self::Standby => "CDC-PG-034",
            Self::Decoding { .. } => "CDC-PG-035",
            Self::Rules { .. } => "CDC-PG-040",
        }
    }
}

/// The first few names, and how many more there are.
pub(crate) fn list<T: std::fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 10;
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<String> = names.into_iter().take(SHOWN).collect();
    match (shown.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (_, 0) => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}
