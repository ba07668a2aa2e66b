use super::tables::{Shape, TABLES};
use crate::random::Random;

/// The numbers that address rows: few enough that keys are used again.
const ADDRESSES: u64 = 3000;

/// A transaction as statements, without BEGIN and COMMIT.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    statements: Vec<String>,
    /// Those that a savepoint takes back.
    undone: std::ops::Range<usize>,
}

impl Transaction {
    /// Makes one up.
    pub(super) fn new(random: &mut Random) -> Self {
        let mut transaction = Self::default();
        let count = match random.within(0..20) {
            0..8 => 1,
            8..19 => random.within(2..12),
            _ => random.within(20..60),
        };
        for _ in 0..count {
            transaction.statements.push(statement(random));
        }
        if random.once_in(7) {
            transaction.undo_some(random);
        }
        transaction
    }

    /// Wraps further statements in a savepoint that is rolled back.
    fn undo_some(&mut self, random: &mut Random) {
        let at = random.within(0..self.statements.len() as u64 + 1) as usize;
        let mut undone = vec!["SAVEPOINT a".to_owned()];
        undone.extend((0..random.within(1..4)).map(|_| statement(random)));
        undone.push("ROLLBACK TO a".to_owned());
        self.undone = at..at + undone.len();
        self.statements.splice(at..at, undone);
    }

    /// As one text.
    pub(super) fn sql(&self) -> String {
        format!("BEGIN;\n{};\nCOMMIT", self.statements.join(";\n"))
    }

    /// How many rows it changed, from how many each statement did, BEGIN's and COMMIT's among them.
    pub(super) fn changed(&self, counts: &[u64]) -> u64 {
        let own = counts.iter().skip(1).take(self.statements.len()).enumerate();
        own.filter(|(number, _)| !self.undone.contains(number)).map(|(_, count)| count).sum()
    }
}

fn statement(random: &mut Random) -> String {
    // The last one stays as it is.
    let table = &TABLES[random.within(0..TABLES.len() as u64 - 1) as usize];
    match random.within(0..1000) {
        0..390 => insert(table, random),
        390..400 => insert_many(table, random),
        400..500 => upsert(table, random),
        500..770 => update(table, random),
        770..775 => update_many(table, random),
        775..880 => delete(table, random),
        880..990 => change_key(table, random),
        990..994 => truncate(table, random),
        _ => message(random),
    }
}

/// Twenty rows at a time, before anything else happens.
pub(super) fn fill(table: &Shape, from: u64, random: &mut Random) -> String {
    let rows: Vec<String> = (from..from + 20).map(|number| row(table, number, random)).collect();
    format!("INSERT INTO {} ({}) VALUES {}", table.name, columns(table), rows.join(", "))
}

fn insert(table: &Shape, random: &mut Random) -> String {
    let rows: Vec<String> = (0..random.within(1..4)).map(|_| row(table, address(random), random)).collect();
    let values = rows.join(", ");
    format!("INSERT INTO {} ({}) VALUES {values} ON CONFLICT DO NOTHING", table.name, columns(table))
}

fn insert_many(table: &Shape, random: &mut Random) -> String {
    let (from, count) = (address(random), random.within(50..400));
    let values = table.address.iter().map(|(_, sql)| sql.replace('$', "g"));
    let values: Vec<String> = values.chain(literals(table, random)).collect();
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM generate_series({from}, {}) g ON CONFLICT DO NOTHING",
        table.name,
        columns(table),
        values.join(", "),
        from + count
    )
}

fn upsert(table: &Shape, random: &mut Random) -> String {
    if !table.has_key {
        return insert(table, random);
    }
    let conflict: Vec<&str> = table.address.iter().map(|(column, _)| *column).collect();
    let set: Vec<String> =
        table.values.iter().map(|(column, _)| format!("{column} = excluded.{column}")).collect();
    format!(
        "INSERT INTO {} ({}) VALUES {} ON CONFLICT ({}) DO UPDATE SET {}",
        table.name,
        columns(table),
        row(table, address(random), random),
        conflict.join(", "),
        set.join(", ")
    )
}

fn update(table: &Shape, random: &mut Random) -> String {
    format!("UPDATE {} SET {} WHERE {}", table.name, set(table, random), is_at(table, address(random)))
}

fn update_many(table: &Shape, random: &mut Random) -> String {
    let (from, count) = (address(random), random.within(50..300));
    let (columns, values): (Vec<&str>, Vec<String>) =
        table.address.iter().map(|(column, sql)| (*column, sql.replace('$', "g"))).unzip();
    format!(
        "UPDATE {} SET {} WHERE ({}) IN (SELECT {} FROM generate_series({from}, {}) g)",
        table.name,
        set(table, random),
        columns.join(", "),
        values.join(", "),
        from + count
    )
}

fn delete(table: &Shape, random: &mut Random) -> String {
    format!("DELETE FROM {} WHERE {}", table.name, is_at(table, address(random)))
}

fn change_key(table: &Shape, random: &mut Random) -> String {
    let new = address(random);
    let mut set: Vec<String> = table.address.iter().map(|(column, sql)| assign(column, sql, new)).collect();
    if random.once_in(3) {
        set.push(self::set(table, random));
    }
    let is_free = if table.has_key {
        format!(" AND NOT EXISTS (SELECT FROM {} WHERE {})", table.name, is_at(table, new))
    } else {
        String::new()
    };
    format!("UPDATE {} SET {} WHERE {}{is_free}", table.name, set.join(", "), is_at(table, address(random)))
}

fn truncate(table: &Shape, random: &mut Random) -> String {
    let other = random.pick(&TABLES);
    if other.name == table.name || random.once_in(2) {
        return format!("TRUNCATE {}", table.name);
    }
    format!("TRUNCATE {}, {}", table.name, other.name)
}

fn message(random: &mut Random) -> String {
    format!("SELECT pg_logical_emit_message({}, 'test', '{}')", random.once_in(2), random.number())
}

fn address(random: &mut Random) -> u64 {
    random.within(0..ADDRESSES)
}

fn columns(table: &Shape) -> String {
    let names = table.address.iter().map(|(column, _)| *column);
    names.chain(table.values.iter().map(|(column, _)| *column)).collect::<Vec<_>>().join(", ")
}

fn row(table: &Shape, number: u64, random: &mut Random) -> String {
    let key = table.address.iter().map(|(_, sql)| sql.replace('$', &number.to_string()));
    format!("({})", key.chain(literals(table, random)).collect::<Vec<_>>().join(", "))
}

fn literals(table: &Shape, random: &mut Random) -> Vec<String> {
    table.values.iter().map(|(_, kind)| kind.literal(random)).collect()
}

/// One column or all.
fn set(table: &Shape, random: &mut Random) -> String {
    let one = random.within(0..table.values.len() as u64) as usize;
    let all = random.once_in(4);
    let chosen = table.values.iter().enumerate().filter(|(number, _)| all || *number == one);
    chosen
        .map(|(_, (column, kind))| format!("{column} = {}", kind.literal(random)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn is_at(table: &Shape, number: u64) -> String {
    let conditions = table.address.iter().map(|(column, sql)| assign(column, sql, number));
    conditions.collect::<Vec<_>>().join(" AND ")
}

fn assign(column: &str, sql: &str, number: u64) -> String {
    format!("{column} = {}", sql.replace('$', &number.to_string()))
}
