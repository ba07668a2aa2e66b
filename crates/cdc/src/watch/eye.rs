use wal_reader::watch::{estimated_rows, look};
use wal_reader::wire::{self, Connection, Mode};

use super::Sight;
use crate::error::Error;
use crate::status::Status;

/// What looks at a database: a connection of its own, which is opened anew after every failure.
pub(crate) enum Eye {
    Postgres(wal_reader::Options, Option<Connection>),
    Mysql(binlog_reader::Options, Option<binlog_reader::watch::Watch>),
}

impl Eye {
    /// On Postgres.
    pub(crate) fn postgres(options: wal_reader::Options) -> Self {
        Self::Postgres(options, None)
    }

    /// On MySQL or MariaDB.
    pub(crate) fn mysql(options: binlog_reader::Options) -> Self {
        Self::Mysql(options, None)
    }

    /// Looks once.
    pub(super) async fn look(&mut self, status: &Status, wants_estimates: bool) -> Result<Sight, Error> {
        match self {
            Self::Postgres(options, kept) => {
                let mut connection = match kept.take() {
                    Some(connection) => connection,
                    None => wire::connect(&options.connection, Mode::Sql).await?,
                };
                if wants_estimates {
                    status.rows_expected(&estimated_rows(&mut connection).await?);
                }
                let sight = look(&mut connection, &options.slot).await?;
                *kept = Some(connection);
                Ok(Sight::Postgres(sight))
            }
            Self::Mysql(options, kept) => {
                let mut watch = match kept.take() {
                    Some(watch) => watch,
                    None => binlog_reader::watch::Watch::open(options).await?,
                };
                if wants_estimates {
                    status.rows_expected(&watch.estimated_rows().await?);
                }
                let sight = watch.look(status.needed_offset()).await?;
                *kept = Some(watch);
                Ok(Sight::Mysql(sight))
            }
        }
    }
}
