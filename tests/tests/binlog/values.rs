//! Rows of the columns' values: each extreme once, and random ones.

use end_to_end::random::Random;

use crate::columns::{Column, RandomValue};

const RANDOM_ROWS: usize = 60;

/// Each row's literals, of the columns that are not generated.
pub(crate) fn rows(columns: &[Column], random: &mut Random) -> Vec<Vec<String>> {
    let extremes = columns.iter().map(|column| column.values.len()).max().expect("columns");
    let mut rows: Vec<Vec<String>> = Vec::new();
    for number in 0..extremes + RANDOM_ROWS {
        let columns = columns.iter().filter(|column| !column.is_generated());
        rows.push(columns.map(|column| value(column, number, extremes, random)).collect());
    }
    let count = rows[0].len();
    rows.push(vec!["DEFAULT".to_owned(); count]);
    rows
}

fn value(column: &Column, number: usize, extremes: usize, random: &mut Random) -> String {
    if let Some(value) = column.values.get(number) {
        return (*value).to_owned();
    }
    match column.random {
        Some(kind) if !random.once_in(8) => literal(kind, random),
        None if number >= extremes || random.once_in(2) => column.values[0].to_owned(),
        _ => "DEFAULT".to_owned(),
    }
}

/// Statements that change each column in some rows, so that images differ in what they have.
pub(crate) fn updates(columns: &[Column], rows: usize) -> String {
    let mut statements = String::from("BEGIN;\n");
    let changed: Vec<_> = columns.iter().filter(|column| !column.is_generated()).collect();
    for (place, column) in changed.iter().enumerate() {
        let name = column.name;
        let to = if column.is_json_document() {
            // In place where it can be: that is what differences are logged of.
            format!(
                "CASE id % 6 \
                 WHEN 0 THEN JSON_SET({name}, '$.a', 1.5, '$.\"c d\"', 'new', '$.n', JSON_OBJECT('k', 'v')) \
                 WHEN 1 THEN JSON_REMOVE({name}, '$.a', '$[0]') \
                 WHEN 2 THEN JSON_REPLACE({name}, '$[0]', 'x', '$.a.b[1]', JSON_ARRAY(1)) \
                 WHEN 3 THEN JSON_SET({name}, '$.a.b[9]', true, '$[9]', NULL, '$.\"q\\\\\"u\"', -1) \
                 WHEN 4 THEN JSON_ARRAY_INSERT({name}, '$[1]', 'i', '$.a.b[0]', 7) \
                 ELSE JSON_SET({name}, '$', JSON_OBJECT('whole', id)) END"
            )
        } else if column.sql.contains("NOT NULL") {
            column.values[0].to_owned()
        } else {
            // Long ones would be in every image from then on.
            let short: Vec<_> = column.values.iter().filter(|value| !value.starts_with("repeat")).collect();
            let value = if short.is_empty() { column.values[0] } else { short[place % short.len()] };
            format!("IF(id % 5 = 0, NULL, {value})")
        };
        let rest = place % 7;
        statements +=
            &format!("UPDATE shop.everything SET {name} = {to} WHERE id % 7 = {rest} OR id > {rows} - 6;\n");
    }
    // A changed key.
    statements
        + "UPDATE shop.everything SET id = id + 1000 WHERE id = 3;\nUPDATE shop.everything SET id = id - 1000 WHERE id = 1003;\nCOMMIT;\n"
}

fn literal(kind: RandomValue, random: &mut Random) -> String {
    match kind {
        RandomValue::Int { bits, is_unsigned: true } => (random.number() >> (64 - bits)).to_string(),
        RandomValue::Int { bits, is_unsigned: false } => (random.number() as i64 >> (64 - bits)).to_string(),
        RandomValue::Decimal { whole, fraction } => {
            let mut digits = |count: u64| -> String {
                let count = random.within(0..count + 1);
                (0..count).map(|_| char::from(b'0' + random.within(0..10) as u8)).collect()
            };
            format!(
                "{}0{}.{}0",
                if whole < 60 && whole % 2 == 0 { "-" } else { "" },
                digits(whole),
                digits(fraction)
            )
        }
        RandomValue::Double => format!("{:e}", double(random)),
        RandomValue::Float => format!("{:e}", f32::from_bits(random.number() as u32 & 0xBF7F_FFFF)),
        RandomValue::Text => {
            let letters = ['a', 'é', '日', '🦀', ' ', '"', '%', 'Z'];
            let text: String = (0..random.within(0..11)).map(|_| *random.pick(&letters)).collect();
            format!("'{text}'")
        }
        RandomValue::Bytes(most) => {
            let bytes: String =
                (0..random.within(0..most + 1)).map(|_| format!("{:02X}", random.number() as u8)).collect();
            format!("x'{bytes}'")
        }
        RandomValue::Datetime => format!(
            "'{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}'",
            random.within(0..10_000),
            random.within(0..13),
            random.within(0..29),
            random.within(0..24),
            random.within(0..60),
            random.within(0..60),
            random.within(0..1_000_000)
        ),
        RandomValue::Time => format!(
            "'{}{:02}:{:02}:{:02}.{:06}'",
            *random.pick(&["", "-"]),
            random.within(0..838),
            random.within(0..60),
            random.within(0..60),
            random.within(0..1_000_000)
        ),
        RandomValue::Json => format!("'{}'", document(random, 3).replace('\\', "\\\\")),
    }
}

fn document(random: &mut Random, depth: u64) -> String {
    match random.within(0..if depth == 0 { 5 } else { 9 }) {
        0 => (random.number() as i64 >> random.within(0..64)).to_string(),
        1 => format!("{:e}", double(random)),
        2 => (*random.pick(&["true", "false", "null", "18446744073709551615", "1e15", "0.5"])).to_owned(),
        3 | 4 => {
            let length = *random.pick(&[0, 1, 5, 130]);
            let letters = ["a", "é", "🦀", " ", "\\\"", "\\\\", "\\u0007", "\\n", "/"];
            let text: String = (0..random.within(0..length + 1)).map(|_| *random.pick(&letters)).collect();
            format!("\"{text}\"")
        }
        5 | 6 => {
            let elements: Vec<_> = (0..random.within(0..5)).map(|_| document(random, depth - 1)).collect();
            format!("[{}]", elements.join(","))
        }
        _ => {
            let names = ["a", "b", "c d", "zz", "é", "q\\\"u", "longer name"];
            let members: Vec<_> = (0..random.within(0..5))
                .map(|_| format!("\"{}\":{}", random.pick(&names), document(random, depth - 1)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

fn double(random: &mut Random) -> f64 {
    let power = random.within(0..60) as i32 - 30;
    let value = random.number() as i64 as f64 / 2_f64.powi(63) * 10_f64.powi(power);
    if random.once_in(3) { value.trunc() } else { value }
}
