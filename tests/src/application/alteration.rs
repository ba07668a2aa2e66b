use std::sync::atomic::Ordering;

use tokio_postgres::Error;

use super::catalog::{Column, Table, quoted};
use super::{Connected, column, statement, table};
use crate::history::lasting_name;
use crate::random::Random;

/// Fewer than these are left.
const LEAST: usize = 4;
/// More than these are not made.
const MOST: usize = 20;

/// Changes the shape of a table, by itself or in the middle of a transaction that writes to it; now and then for nothing.
pub(super) async fn run(session: &mut Connected, random: &mut Random) -> Result<(), Error> {
    let generation = session.shared.generation.load(Ordering::Relaxed);
    session.catalog.refresh(&session.client, generation).await?;
    let Connected { client, catalog, shared } = session;
    let tables = &catalog.tables;
    if tables.len() < LEAST || (tables.len() < MOST && random.once_in(10)) {
        return client.batch_execute(&table::create(shared.fresh(), random)).await;
    }
    if random.once_in(12) {
        return client.batch_execute(&format!("ALTER TYPE mood ADD VALUE 'mood {}'", shared.fresh())).await;
    }
    let table = random.pick(tables);
    let Some(sql) = alter(table, tables.len(), random, || shared.fresh()) else { return Ok(()) };
    client.batch_execute("BEGIN; SET LOCAL lock_timeout = '1s'").await?;
    if random.once_in(2) {
        client.batch_execute(&statement::any(table, tables, random)).await?;
    }
    client.batch_execute(&sql).await?;
    if random.once_in(2) {
        let mut now = super::catalog::Catalog::default();
        now.refresh(client, 0).await?;
        let same = |now: &&Table| lasting_name(&now.name) == lasting_name(&table.name);
        for _ in 0..random.within(1..4) {
            if let Some(altered) = now.tables.iter().find(same) {
                client.batch_execute(&statement::any(altered, &now.tables, random)).await?;
            }
        }
    }
    client.batch_execute(if random.once_in(6) { "ROLLBACK" } else { "COMMIT" }).await
}

fn alter(table: &Table, count: usize, random: &mut Random, fresh: impl Fn() -> u64) -> Option<String> {
    let name = table.quoted();
    let values = table.values();
    Some(match random.within(0..100) {
        0..25 => format!("ALTER TABLE {name} ADD COLUMN v{} {}", fresh(), column::any_type(random)),
        25..42 if values.len() > 1 => {
            format!("ALTER TABLE {name} DROP COLUMN {}", random.pick(&values).quoted())
        }
        42..60 => {
            let can = |column: &&Column| !(is_full_at_times(&table.name) && column.is_address());
            let column = *random.pick(&table.columns.iter().filter(can).collect::<Vec<_>>());
            let new = renamed(&column.name, fresh());
            format!("ALTER TABLE {name} RENAME COLUMN {} TO {}", column.quoted(), quoted(&new))
        }
        60..78 => {
            // A partition key keeps its type.
            let can = |column: &&Column| !(table.is_partitioned && column.is_address());
            let column = *random.pick(&table.columns.iter().filter(can).collect::<Vec<_>>());
            let wider = column::wider(&column.type_name)?;
            format!("ALTER TABLE {name} ALTER COLUMN {} TYPE {wider}", column.quoted())
        }
        78..84 => format!("ALTER TABLE {name} RENAME TO {}", quoted(&renamed(&table.name, fresh()))),
        84..88 if count > LEAST && !is_full_at_times(&table.name) => format!("DROP TABLE {name}"),
        88..100 if table.has_primary_key && is_full_at_times(&table.name) && !table.is_partitioned => {
            format!("ALTER TABLE {name} REPLICA IDENTITY {}", random.pick(&["FULL", "DEFAULT"]))
        }
        _ => return None,
    })
}

/// Whether it may have REPLICA IDENTITY FULL and a primary key. Then pgoutput does not tell the key, and it is asked for
/// as it is now: in such tables it stays as it is.
pub(super) fn is_full_at_times(name: &str) -> bool {
    let number: String = lasting_name(name).chars().filter(char::is_ascii_digit).collect();
    number.parse().is_ok_and(|number: u64| number.is_multiple_of(2))
}

/// Which table or column it was stays known by what comes before `_r`.
fn renamed(name: &str, number: u64) -> String {
    format!("{}_r{number}", lasting_name(name))
}
