use std::collections::BTreeMap;

use event::TableName;

use super::choice::choose;
use super::{Published, Taking, shown};
use crate::wire::{self, Connection, Mode};
use crate::{Error, Options, catalog};

/// Looks again and again whether other tables are to be sent than those that are.
pub struct Watch {
    options: Options,
    connection: Option<Connection>,
    fingerprint: Option<String>,
}

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing new.
    None,
    /// Nothing to do, but these are left out, and why.
    LeftOut(BTreeMap<TableName, String>),
    /// [`ensure`](super::ensure) would find other tables now, or other ones under the same names.
    Tables,
}

impl Watch {
    /// For the tables of these options.
    pub fn new(options: &Options) -> Self {
        Self { options: options.clone(), connection: None, fingerprint: None }
    }

    /// Looks once. `sent`: what is sent at present.
    ///
    /// # Errors
    /// When the server does not answer, or somebody locks a table for long.
    pub async fn look(&mut self, sent: &Published, taking: Taking<'_>) -> Result<Change, Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let mut connection = wire::connect(&self.options.connection, Mode::Sql).await?;
                connection.execute("SET lock_timeout = '10s'").await?;
                connection
            }
        };
        let fingerprint = Some(shown::fingerprint(&mut connection).await?);
        let change = if fingerprint == self.fingerprint {
            Change::None
        } else {
            self.compare(&mut connection, sent, taking).await?
        };
        self.fingerprint = fingerprint;
        self.connection = Some(connection);
        Ok(change)
    }

    async fn compare(
        &self,
        connection: &mut Connection,
        sent: &Published,
        taking: Taking<'_>,
    ) -> Result<Change, Error> {
        let candidates = catalog::candidates(connection).await?;
        let choice = choose(connection, &self.options, &candidates, taking).await?;
        let shown = shown::shown(connection, &self.options.publication).await?;
        let is_as_sent = |name: &TableName| shown.get(name) == sent.get(name);
        let is_same = choice.missing.is_empty()
            && choice.published.len() == sent.len()
            && choice.published.iter().all(is_as_sent);
        Ok(if is_same { Change::LeftOut(choice.left_out) } else { Change::Tables })
    }
}
