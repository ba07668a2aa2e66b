use std::time::Duration;

use futures_util::SinkExt as _;

use super::catalog::{Column, Table};
use super::{Connected, column, statement};
use crate::client::{Client, Error};
use crate::dialect::Dialect;
use crate::random::Random;

/// One transaction, which may well fail.
pub(super) async fn run(session: &mut Connected, random: &mut Random, name: &str) -> Result<(), Error> {
    let generation = session.shared.generation.load(std::sync::atomic::Ordering::Relaxed);
    session.catalog.refresh(&mut session.client, generation).await?;
    let Connected { client, catalog, shared, may_prepare } = session;
    let tables = &catalog.tables;
    if tables.is_empty() {
        return Ok(());
    }
    let dialect = client.dialect();
    let is_prepared = random.once_in(9) && *may_prepare;
    match dialect {
        Dialect::Mysql if is_prepared => client.run(&format!("XA START '{name}'")).await?,
        _ => client.run("BEGIN").await?,
    };
    let count = match random.within(0..20) {
        0..9 => 1,
        9..19 => random.within(2..9),
        _ => random.within(15..40),
    };
    let mut savepoints = 0;
    for _ in 0..count {
        let done = match random.within(0..100) {
            0..8 => {
                savepoints += 1;
                client.run(&format!("SAVEPOINT s{savepoints}")).await.map(drop)
            }
            8..14 if savepoints > 0 => {
                let to = random.within(1..savepoints + 1);
                savepoints = to;
                client.run(&format!("ROLLBACK TO s{to}")).await.map(drop)
            }
            14..17 if savepoints > 0 => {
                savepoints -= 1;
                client.run(&format!("RELEASE SAVEPOINT s{}", savepoints + 1)).await.map(drop)
            }
            17..20 if dialect == Dialect::Postgres => {
                copy(client, random.pick(tables), random, || shared.fresh()).await
            }
            _ => {
                let table = random.pick(tables);
                let sql = statement::any(table, tables, random);
                // Decoding of servers before 15.21 can die of these two together.
                if is_prepared && sql.starts_with("TRUNCATE") {
                    continue;
                }
                client.run(&sql).await.map(drop)
            }
        };
        if let Err(error) = done {
            // What failed can be taken back by itself.
            if savepoints == 0 || error.code.is_none() || random.once_in(2) || !super::is_expected(&error) {
                return Err(error);
            }
            client.run(&format!("ROLLBACK TO s{savepoints}")).await?;
        }
        if random.once_in(8) {
            tokio::time::sleep(Duration::from_millis(random.within(0..15))).await;
        }
    }
    let end = match (dialect, random.within(0..20)) {
        (Dialect::Postgres, _) if is_prepared => format!("PREPARE TRANSACTION '{name}'"),
        (Dialect::Mysql, _) if is_prepared => format!("XA END '{name}'; XA PREPARE '{name}'"),
        (_, 0..2) => "ROLLBACK".to_owned(),
        (Dialect::Postgres, 2..5) => "SET LOCAL synchronous_commit = off; COMMIT".to_owned(),
        _ => "COMMIT".to_owned(),
    };
    client.run(&end).await?;
    if dialect == Dialect::Mysql && is_prepared {
        // On MariaDB nobody else can end it before its session is gone.
        session.reconnect().await;
    }
    Ok(())
}

/// Rows whose keys nobody had before, by COPY.
async fn copy(
    client: &mut Client,
    table: &Table,
    random: &mut Random,
    fresh: impl Fn() -> u64,
) -> Result<(), Error> {
    let Client::Postgres(client) = client else { return Ok(()) };
    let columns: Vec<String> = table.address().map(Column::quoted).collect();
    let values: Vec<&Column> =
        table.values().into_iter().filter(|column| column.type_name == "text").collect();
    let all: Vec<String> = columns.into_iter().chain(values.iter().map(|column| column.quoted())).collect();
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
    sink.finish().await?;
    Ok(())
}
