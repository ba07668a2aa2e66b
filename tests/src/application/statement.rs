use super::catalog::{Column, Table};
use crate::dialect::Dialect;
use crate::random::Random;

/// Few enough that keys are used again and again.
const ADDRESSES: u64 = 120;

/// A change of a table's rows.
pub(super) fn any(table: &Table, tables: &[Table], random: &mut Random) -> String {
    match random.within(0..1000) {
        0..300 => insert_some(table, random),
        300..350 => insert_many(table, random),
        350..600 => update(table, random),
        600..640 => update_many(table, random),
        640..760 => delete(table, random),
        760..775 => delete_many(table, random),
        775..915 => change_key(table, random),
        915..925 => truncate(table, tables, random),
        925..960 => upsert(table, random),
        _ => another(table, random),
    }
}

pub(super) fn insert_some(table: &Table, random: &mut Random) -> String {
    let rows: Vec<String> = (0..random.within(1..5)).map(|_| row(table, &number(random), random)).collect();
    insert(table, &format!("VALUES {}", rows.join(", ")))
}

fn insert_many(table: &Table, random: &mut Random) -> String {
    let from = random.within(0..ADDRESSES);
    let row = row(table, "g", random);
    let series = table.dialect.series(from, from + random.within(5..60));
    insert(table, &format!("SELECT {} FROM {series}", &row[1..row.len() - 1]))
}

fn insert(table: &Table, rows: &str) -> String {
    if table.has_key {
        return table.dialect.insert_new(&table.quoted(), &columns(table), rows);
    }
    format!("INSERT INTO {} ({}) {rows}", table.quoted(), columns(table))
}

fn upsert(table: &Table, random: &mut Random) -> String {
    if !table.has_key {
        return insert_some(table, random);
    }
    let key: Vec<String> = table.address().map(Column::quoted).collect();
    let row = row(table, &number(random), random);
    let set: Vec<String> =
        table.values().into_iter().filter(|_| random.once_in(2)).map(Column::quoted).collect();
    let set = if set.is_empty() { key.clone() } else { set };
    table.dialect.upsert(&table.quoted(), &columns(table), &row, &key, &set)
}

fn update(table: &Table, random: &mut Random) -> String {
    format!("UPDATE {} SET {} WHERE {}", table.quoted(), set(table, random), is_at(table, &number(random)))
}

fn update_many(table: &Table, random: &mut Random) -> String {
    format!("UPDATE {} SET {} WHERE {}", table.quoted(), set(table, random), is_within(table, random))
}

fn delete(table: &Table, random: &mut Random) -> String {
    format!("DELETE FROM {} WHERE {}", table.quoted(), is_at(table, &number(random)))
}

fn delete_many(table: &Table, random: &mut Random) -> String {
    format!("DELETE FROM {} WHERE {}", table.quoted(), is_within(table, random))
}

fn change_key(table: &Table, random: &mut Random) -> String {
    let (from, to) = (number(random), number(random));
    let mut set: Vec<String> = table.address().map(|column| assign(column, &to)).collect();
    if random.once_in(3) {
        set.push(self::set(table, random));
    }
    let is_taken = table.has_key.then(|| is_at(table, &to));
    table.dialect.change_key(&table.quoted(), &set.join(", "), &is_at(table, &from), is_taken.as_deref())
}

fn truncate(table: &Table, tables: &[Table], random: &mut Random) -> String {
    if table.dialect == Dialect::Mysql {
        return format!("TRUNCATE TABLE {}", table.quoted());
    }
    let other = random.pick(tables);
    let end = random.pick(&["", " RESTART IDENTITY", " CASCADE"]);
    if other.name == table.name || random.once_in(2) {
        return format!("TRUNCATE {}{end}", table.quoted());
    }
    format!("TRUNCATE {}, {}{end}", table.quoted(), other.quoted())
}

/// What only one of them has: a message, or a row that takes the place of another.
fn another(table: &Table, random: &mut Random) -> String {
    match table.dialect {
        Dialect::Postgres => format!(
            "SELECT pg_logical_emit_message({}, 'havoc', 'ü {}')",
            random.within(0..3) > 0,
            random.number()
        ),
        Dialect::Mysql => {
            let row = row(table, &number(random), random);
            format!("REPLACE INTO {} ({}) VALUES {row}", table.quoted(), columns(table))
        }
    }
}

fn number(random: &mut Random) -> String {
    random.within(0..ADDRESSES).to_string()
}

fn columns(table: &Table) -> String {
    table.written().map(Column::quoted).collect::<Vec<_>>().join(", ")
}

fn row(table: &Table, number: &str, random: &mut Random) -> String {
    let cell = |column: &Column| match column.is_address() {
        true => column.address(number),
        false => column.value(random),
    };
    format!("({})", table.written().map(cell).collect::<Vec<_>>().join(", "))
}

/// One column or all.
fn set(table: &Table, random: &mut Random) -> String {
    let values = table.values();
    if values.is_empty() {
        // Nothing but a key: it becomes itself.
        return table
            .address()
            .map(|column| format!("{0} = {0}", column.quoted()))
            .collect::<Vec<_>>()
            .join(", ");
    }
    let one = random.within(0..values.len() as u64) as usize;
    let all = random.once_in(4);
    let chosen = values.iter().enumerate().filter(|(number, _)| all || *number == one);
    let set: Vec<String> =
        chosen.map(|(_, column)| format!("{} = {}", column.quoted(), column.value(random))).collect();
    set.join(", ")
}

fn is_at(table: &Table, number: &str) -> String {
    table.address().map(|column| assign(column, number)).collect::<Vec<_>>().join(" AND ")
}

fn is_within(table: &Table, random: &mut Random) -> String {
    let from = random.within(0..ADDRESSES);
    let to = from + random.within(3..25);
    let conditions = table.address().map(|column| {
        let (value, series) = (column.address("g"), table.dialect.series(from, to));
        format!("{} IN (SELECT {value} FROM {series})", column.quoted())
    });
    conditions.collect::<Vec<_>>().join(" AND ")
}

fn assign(column: &Column, number: &str) -> String {
    format!("{} = {}", column.quoted(), column.address(number))
}
