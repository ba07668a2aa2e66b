//! From a cell back to the text that the server wrote for it: what a decoder lost shows here.
//!
//! Written after the server's output functions and apart from the decoder, so that one mistake is not made twice.

use event::Cell;

/// The text of a value of the named type; a null element of an array is `NULL`.
pub(crate) fn server_text(cell: &Cell<'_>, type_name: &str) -> String {
    match cell {
        Cell::Bool(value) => if *value { "t" } else { "f" }.to_owned(),
        Cell::Int(value) => value.to_string(),
        Cell::Uint(value) => value.to_string(),
        Cell::Double(value) => float(*value, if type_name == "float4" { 6 } else { 15 }),
        Cell::Decimal(text) | Cell::Text(text) | Cell::Json(text) | Cell::Other { text, .. } => {
            text.to_string()
        }
        Cell::Bytes(bytes) => {
            let mut raw = Vec::new();
            bytes.append_to(&mut raw);
            raw.iter().fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
        }
        Cell::DateDays(days) => {
            let (date, era) = date(i64::from(*days));
            date + era
        }
        Cell::TimeUs(time_us) => time(*time_us),
        Cell::TimestampUs(timestamp_us) => {
            let (date, era) = date(timestamp_us.div_euclid(DAY_US));
            let zone = if type_name == "timestamptz" { "+00" } else { "" };
            format!("{date} {}{zone}{era}", time(timestamp_us.rem_euclid(DAY_US)))
        }
        Cell::Uuid(bytes) => {
            let mut text = String::new();
            for (number, byte) in bytes.iter().enumerate() {
                if [4, 6, 8, 10].contains(&number) {
                    text.push('-');
                }
                text += &format!("{byte:02x}");
            }
            text
        }
        Cell::Array(cells) => array(cells, type_name.strip_prefix('_').unwrap()),
        Cell::Null => "NULL".to_owned(),
        Cell::Unchanged | Cell::Omitted => panic!("{cell:?} has no text"),
    }
}

const DAY_US: i64 = 86_400_000_000;

/// `float8out`: a point up to so many digits before it and four zeroes after it, else an exponent.
fn float(value: f64, digits: i32) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    if value == 0.0 || (-4..digits).contains(&exponent) {
        return format!("{value}");
    }
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn time(time_us: i64) -> String {
    let (seconds, fraction) = (time_us / 1_000_000, time_us % 1_000_000);
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 { whole } else { format!("{whole}.{fraction:06}").trim_end_matches('0').to_owned() }
}

/// The date and what is written after everything else. After `j2date`, by Julian days; it begins 4714 BC, so that the
/// years are moved by whole cycles of 400.
fn date(days: i64) -> (String, &'static str) {
    const CYCLES: i64 = 25_000;
    let julian = (days + CYCLES * 146_097 + 2_440_588) as u64 + 32_044;
    let mut quad = julian / 146_097;
    let extra = (julian - quad * 146_097) * 4 + 3;
    let julian = julian + 60 + quad * 3 + extra / 146_097;
    quad = julian / 1461;
    let julian = julian - quad * 1461;
    let four = julian * 4 / 1461;
    let day_of_year = if four != 0 { (julian + 305) % 365 } else { (julian + 306) % 366 } + 123;
    let year = (four + quad * 4) as i64 - 4800 - CYCLES * 400;
    let thirds = day_of_year * 2141 / 65_536;
    let day = day_of_year - 7834 * thirds / 256;
    let month = (thirds + 10) % 12 + 1;
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}

/// `array_out`.
fn array(cells: &[Cell<'_>], element: &str) -> String {
    let delimiter = if element == "box" { ";" } else { "," };
    let elements: Vec<_> = cells
        .iter()
        .map(|cell| match cell {
            Cell::Null => "NULL".to_owned(),
            Cell::Array(cells) => array(cells, element),
            cell => quoted(&server_text(cell, element), delimiter),
        })
        .collect();
    format!("{{{}}}", elements.join(delimiter))
}

fn quoted(text: &str, delimiter: &str) -> String {
    let special = |c: char| "\"\\{} \t\n\r\x0B\x0C".contains(c) || delimiter.contains(c);
    if !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.contains(special) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
