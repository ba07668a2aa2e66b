use super::catalog::{Column, Table};
use super::column::{address, value};
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
        _ => message(random),
    }
}

pub(super) fn insert_some(table: &Table, random: &mut Random) -> String {
    let rows: Vec<String> = (0..random.within(1..5)).map(|_| row(table, &number(random), random)).collect();
    format!(
        "INSERT INTO {} ({}) VALUES {}{}",
        table.quoted(),
        columns(table),
        rows.join(", "),
        on_conflict(table)
    )
}

fn insert_many(table: &Table, random: &mut Random) -> String {
    let from = random.within(0..ADDRESSES);
    let row = row(table, "g", random);
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM generate_series({from}, {}) g{}",
        table.quoted(),
        columns(table),
        &row[1..row.len() - 1],
        from + random.within(5..60),
        on_conflict(table)
    )
}

fn on_conflict(table: &Table) -> &'static str {
    if table.has_key { " ON CONFLICT DO NOTHING" } else { "" }
}

fn upsert(table: &Table, random: &mut Random) -> String {
    if !table.has_key {
        return insert_some(table, random);
    }
    let key: Vec<String> = table.address().map(Column::quoted).collect();
    format!(
        "INSERT INTO {} ({}) VALUES {} ON CONFLICT ({}) DO UPDATE SET {}",
        table.quoted(),
        columns(table),
        row(table, &number(random), random),
        key.join(", "),
        set(table, random)
    )
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
    let is_free = if table.has_key {
        format!(" AND NOT EXISTS (SELECT FROM {} WHERE {})", table.quoted(), is_at(table, &to))
    } else {
        String::new()
    };
    format!("UPDATE {} SET {} WHERE {}{is_free}", table.quoted(), set.join(", "), is_at(table, &from))
}

fn truncate(table: &Table, tables: &[Table], random: &mut Random) -> String {
    let other = random.pick(tables);
    let end = random.pick(&["", " RESTART IDENTITY", " CASCADE"]);
    if other.name == table.name || random.once_in(2) {
        return format!("TRUNCATE {}{end}", table.quoted());
    }
    format!("TRUNCATE {}, {}{end}", table.quoted(), other.quoted())
}

fn message(random: &mut Random) -> String {
    format!("SELECT pg_logical_emit_message({}, 'havoc', 'ü {}')", random.within(0..3) > 0, random.number())
}

fn number(random: &mut Random) -> String {
    random.within(0..ADDRESSES).to_string()
}

fn columns(table: &Table) -> String {
    table.columns.iter().map(Column::quoted).collect::<Vec<_>>().join(", ")
}

fn row(table: &Table, number: &str, random: &mut Random) -> String {
    let cell = |column: &Column| match column.is_address() {
        true => address(&column.type_name, number),
        false => value(&column.type_name, random),
    };
    format!("({})", table.columns.iter().map(cell).collect::<Vec<_>>().join(", "))
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
    let set: Vec<String> = chosen
        .map(|(_, column)| format!("{} = {}", column.quoted(), value(&column.type_name, random)))
        .collect();
    set.join(", ")
}

fn is_at(table: &Table, number: &str) -> String {
    table.address().map(|column| assign(column, number)).collect::<Vec<_>>().join(" AND ")
}

fn is_within(table: &Table, random: &mut Random) -> String {
    let from = random.within(0..ADDRESSES);
    let to = from + random.within(3..25);
    let conditions = table.address().map(|column| {
        let value = address(&column.type_name, "g");
        format!("{} IN (SELECT {value} FROM generate_series({from}, {to}) g)", column.quoted())
    });
    conditions.collect::<Vec<_>>().join(" AND ")
}

fn assign(column: &Column, number: &str) -> String {
    format!("{} = {}", column.quoted(), address(&column.type_name, number))
}
