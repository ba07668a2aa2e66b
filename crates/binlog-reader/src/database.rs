use event::{Database, LogPlace, Position, TableName};

use crate::{Error, Loader, Options, Session, Stream, candidates, system};

impl Database for Options {
    type Error = Error;
    type Log = Stream;
    type Loader = Loader;

    async fn open_log(
        &self,
        position: &Position,
        table_seqs: Vec<(TableName, u64)>,
    ) -> Result<Stream, Error> {
        Stream::open(self, position, table_seqs).await
    }

    async fn open_loader(&self) -> Result<Loader, Error> {
        Loader::open(self).await
    }

    async fn log_end(&self) -> Result<LogPlace, Error> {
        let mut session = Session::open(&self.connection).await?;
        let (_, offset) = system::log_end(&mut session).await?;
        session.close().await;
        Ok(offset.into())
    }

    async fn first_unknown<'t>(&self, tables: &'t [TableName]) -> Result<Option<&'t TableName>, Error> {
        if tables.is_empty() {
            return Ok(None);
        }
        let mut session = Session::open(&self.connection).await?;
        let candidates = candidates(&mut session).await?;
        session.close().await;
        let is_known = |name: &TableName| {
            (self.wanted)(name) && candidates.iter().any(|candidate| candidate.name == *name)
        };
        Ok(tables.iter().find(|name| !is_known(name)))
    }
}
