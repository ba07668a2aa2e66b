use event::{Database, LogPlace, Position, TableName};

use crate::wire::{self, Mode};
use crate::{Error, Loader, Options, Refusal, Stream, candidates, system};

impl Database for Options {
    type Error = Error;
    type Log = Stream;
    type Loader = Loader;

    async fn open_log(
        &self,
        position: &Position,
        table_seqs: Vec<(TableName, u64)>,
    ) -> Result<Stream, Error> {
        match position {
            Position::Postgres(position) => Stream::open(self, *position, table_seqs).await,
            Position::Binlog(position) => {
                let problem = format!("stands at {} of a binary log", position.offset);
                Err(Refusal::SlotForeign { slot: self.slot.clone(), problem }.into())
            }
        }
    }

    async fn open_loader(&self) -> Result<Loader, Error> {
        Loader::open(self).await
    }

    async fn log_end(&self) -> Result<LogPlace, Error> {
        let mut connection = wire::connect(&self.connection, Mode::Sql).await?;
        Ok(system::log_end(&mut connection).await?.into())
    }

    async fn first_unknown<'t>(&self, tables: &'t [TableName]) -> Result<Option<&'t TableName>, Error> {
        if tables.is_empty() {
            return Ok(None);
        }
        let mut connection = wire::connect(&self.connection, Mode::Sql).await?;
        let candidates = candidates(&mut connection).await?;
        let is_known = |name: &TableName| {
            (self.wanted)(name) && candidates.iter().any(|candidate| candidate.name == *name)
        };
        Ok(tables.iter().find(|name| !is_known(name)))
    }
}
