use event::envelope::{Value, value::Kind};

use crate::history::{Datum, float_text};

/// What the server would write for a value of that type: after its output functions, and apart from the decoder, so
/// that one mistake is not made twice.
pub(super) fn datum(value: &Value, type_name: &str) -> Datum {
    match value.kind.as_ref() {
        None | Some(Kind::Omitted(_)) => Datum::Omitted,
        Some(Kind::Unchanged(_)) => Datum::Unchanged,
        Some(Kind::Null(_)) => Datum::Null,
        Some(kind) => Datum::Text(text(kind, type_name)),
    }
}

const DAY_US: i64 = 86_400_000_000;

fn text(kind: &Kind, type_name: &str) -> String {
    match kind {
        Kind::Null(_) | Kind::Unchanged(_) | Kind::Omitted(_) => "NULL".to_owned(),
        Kind::Bool(value) => if *value { "t" } else { "f" }.to_owned(),
        Kind::Int64(value) => value.to_string(),
        Kind::Uint64(value) => value.to_string(),
        Kind::Double(value) => float_text(*value),
        Kind::Decimal(text) | Kind::String(text) | Kind::Json(text) => text.clone(),
        Kind::Bytes(bytes) => format!("\\x{}", hex(bytes)),
        Kind::Uuid(bytes) => {
            let hex = hex(bytes);
            let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
            [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
        }
        Kind::DateDays(days) => {
            let (date, era) = date(i64::from(*days));
            date + era
        }
        Kind::TimeUs(time_us) => time(*time_us),
        Kind::TimestampUs(value) => timestamp(*value, if type_name == "timestamptz" { "+00" } else { "" }),
        Kind::Array(array) => elements(&array.values, type_name.strip_prefix('_').unwrap_or(type_name)),
        Kind::Other(other) => other.text.clone(),
    }
}

/// As `timestamptz` text in UTC, or without the zone.
pub(crate) fn timestamp(timestamp_us: i64, zone: &str) -> String {
    let (date, era) = date(timestamp_us.div_euclid(DAY_US));
    format!("{date} {}{zone}{era}", time(timestamp_us.rem_euclid(DAY_US)))
}

fn time(time_us: i64) -> String {
    let (seconds, fraction) = (time_us / 1_000_000, time_us % 1_000_000);
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 { whole } else { format!("{whole}.{fraction:06}").trim_end_matches('0').to_owned() }
}

/// The date, and what is written after everything else. Years begin in March, so that a leap day ends them.
fn date(days: i64) -> (String, &'static str) {
    let days = days + 719_468;
    let (cycle, day_of_cycle) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + cycle * 400 + i64::from(month <= 2);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}

/// `array_out`.
fn elements(values: &[Value], type_name: &str) -> String {
    let delimiter = if type_name == "box" { ";" } else { "," };
    let elements: Vec<String> = values
        .iter()
        .map(|value| match value.kind.as_ref() {
            Some(Kind::Array(array)) => elements(&array.values, type_name),
            Some(kind @ Kind::Null(_)) => text(kind, type_name),
            Some(kind) => quoted(&text(kind, type_name), delimiter),
            None => "?".to_owned(),
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
