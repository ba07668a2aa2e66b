//! From a cell back to what the server says of the same value, apart from the decoder, so that one mistake is not made
//! twice.

use event::{Bytes, Cell};

use crate::columns::AsText;

/// In the form in which a column is asked for; a fraction has as many digits as the column's type.
pub(crate) fn text(cell: &Cell<'_>, as_text: AsText, type_name: &str, type_modifier: i32) -> String {
    match (as_text, cell) {
        (_, Cell::Null) => "NULL".to_owned(),
        (AsText::Plain | AsText::Number, Cell::Int(value)) => value.to_string(),
        (AsText::Plain | AsText::Number, Cell::Uint(value)) => value.to_string(),
        (AsText::Plain, Cell::Decimal(text)) => text.to_string(),
        (AsText::Plain, Cell::Other { type_name: name, text }) => {
            assert_eq!(*name, type_name);
            text.to_string()
        }
        (AsText::Plain, Cell::Uuid(bytes)) => {
            let digits = hex(bytes).to_lowercase();
            let part = |from: usize, to: usize| &digits[from..to];
            [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
        }
        (AsText::Plain, Cell::DateDays(days)) => date(i64::from(*days)),
        (AsText::Plain, Cell::TimeUs(us)) => time(*us, type_modifier),
        (AsText::Plain, Cell::TimestampUs(us)) => {
            format!("{} {}", date(us.div_euclid(DAY_US)), time(us.rem_euclid(DAY_US), type_modifier))
        }
        (AsText::Float, Cell::Double(value)) => format!("{:e}", *value as f32),
        (AsText::Double, Cell::Double(value)) => format!("{value:e}"),
        // What is no label of an enum has no text, and another arm than an empty label.
        (AsText::Hex, Cell::Other { type_name: "enum", text }) if text.is_empty() => String::new(),
        (AsText::Hex, Cell::Text(text) | Cell::Json(text)) => hex(text.as_bytes()),
        (AsText::Bytes, Cell::Bytes(Bytes::Raw(bytes))) => hex(bytes),
        (AsText::Floats, Cell::Array(cells)) => {
            let bytes = |cell: &Cell<'_>| match cell {
                Cell::Double(value) => (*value as f32).to_le_bytes(),
                other => panic!("{other:?} in a vector"),
            };
            hex(&cells.iter().flat_map(bytes).collect::<Vec<_>>())
        }
        (as_text, cell) => panic!("{type_name}: {cell:?} for {as_text:?}"),
    }
}

/// The server's text in the same form: its floats have digits of their own.
pub(crate) fn normal(said: &str, as_text: AsText) -> String {
    match as_text {
        _ if said == "NULL" => said.to_owned(),
        AsText::Float => format!("{:e}", said.parse::<f64>().expect("a number") as f32),
        AsText::Double => format!("{:e}", said.parse::<f64>().expect("a number")),
        _ => said.to_owned(),
    }
}

const DAY_US: i64 = 86_400_000_000;

fn time(us: i64, digits: i32) -> String {
    let seconds = us / 1_000_000;
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = format!(".{:06}", us % 1_000_000);
    if digits > 0 { text + &fraction[..digits as usize + 1] } else { text }
}

/// A day at a time from the beginning of its year.
fn date(days: i64) -> String {
    let (mut year, mut day) = (1970, days);
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let len = |year: i64| if is_leap(year) { 366 } else { 365 };
    while day < 0 {
        year -= 1;
        day += len(year);
    }
    while day >= len(year) {
        day -= len(year);
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for len in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < len {
            break;
        }
        day -= len;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", day + 1)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
