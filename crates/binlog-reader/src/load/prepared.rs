use std::collections::HashSet;
use std::time::Duration;

use mysql_async::Row;

use crate::error::Error;
use crate::session::Session;

/// Transactions that are prepared, and that a table waited for in vain.
///
/// The rows of such a transaction are in the log from before, and whether they count is open. MySQL goes on locking the tables
/// that it changed, whoever prepared it is gone or not. MariaDB does so only while that session lives: afterwards a table can be
/// locked that a prepared transaction has changed, and it can be committed between the snapshot and the look at the log.
#[derive(Debug, Default)]
pub(super) struct Undecided(HashSet<String>);

/// How long a table is kept locked for transactions that are just being committed.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);

impl Undecided {
    /// One that an earlier attempt waited for and that is still there: the table need not be locked to know.
    pub(super) async fn left(&mut self, session: &mut Session) -> Result<Option<String>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let prepared = prepared(session).await?;
        self.0.retain(|xid| prepared.contains(xid));
        Ok(self.0.iter().next().cloned())
    }

    /// Waits, while the session has the table locked, until none is left that may have changed it: one that is prepared
    /// from now on has not. If that takes too long, one of them.
    pub(super) async fn wait(&mut self, session: &mut Session) -> Result<Option<String>, Error> {
        let mut left = prepared(session).await?;
        for _ in 0..TRIES {
            if left.is_empty() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            let prepared = prepared(session).await?;
            left.retain(|xid| prepared.contains(xid));
        }
        self.0 = left;
        Ok(self.0.iter().next().cloned())
    }
}

/// As SQL names them: those of MariaDB.
async fn prepared(session: &mut Session) -> Result<HashSet<String>, Error> {
    if !session.is_mariadb() {
        return Ok(HashSet::new());
    }
    let rows: Vec<Row> = session.rows("XA RECOVER FORMAT = 'SQL'").await?;
    const NAME: usize = 3;
    let name = |row: &Row| row.get_opt::<Vec<u8>, _>(NAME).and_then(Result::ok);
    Ok(rows.iter().filter_map(name).map(|name| String::from_utf8_lossy(&name).into_owned()).collect())
}
