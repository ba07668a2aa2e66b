use std::fmt;

/// What tells a table's rows apart in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Its primary key.
    PrimaryKey,
    /// Another unique index, chosen by `REPLICA IDENTITY USING INDEX`.
    Index,
    /// The whole old row.
    Full,
    /// Nothing: once it is published, the application's own UPDATE and DELETE fail.
    None(NoIdentity),
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoIdentity {
    /// The table has no primary key.
    NoKey,
    /// It has one that is deferrable: two rows may have it for a while, so the server takes it for none.
    DeferrableKey,
    /// The index that was chosen is gone.
    IndexDropped,
    /// It was switched off.
    Nothing,
}

impl Identity {
    /// Whether there is none.
    pub fn is_none(self) -> bool {
        matches!(self, Self::None(_))
    }

    /// Of relation `c`, as SQL; [`of`](Self::of) reads what it says.
    pub(crate) const SQL: &str = "CASE c.relreplident WHEN 'f' THEN 'full' WHEN 'n' THEN 'nothing' \
       WHEN 'i' THEN CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisreplident) \
         THEN 'index' ELSE 'index dropped' END \
       ELSE CASE (SELECT i.indimmediate FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) \
         WHEN true THEN 'key' WHEN false THEN 'deferrable key' ELSE 'no key' END END";

    /// What the server said.
    pub(crate) fn of(said: &str) -> Self {
        match said {
            "key" => Self::PrimaryKey,
            "index" => Self::Index,
            "full" => Self::Full,
            "deferrable key" => Self::None(NoIdentity::DeferrableKey),
            "index dropped" => Self::None(NoIdentity::IndexDropped),
            "nothing" => Self::None(NoIdentity::Nothing),
            _ => Self::None(NoIdentity::NoKey),
        }
    }
}

impl fmt::Display for NoIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKey => "no primary key",
            Self::DeferrableKey => "its primary key is deferrable, which counts as none",
            Self::IndexDropped => "the index of its replica identity was dropped",
            Self::Nothing => "REPLICA IDENTITY NOTHING",
        })
    }
}
