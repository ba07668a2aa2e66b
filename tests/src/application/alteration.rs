use std::sync::atomic::Ordering;

use super::catalog::{Column, Table};
use super::{Connected, column, statement, table};
use crate::client::Error;
use crate::dialect::Dialect;
use crate::history::lasting_name;
use crate::random::Random;

/// Fewer than these are left.
const LEAST: usize = 4;
/// More than these are not made.
const MOST: usize = 20;

/// Changes the shape of a table, by itself or in the middle of a transaction that writes to it; now and then for nothing.
pub(super) async fn run(session: &mut Connected, random: &mut Random) -> Result<(), Error> {
    let generation = session.shared.generation.load(Ordering::Relaxed);
    session.catalog.refresh(&mut session.client, generation).await?;
    let Connected { client, catalog, shared, .. } = session;
    let (tables, dialect) = (&catalog.tables, client.dialect());
    if tables.len() < LEAST || (tables.len() < MOST && random.once_in(10)) {
        return client.run(&table::create(dialect, shared.fresh(), random)).await.map(drop);
    }
    if dialect == Dialect::Postgres && random.once_in(12) {
        let sql = format!("ALTER TYPE mood ADD VALUE 'mood {}'", shared.fresh());
        return client.run(&sql).await.map(drop);
    }
    let table = random.pick(tables);
    let Some(sql) = alter(table, tables.len(), random, || shared.fresh()) else { return Ok(()) };
    if dialect == Dialect::Mysql {
        // It commits what is open, and is a transaction of its own.
        return client.run(&sql).await.map(drop);
    }
    client.run("BEGIN; SET LOCAL lock_timeout = '1s'").await?;
    if random.once_in(2) {
        client.run(&statement::any(table, tables, random)).await?;
    }
    client.run(&sql).await?;
    if random.once_in(2) {
        let mut now = super::catalog::Catalog::default();
        now.refresh(client, 0).await?;
        let same = |now: &&Table| lasting_name(&now.name) == lasting_name(&table.name);
        for _ in 0..random.within(1..4) {
            if let Some(altered) = now.tables.iter().find(same) {
                client.run(&statement::any(altered, &now.tables, random)).await?;
            }
        }
    }
    client.run(if random.once_in(6) { "ROLLBACK" } else { "COMMIT" }).await.map(drop)
}

fn alter(table: &Table, count: usize, random: &mut Random, fresh: impl Fn() -> u64) -> Option<String> {
    let (name, dialect) = (table.quoted(), table.dialect);
    let values = table.values();
    Some(match random.within(0..100) {
        0..25 => {
            let (type_name, place) = match dialect {
                Dialect::Postgres => (column::any_type(random), String::new()),
                Dialect::Mysql => (column::mysql::any_type(random), place(table, random)),
            };
            format!("ALTER TABLE {name} ADD COLUMN v{} {type_name}{place}", fresh())
        }
        25..42 if values.len() > 1 => {
            format!("ALTER TABLE {name} DROP COLUMN {}", random.pick(&values).quoted())
        }
        42..60 => {
            let column = any_column(table, random, |column| {
                let must_stay = is_full_at_times(&table.name) || dialect == Dialect::Mysql;
                !(must_stay && column.is_address())
            })?;
            let new = dialect.quoted(&renamed(&column.name, fresh()));
            format!("ALTER TABLE {name} RENAME COLUMN {} TO {new}", column.quoted())
        }
        60..78 => {
            // A partition key keeps its type.
            let column = any_column(table, random, |column| {
                !((table.is_partitioned || dialect == Dialect::Mysql) && column.is_address())
            })?;
            let wider = column.wider()?;
            match dialect {
                Dialect::Postgres => {
                    format!("ALTER TABLE {name} ALTER COLUMN {} TYPE {wider}", column.quoted())
                }
                Dialect::Mysql => {
                    format!("ALTER TABLE {name} MODIFY {} {wider}{}", column.quoted(), place(table, random))
                }
            }
        }
        78..84 if dialect == Dialect::Postgres => {
            format!("ALTER TABLE {name} RENAME TO {}", dialect.quoted(&renamed(&table.name, fresh())))
        }
        84..88 if count > LEAST && !is_full_at_times(&table.name) => format!("DROP TABLE {name}"),
        88..100 if dialect == Dialect::Mysql => format!("ALTER TABLE {name} COMMENT = 'number {}'", fresh()),
        88..100 if table.has_primary_key && is_full_at_times(&table.name) && !table.is_partitioned => {
            format!("ALTER TABLE {name} REPLICA IDENTITY {}", random.pick(&["FULL", "DEFAULT"]))
        }
        _ => return None,
    })
}

fn any_column<'t>(
    table: &'t Table,
    random: &mut Random,
    can_be: impl Fn(&Column) -> bool,
) -> Option<&'t Column> {
    let columns: Vec<&Column> = table.written().filter(|column| can_be(column)).collect();
    (!columns.is_empty()).then(|| *random.pick(&columns))
}

/// Where among the others MySQL puts a column.
fn place(table: &Table, random: &mut Random) -> String {
    match random.within(0..3) {
        0 => String::new(),
        1 => " FIRST".to_owned(),
        _ => format!(" AFTER {}", random.pick(&table.columns).quoted()),
    }
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
