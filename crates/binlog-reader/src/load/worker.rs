use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use event::TableName;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Row, Value};
use tokio::sync::mpsc;

use crate::config::Config;
use crate::error::Error;
use crate::session::{Session, quote_table};

/// What there is left to select, for whichever worker comes first.
pub(super) type Statements = VecDeque<String>;

/// Rows that a worker hands over at once.
pub(super) type Chunk = VecDeque<Row>;

/// Enough to make the hand-over cheap.
const CHUNK_BYTES: usize = 64 << 10;

/// A session that reads rows as they are stored, however long that takes: no character is converted, no limit of the
/// server's holds, and it waits for as long as the sink does.
pub(crate) async fn open(config: &Config) -> Result<Session, Error> {
    let mut session = Session::open(config).await?;
    let limit = if session.is_mariadb() { "max_statement_time = 0" } else { "max_execution_time = 0" };
    session
        .execute(&format!(
            "SET SESSION character_set_results = NULL, net_write_timeout = 31536000, sql_big_selects = ON, \
             sql_select_limit = 18446744073709551615, lock_wait_timeout = 1, {limit}"
        ))
        .await?;
    session.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    Ok(session)
}

/// Sees the table from now on as it is now. To have looked at it keeps its definition (a metadata lock).
pub(super) async fn take_snapshot(session: &mut Session, name: &TableName) -> Result<(), Error> {
    session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
    session.execute(&format!("SELECT 1 FROM {} LIMIT 0", quote_table(name))).await
}

/// Takes one statement after the other, until there are none or nobody listens. `is_locked`: the table is, and let go as
/// soon as all rows are here.
pub(super) async fn select(
    mut session: Session,
    statements: Arc<Mutex<Statements>>,
    to_loader: mpsc::Sender<Chunk>,
    is_locked: bool,
) -> Result<Session, Error> {
    let mut held = Vec::new();
    loop {
        let next = statements.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(statement) = next else { break };
        let (mut chunk, mut chunk_bytes) = (Chunk::new(), 0);
        let outcome = async {
            let mut rows = session.conn().exec_iter(&*statement, ()).await?;
            while let Some(row) = rows.next().await? {
                chunk_bytes += bytes(&row);
                chunk.push_back(row);
                if chunk_bytes >= CHUNK_BYTES {
                    chunk_bytes = 0;
                    let chunk = std::mem::take(&mut chunk);
                    if is_locked {
                        held.push(chunk);
                    } else if to_loader.send(chunk).await.is_err() {
                        return Ok(false);
                    }
                }
            }
            Ok(true)
        };
        match outcome.await {
            Ok(true) => held.push(chunk),
            Ok(false) => return Err(Error::LoadBrokeOff),
            Err(error) => return Err(session.error(error, &statement)),
        }
        if !is_locked {
            send(&to_loader, &mut held).await?;
        }
    }
    session.execute(if is_locked { "UNLOCK TABLES" } else { "COMMIT" }).await?;
    send(&to_loader, &mut held).await?;
    Ok(session)
}

async fn send(to_loader: &mpsc::Sender<Chunk>, chunks: &mut Vec<Chunk>) -> Result<(), Error> {
    for chunk in chunks.drain(..) {
        to_loader.send(chunk).await.map_err(|_| Error::LoadBrokeOff)?;
    }
    Ok(())
}

/// About what a row takes here.
fn bytes(row: &Row) -> usize {
    let value = |column| match row.as_ref(column) {
        Some(Value::Bytes(bytes)) => size_of::<Value>() + bytes.len(),
        _ => size_of::<Value>(),
    };
    (0..row.len()).map(value).sum()
}
