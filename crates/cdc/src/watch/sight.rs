use wal_reader::watch::Sight as PostgresSight;

use super::danger::{Danger, InDanger};

/// What there was to see of a database.
#[derive(Clone, Debug)]
pub(crate) enum Sight {
    /// Of Postgres: the slot, and the log's end.
    Postgres(PostgresSight),
    /// Of MySQL or MariaDB: the log's files, and for how long they are kept.
    Mysql(binlog_reader::watch::Sight),
}

impl Sight {
    /// Whether there is more to see soon: the slot is just being made.
    pub(super) fn is_incomplete(&self) -> bool {
        matches!(self, Self::Postgres(PostgresSight { slot: None, .. }))
    }

    /// How much is left of what the server allows a reader that is behind, as a share.
    pub(super) fn share_left(&self) -> f64 {
        match self {
            Self::Postgres(sight) => InDanger::share_left(sight),
            Self::Mysql(sight) => sight.kept.as_ref().map_or(1.0, |kept| kept.share_left()),
        }
    }

    /// What is in danger, in words that can be acted upon.
    pub(super) fn failure(&self, danger: Danger) -> InDanger {
        match self {
            Self::Postgres(sight) => InDanger::slot(sight, danger),
            Self::Mysql(sight) => InDanger::log(sight),
        }
    }
}
