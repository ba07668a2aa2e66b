use super::{long, short_text, text};
use crate::random::Random;

/// As they are written in a definition.
const KINDS: &[&str] = &[
    "tinyint",
    "smallint unsigned",
    "mediumint",
    "int",
    "int",
    "int unsigned",
    "bigint",
    "bigint unsigned",
    "decimal(12,3)",
    "decimal(40,20)",
    "float",
    "double",
    "text",
    "text",
    "mediumtext",
    "varchar(40)",
    "varchar(300) CHARACTER SET latin1",
    "char(8)",
    "binary(5)",
    "varbinary(20)",
    "blob",
    "date",
    "time(3)",
    "datetime(6)",
    "timestamp(6) NULL",
    "year",
    "json",
    "enum('sad','ok','it''s great')",
    "set('a','b','c')",
    "bit(5)",
];

pub(in crate::application) fn any_type(random: &mut Random) -> &'static str {
    random.pick::<&str>(KINDS)
}

/// As the catalog names it: MariaDB has a width behind integers.
pub(in crate::application) fn wider(type_name: &str) -> Option<String> {
    let is_unsigned = type_name.ends_with(" unsigned");
    let name = type_name.split(['(', ' ']).next()?;
    let wider = match name {
        "tinyint" => "int",
        "smallint" | "mediumint" => "int",
        "int" => "bigint",
        "decimal" if type_name.starts_with("decimal(12") => "decimal(20,3)",
        "varchar" if type_name == "varchar(40)" => "varchar(200)",
        "enum" if type_name.ends_with("'it''s great')") => "enum('sad','ok','it''s great','new')",
        _ => return None,
    };
    Some(format!("{wider}{}", if is_unsigned { " unsigned" } else { "" }))
}

/// The value that addresses a row by this number.
pub(in crate::application) fn address(type_name: &str, number: &str) -> String {
    match type_name.split(['(', ' ']).next() {
        Some("varchar") => format!("CONCAT('k ', {number})"),
        Some("binary") => format!("UNHEX(LEFT(SHA2({number}, 256), 32))"),
        Some("date") => format!("(DATE'1999-12-28' + INTERVAL ({number}) DAY)"),
        _ => format!("({number})"),
    }
}

/// A value as SQL.
pub(in crate::application) fn value(type_name: &str, random: &mut Random) -> String {
    if random.once_in(8) {
        return "NULL".to_owned();
    }
    let number = random.number();
    let small = number % 1000;
    let is_unsigned = type_name.ends_with(" unsigned");
    match type_name.split(['(', ' ']).next().expect("a type") {
        "tinyint" => (number as i8).to_string(),
        "smallint" if is_unsigned => (number as u16).to_string(),
        "mediumint" => (number as i32 >> 8).to_string(),
        "int" if is_unsigned => (number as u32).to_string(),
        "bigint" if is_unsigned => number.to_string(),
        "smallint" => (number as i16).to_string(),
        "int" => (number as i32).to_string(),
        "bigint" => (number as i64).to_string(),
        "decimal" => format!("{}.{small:03}", number as i16),
        "float" => format!("{:e}", f64::from(number as i32) / 7e5),
        "double" => format!("{}e{}", number as i16, small % 30),
        "text" | "mediumtext" if small < 200 => text(random),
        // A document, for MariaDB calls its type so.
        "json" | "longtext" => {
            let more = if random.once_in(8) { long(random) } else { "'x'".to_owned() };
            format!(
                "CONCAT('{{\"n\": {number}, \"list\": [1.5, null], \"text\": \"ü\", \"more\": \"', {more}, '\"}}')"
            )
        }
        "text" | "mediumtext" | "varchar" => short_text(random),
        "char" => format!("LEFT({}, 6)", short_text(random)),
        "binary" | "varbinary" => format!("x'{:08x}00'", number as u32),
        "blob" => format!("UNHEX(REPEAT('{number:016x}', {}))", if small < 150 { small + 200 } else { 1 }),
        "date" => format!("DATE'1000-01-01' + INTERVAL {} DAY", number % 3_000_000),
        "time" => {
            let (sign, hours) = (if small.is_multiple_of(2) { "-" } else { "" }, number % 800);
            format!("'{sign}{hours:02}:{:02}:{:02}.{small:03}'", number % 60, small % 60)
        }
        "datetime" => format!("TIMESTAMP'1890-01-01 00:00:00' + INTERVAL {} MICROSECOND", number % (1 << 57)),
        "timestamp" => format!("FROM_UNIXTIME({}.{:06})", 1 + number % ((1 << 31) - 2), number % 1_000_000),
        "year" => (*random.pick(&["0", "1901", "2155", "2026"])).to_owned(),
        "enum" => (*random.pick(&["'sad'", "'ok'", "'it''s great'"])).to_owned(),
        "set" => (*random.pick(&["''", "'a'", "'b,c'"])).to_owned(),
        "bit" => (small % 32).to_string(),
        other => panic!("no value of {other}"),
    }
}
