use std::fmt;

use crate::catalog::{GENERATED_SINCE, KEY_COLUMNS};

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
    /// A column of it is generated, and not published.
    GeneratedColumn,
    /// It was switched off.
    Nothing,
}

/// Columns of relation `c`, to go on with.
const COLUMN: &str =
    "SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped";

impl Identity {
    /// Whether there is none.
    pub fn is_none(self) -> bool {
        matches!(self, Self::None(_))
    }

    /// Of relation `c`, as SQL; [`of`](Self::of) reads what it says.
    ///
    /// Since 18 the server refuses UPDATE and DELETE where the replica identity has a generated column that is not
    /// published, under FULL also a virtual one, which never is. Before, such a column is missing from the old row; under
    /// FULL the others tell the row.
    pub(crate) fn sql(version: u32) -> String {
        let (unpublished, full) = if version >= GENERATED_SINCE {
            let unpublished = "(a.attgenerated = 'v' OR a.attgenerated = 's' \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubgencols = 's'))";
            (unpublished, format!("EXISTS ({COLUMN} AND {unpublished})"))
        } else {
            ("a.attgenerated <> ''", "false".to_owned())
        };
        let index = format!("EXISTS ({COLUMN} AND a.attnum = ANY ({KEY_COLUMNS}) AND {unpublished})");
        format!(
            "CASE c.relreplident WHEN 'f' THEN CASE WHEN {full} THEN 'generated' ELSE 'full' END WHEN 'n' THEN 'nothing' \
               WHEN 'i' THEN COALESCE((SELECT CASE WHEN {index} THEN 'generated' ELSE 'index' END \
                 FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisreplident), 'index dropped') \
               ELSE COALESCE((SELECT CASE WHEN NOT i.indimmediate THEN 'deferrable key' \
                   WHEN {index} THEN 'generated' ELSE 'key' END \
                 FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary), 'no key') END"
        )
    }

    /// What the server said.
    pub(crate) fn of(said: &str) -> Self {
        match said {
            "key" => Self::PrimaryKey,
            "index" => Self::Index,
            "full" => Self::Full,
            "deferrable key" => Self::None(NoIdentity::DeferrableKey),
            "index dropped" => Self::None(NoIdentity::IndexDropped),
            "generated" => Self::None(NoIdentity::GeneratedColumn),
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
            Self::GeneratedColumn => "a column of its replica identity is generated and not published",
            Self::Nothing => "REPLICA IDENTITY NOTHING",
        })
    }
}
