mod mysql;

use super::alteration::is_full_at_times;
use super::column::any_type;
use crate::dialect::Dialect;
use crate::random::Random;

/// What makes a table: random columns, and a key or none.
pub(super) fn create(dialect: Dialect, number: u64, random: &mut Random) -> String {
    let name = match random.within(0..6) {
        0 => format!("T {number}, \"ß\" it's"),
        _ => format!("t{number}"),
    };
    match dialect {
        Dialect::Postgres => create_in_postgres(&name, random),
        Dialect::Mysql => mysql::create(&name, random),
    }
}

fn create_in_postgres(name: &str, random: &mut Random) -> String {
    let quoted = |name: &str| Dialect::Postgres.quoted(name);
    let table = quoted(name);
    let mut columns: Vec<String> = (0..random.within(1..9))
        .map(|column| {
            let storage = if random.once_in(3) { External::Yes } else { External::No };
            value_column(&format!("v{column}"), storage, random)
        })
        .collect();
    let mut after = String::new();
    let mut options = String::new();
    let kind = match random.within(0..11) {
        7 if !is_full_at_times(name) => 2,
        kind => kind,
    };
    let (keys, constraint): (&[&str], &str) = match kind {
        0 => (&["k1 int"], "PRIMARY KEY (k1)"),
        1 => (&["k1 bigint"], "PRIMARY KEY (k1)"),
        2 => (&["k1 uuid"], "PRIMARY KEY (k1)"),
        3 => (&["k1 text"], "PRIMARY KEY (k1)"),
        4 => (&["k1 int", "k2 text"], "PRIMARY KEY (k2, k1)"),
        5 => (&["k1 date", "k2 int"], "PRIMARY KEY (k1, k2)"),
        6 => (&["k1 int"], ""),
        7 => (&["k1 uuid", "k2 int"], "PRIMARY KEY (k1, k2)"),
        8 => (&["k1 int NOT NULL"], "UNIQUE (k1)"),
        9 => (&["k1 int"], "PRIMARY KEY (k1)"),
        _ => (&["k1 int", "k2 text"], "PRIMARY KEY (k1, k2)"),
    };
    match kind {
        6 | 7 => after = format!("; ALTER TABLE {table} REPLICA IDENTITY FULL"),
        8 => {
            let index = quoted(&format!("{name} key"));
            after = format!(
                "; CREATE UNIQUE INDEX {index} ON {table} (k1); \
                 ALTER TABLE {table} REPLICA IDENTITY USING INDEX {index}"
            );
        }
        9 => {
            options = " PARTITION BY HASH (k1)".to_owned();
            for part in 0..2 {
                let leaf = quoted(&format!("{name} {part}"));
                after += &format!(
                    "; CREATE TABLE {leaf} PARTITION OF {table} FOR VALUES WITH (MODULUS 2, REMAINDER {part})"
                );
            }
        }
        10 => {
            options = " PARTITION BY RANGE (k1)".to_owned();
            for (part, bounds) in ["FROM (MINVALUE) TO (40)", "FROM (40) TO (90)"].into_iter().enumerate() {
                let leaf = quoted(&format!("{name} {part}"));
                after += &format!("; CREATE TABLE {leaf} PARTITION OF {table} FOR VALUES {bounds}");
            }
            after +=
                &format!("; CREATE TABLE {} PARTITION OF {table} DEFAULT", quoted(&format!("{name} rest")));
        }
        _ => {}
    }
    // The key need not come first.
    for key in keys {
        let at = random.within(0..columns.len() as u64 + 1) as usize;
        columns.insert(at, (*key).to_owned());
    }
    columns.extend((!constraint.is_empty()).then(|| constraint.to_owned()));
    let external: String = columns
        .iter()
        .filter_map(|column| column.strip_suffix(EXTERNAL))
        .filter_map(|column| column.split(' ').next())
        .map(|column| format!("; ALTER TABLE {table} ALTER {column} SET STORAGE EXTERNAL"))
        .collect();
    let columns = columns.join(", ").replace(EXTERNAL, "");
    // At once: what has no key must never be seen without its identity.
    format!("BEGIN; CREATE TABLE {table} ({columns}){options}{external}{after}; COMMIT")
}

/// Marks a column whose long values are to be stored out of line as they are.
const EXTERNAL: &str = " /* external */";

enum External {
    Yes,
    No,
}

fn value_column(name: &str, external: External, random: &mut Random) -> String {
    let type_name = any_type(random);
    let mark = match (external, type_name) {
        (External::Yes, "text" | "bytea" | "jsonb" | "json" | "text[]") => EXTERNAL,
        _ => "",
    };
    format!("{name} {type_name}{mark}")
}
