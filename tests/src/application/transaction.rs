use std::time::Duration;

use futures_util::SinkExt as _;
use tokio_postgres::Error;

use super::catalog::{Column, Table, quoted};
use super::{Connected, column, statement};
use crate::random::Random;

/// One transaction, which may well fail.
pub(super) async fn run(session: &mut Connected, random: &mut Random, name: &str) -> Result<(), Error> {
    let generation = session.shared.generation.load(std::sync::atomic::Ordering::Relaxed);
    session.catalog.refresh(&session.client, generation).await?;
    let Connected { client, catalog, shared } = session;
    let tables = &catalog.tables;
    if tables.is_empty() {
        return Ok(());
    }
    client.batch_execute("BEGIN").await?;
    let count = match random.within(0..20) {
        0..9 => 1,
        9..19 => random.within(2..9),
        _ => random.within(15..40),
    };
    let mut savepoints = 0;
    let is_prepared = random.once_in(9);
    for _ in 0..count {
        let done = match random.within(0..100) {
            0..8 => {
                savepoints += 1;
                client.batch_execute(&format!("SAVEPOINT s{savepoints}")).await
            }
            8..14 if savepoints > 0 => {
                let to = random.within(1..savepoints + 1);
                savepoints = to;
                client.batch_execute(&format!("ROLLBACK TO s{to}")).await
            }
            14..17 if savepoints > 0 => {
                savepoints -= 1;
                client.batch_execute(&format!("RELEASE s{}", savepoints + 1)).await
            }
            17..20 => copy(client, random.pick(tables), random, || shared.fresh()).await,
            _ => {
                let table = random.pick(tables);
                let sql = statement::any(table, tables, random);
                // Decoding of servers before 15.21 can die of these two together.
                if is_prepared && sql.starts_with("TRUNCATE") {
                    continue;
                }
                client.batch_execute(&sql).await
            }
        };
        if let Err(error) = done {
            // What failed can be taken back by itself.
            if savepoints == 0 || client.is_closed() || random.once_in(2) || !super::is_expected(&error) {
                return Err(error);
            }
            client.batch_execute(&format!("ROLLBACK TO s{savepoints}")).await?;
        }
        if random.once_in(8) {
            tokio::time::sleep(Duration::from_millis(random.within(0..15))).await;
        }
    }
    match random.within(0..20) {
        _ if is_prepared => client.batch_execute(&format!("PREPARE TRANSACTION '{name}'")).await,
        0..2 => client.batch_execute("ROLLBACK").await,
        2..5 => client.batch_execute("SET LOCAL synchronous_commit = off; COMMIT").await,
        _ => client.batch_execute("COMMIT").await,
    }
}

/// Rows whose keys nobody had before, by COPY.
async fn copy(
    client: &tokio_postgres::Client,
    table: &Table,
    random: &mut Random,
    fresh: impl Fn() -> u64,
) -> Result<(), Error> {
    let columns: Vec<String> = table.address().map(Column::quoted).collect();
    let values: Vec<&Column> =
        table.values().into_iter().filter(|column| column.type_name == "text").collect();
    let all: Vec<String> =
        columns.into_iter().chain(values.iter().map(|column| quoted(&column.name))).collect();
    let mut text = String::new();
    for _ in 0..random.within(2..30) {
        let number = fresh();
        let key = table.address().map(|column| column::copied_address(&column.type_name, number));
        let cells: Vec<String> = key.chain(values.iter().map(|_| format!("copied\\n{number}"))).collect();
        text += &cells.join("\t");
        text.push('\n');
    }
    let sink = client.copy_in(&format!("COPY {} ({}) FROM STDIN", table.quoted(), all.join(", "))).await?;
    let mut sink = std::pin::pin!(sink);
    sink.send(std::io::Cursor::new(text.into_bytes())).await?;
    sink.finish().await.map(|_| ())
}
