use super::tables::{self, Shape};
use crate::dialect::Dialect;
use crate::random::Random;

/// The numbers that address rows: few enough that keys are used again.
const ADDRESSES: u64 = 3000;

const SAVEPOINT: &str = "SAVEPOINT a";
const ROLLBACK: &str = "ROLLBACK TO a";

/// A transaction as statements, without BEGIN and COMMIT.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    statements: Vec<String>,
    /// Those that a savepoint takes back.
    undone: std::ops::Range<usize>,
}

impl Transaction {
    /// Makes one up.
    pub(super) fn new(dialect: Dialect, random: &mut Random) -> Self {
        let mut transaction = Self::default();
        let count = match random.within(0..20) {
            0..8 => 1,
            8..19 => random.within(2..12),
            _ => random.within(20..60),
        };
        for _ in 0..count {
            transaction.statements.push(statement(dialect, random));
        }
        if random.once_in(7) {
            transaction.undo_some(dialect, random);
        }
        let is_lonely = |statement: &String| statement.contains(tables::WITHOUT_TRANSACTIONS);
        if dialect == Dialect::Mysql && transaction.statements.len() > 1 {
            // With GTIDs it is refused among others.
            transaction.statements.retain(|statement| !is_lonely(statement));
            if transaction.statements.is_empty() {
                return Self::new(dialect, random);
            }
            transaction.undone = transaction.place_of_undone();
        }
        transaction
    }

    fn place_of_undone(&self) -> std::ops::Range<usize> {
        let place = |start: &str| self.statements.iter().position(|statement| statement == start);
        let (from, to) = (place(SAVEPOINT), place(ROLLBACK));
        from.zip(to).map_or(0..0, |(from, to)| from..to + 1)
    }

    /// Wraps further statements in a savepoint that is rolled back.
    fn undo_some(&mut self, dialect: Dialect, random: &mut Random) {
        let at = random.within(0..self.statements.len() as u64 + 1) as usize;
        let mut undone = vec![SAVEPOINT.to_owned()];
        undone.extend((0..random.within(1..4)).map(|_| statement(dialect, random)));
        undone.push(ROLLBACK.to_owned());
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

/// Makes up statements.
struct Writer<'r> {
    dialect: Dialect,
    tables: &'static [Shape],
    random: &'r mut Random,
}

fn statement(dialect: Dialect, random: &mut Random) -> String {
    Writer { dialect, tables: tables::of(dialect), random }.statement()
}

/// Twenty rows at a time, before anything else happens.
pub(super) fn fill(dialect: Dialect, table: &Shape, from: u64, random: &mut Random) -> String {
    let mut writer = Writer { dialect, tables: tables::of(dialect), random };
    let rows: Vec<String> = (from..from + 20).map(|number| writer.row(table, number)).collect();
    format!("INSERT INTO {} ({}) VALUES {}", table.name, columns(table), rows.join(", "))
}

impl Writer<'_> {
    fn statement(&mut self) -> String {
        // The last one stays as it is.
        let table = &self.tables[self.random.within(0..self.tables.len() as u64 - 1) as usize];
        match self.random.within(0..1000) {
            0..390 => self.insert(table),
            390..400 => self.insert_many(table),
            400..500 => self.upsert(table),
            500..770 => self.update(table),
            770..775 => self.update_many(table),
            775..880 => self.delete(table),
            880..990 => self.change_key(table),
            990..994 => self.truncate(table),
            _ => self.message(),
        }
    }

    fn insert(&mut self, table: &Shape) -> String {
        let rows: Vec<String> = (0..self.random.within(1..4))
            .map(|_| {
                let number = self.address();
                self.row(table, number)
            })
            .collect();
        self.dialect.insert_new(table.name, &columns(table), &format!("VALUES {}", rows.join(", ")))
    }

    fn insert_many(&mut self, table: &Shape) -> String {
        let (from, count) = (self.address(), self.random.within(50..400));
        let values = table.address.iter().map(|(_, sql)| sql.replace('$', "g"));
        let values: Vec<String> = values.chain(self.literals(table)).collect();
        let series = self.dialect.series(from, from + count);
        let rows = format!("SELECT {} FROM {series}", values.join(", "));
        self.dialect.insert_new(table.name, &columns(table), &rows)
    }

    fn upsert(&mut self, table: &Shape) -> String {
        if !table.has_key {
            return self.insert(table);
        }
        let key: Vec<String> = table.address.iter().map(|(column, _)| (*column).to_owned()).collect();
        let set: Vec<String> = table.values.iter().map(|(column, _)| (*column).to_owned()).collect();
        let number = self.address();
        let row = self.row(table, number);
        self.dialect.upsert(table.name, &columns(table), &row, &key, &set)
    }

    fn update(&mut self, table: &Shape) -> String {
        let set = self.set(table);
        format!("UPDATE {} SET {set} WHERE {}", table.name, is_at(table, self.address()))
    }

    fn update_many(&mut self, table: &Shape) -> String {
        let (from, count) = (self.address(), self.random.within(50..300));
        let (columns, values): (Vec<&str>, Vec<String>) =
            table.address.iter().map(|(column, sql)| (*column, sql.replace('$', "g"))).unzip();
        format!(
            "UPDATE {} SET {} WHERE ({}) IN (SELECT {} FROM {})",
            table.name,
            self.set(table),
            columns.join(", "),
            values.join(", "),
            self.dialect.series(from, from + count)
        )
    }

    fn delete(&mut self, table: &Shape) -> String {
        format!("DELETE FROM {} WHERE {}", table.name, is_at(table, self.address()))
    }

    fn change_key(&mut self, table: &Shape) -> String {
        let (old, new) = (self.address(), self.address());
        let mut set: Vec<String> =
            table.address.iter().map(|(column, sql)| assign(column, sql, new)).collect();
        if self.random.once_in(3) {
            set.push(self.set(table));
        }
        let is_taken = table.has_key.then(|| is_at(table, new));
        self.dialect.change_key(table.name, &set.join(", "), &is_at(table, old), is_taken.as_deref())
    }

    fn truncate(&mut self, table: &Shape) -> String {
        let other = self.random.pick(self.tables);
        if other.name == table.name || self.dialect == Dialect::Mysql || self.random.once_in(2) {
            return format!("TRUNCATE TABLE {}", table.name);
        }
        format!("TRUNCATE {}, {}", table.name, other.name)
    }

    fn message(&mut self) -> String {
        match self.dialect {
            Dialect::Postgres => format!(
                "SELECT pg_logical_emit_message({}, 'test', '{}')",
                self.random.once_in(2),
                self.random.number()
            ),
            // There are none: another file instead.
            Dialect::Mysql => "FLUSH BINARY LOGS".to_owned(),
        }
    }

    fn address(&mut self) -> u64 {
        self.random.within(0..ADDRESSES)
    }

    fn row(&mut self, table: &Shape, number: u64) -> String {
        let key = table.address.iter().map(|(_, sql)| sql.replace('$', &number.to_string()));
        format!("({})", key.chain(self.literals(table)).collect::<Vec<_>>().join(", "))
    }

    fn literals(&mut self, table: &Shape) -> Vec<String> {
        table.values.iter().map(|(_, kind)| kind.literal(self.dialect, self.random)).collect()
    }

    /// One column or all.
    fn set(&mut self, table: &Shape) -> String {
        let one = self.random.within(0..table.values.len() as u64) as usize;
        let all = self.random.once_in(4);
        let chosen = table.values.iter().enumerate().filter(|(number, _)| all || *number == one);
        chosen
            .map(|(_, (column, kind))| format!("{column} = {}", kind.literal(self.dialect, self.random)))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn columns(table: &Shape) -> String {
    let names = table.address.iter().map(|(column, _)| *column);
    names.chain(table.values.iter().map(|(column, _)| *column)).collect::<Vec<_>>().join(", ")
}

fn is_at(table: &Shape, number: u64) -> String {
    let conditions = table.address.iter().map(|(column, sql)| assign(column, sql, number));
    conditions.collect::<Vec<_>>().join(" AND ")
}

fn assign(column: &str, sql: &str, number: u64) -> String {
    format!("{column} = {}", sql.replace('$', &number.to_string()))
}
