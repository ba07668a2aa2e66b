pub(super) mod mysql;

use crate::random::Random;

/// Types of its own.
pub(super) const TYPES: &str = "CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s \"great\"'); \
    CREATE TYPE pair AS (number int, words text); \
    CREATE DOMAIN positive AS int CHECK (VALUE > 0); \
    CREATE DOMAIN label AS text CHECK (VALUE <> 'never')";

/// As `format_type` names them.
const KINDS: &[&str] = &[
    "smallint",
    "integer",
    "integer",
    "bigint",
    "numeric",
    "numeric(12,3)",
    "real",
    "double precision",
    "boolean",
    "text",
    "text",
    "text",
    "character varying(40)",
    "character(8)",
    "bytea",
    "date",
    "time without time zone",
    "time with time zone",
    "timestamp without time zone",
    "timestamp with time zone",
    "interval",
    "uuid",
    "jsonb",
    "json",
    "inet",
    "macaddr",
    "bit(5)",
    "bit varying(9)",
    "money",
    "point",
    "box",
    "oid",
    "int4range",
    "tstzrange",
    "numrange",
    "int4multirange",
    "tsvector",
    "integer[]",
    "text[]",
    "numeric[]",
    "double precision[]",
    "timestamp with time zone[]",
    "boolean[]",
    "mood",
    "mood[]",
    "pair",
    "pair[]",
    "positive",
    "label",
];

pub(super) fn any_type(random: &mut Random) -> &'static str {
    random.pick::<&str>(KINDS)
}

/// What a column can become without another text for any value.
pub(super) fn wider(type_name: &str) -> Option<&'static str> {
    Some(match type_name {
        "smallint" => "integer",
        "integer" => "bigint",
        "bigint" => "numeric",
        "numeric(12,3)" => "numeric(20,3)",
        "character varying(40)" | "mood" | "label" => "text",
        "positive" => "bigint",
        _ => return None,
    })
}

/// The value that addresses a row by this number.
pub(super) fn address(type_name: &str, number: &str) -> String {
    match type_name {
        "text" => format!("'k ' || {number}"),
        "uuid" => format!("md5(({number})::text)::uuid"),
        "date" => format!("date '1999-12-28' + ({number})::int"),
        _ => format!("({number})"),
    }
}

/// A value as SQL.
pub(super) fn value(type_name: &str, random: &mut Random) -> String {
    if random.once_in(8) {
        return "NULL".to_owned();
    }
    if let Some(element) = type_name.strip_suffix("[]") {
        return array(element, type_name, random);
    }
    let number = random.number();
    let small = number % 1000;
    match type_name {
        "smallint" => (number as i16).to_string(),
        "integer" => (number as i32).to_string(),
        "bigint" => format!("'{}'", number as i64),
        "positive" => (small + 1).to_string(),
        "oid" => (number as u32).to_string(),
        "boolean" => random.once_in(2).to_string(),
        "numeric" => match small {
            0..40 => "'NaN'".to_owned(),
            40..80 => "'Infinity'".to_owned(),
            80..160 => format!("{number}{number}.{number:030}"),
            _ => format!("{}.{:02}", number as i16, small),
        },
        "real" | "double precision" => match small {
            0..40 => "'NaN'".to_owned(),
            40..80 => "'-Infinity'".to_owned(),
            80..120 => "'-0'".to_owned(),
            120..400 => format!("'{}e{}'", number as i16, small % 30),
            _ => format!("'{:e}'", f64::from(number as i32) / 7e5),
        },
        "text" | "label" => text(random),
        "character varying(40)" => format!("left({}, 20)", short_text(random)),
        "character(8)" => format!("left({}, 6)", short_text(random)),
        "bytea" if small < 150 => bytes(random),
        "bytea" => format!("'\\x{number:016x}00'"),
        "date" => match small {
            0..40 => "'infinity'".to_owned(),
            _ => format!("date '0044-03-15 BC' + {}", number % 900_000),
        },
        "time without time zone" => match small {
            0..60 => "'24:00:00'".to_owned(),
            _ => format!("time '00:00' + interval '1 microsecond' * {}", number % 86_400_000_000),
        },
        "time with time zone" => format!("'{:02}:{:02}:01.5+05:30'", number % 24, number % 60),
        "timestamp without time zone" => match small {
            0..40 => "'-infinity'".to_owned(),
            _ => format!("timestamp '0100-01-01 BC' + interval '1 millisecond' * {}", number % (1 << 46)),
        },
        "timestamp with time zone" => match small {
            0..40 => "'infinity'".to_owned(),
            _ => format!("to_timestamp({}.{:06})", number % (1 << 32), number % 1_000_000),
        },
        "interval" => format!("interval '{} months -{} days {small}.25 seconds'", number % 90, small),
        "uuid" => format!("md5('{number}')::uuid"),
        "jsonb" | "json" => {
            let more = if random.once_in(8) { long(random) } else { "'x'".to_owned() };
            format!(
                "('{{\"n\": {number}, \"n\": [1.0, null], \"text\": \"ü\\n\", \"more\": \"' || {more} || '\"}}')::{type_name}"
            )
        }
        "inet" => format!("'10.{}.{}.0/24'", number % 256, small % 256),
        "macaddr" => format!("'08:00:2b:{:02x}:{:02x}:03'", number % 256, small % 256),
        "bit(5)" => format!("({})::bit(5)", small % 32),
        "bit varying(9)" => format!("B'{:b}'", small % 512),
        "money" => format!("'{}.{:02}'::money", number as i32, small % 100),
        "point" => format!("point({}, {small})", number as i16),
        "box" => format!("box(point(1, {small}), point({}, 2.5))", number as i16),
        "int4range" => match small {
            0..100 => "'empty'".to_owned(),
            100..200 => format!("int4range(NULL, {small})"),
            _ => format!("int4range({small}, {}, '[]')", small + number % 1000),
        },
        "tstzrange" => format!("tstzrange(to_timestamp({small}), to_timestamp({small}00001), '()')"),
        "numrange" => format!("numrange({small}.5, NULL)"),
        "int4multirange" => format!("'{{[1,3),[{small},{})}}'", small + 7),
        "tsvector" => format!("to_tsvector('simple', {})", short_text(random)),
        "mood" => "(SELECT l FROM unnest(enum_range(NULL::mood)) l ORDER BY random() LIMIT 1)".to_owned(),
        "pair" => format!("ROW({}, {})::pair", number as i32, short_text(random)),
        other if other.starts_with("numeric") => format!("{}.{:02}", number as i16, small),
        other => panic!("no value of {other}"),
    }
}

fn array(element: &str, type_name: &str, random: &mut Random) -> String {
    match random.within(0..12) {
        0 => format!("'{{}}'::{type_name}"),
        1 if element == "integer" => "'[0:1]={1,2}'".to_owned(),
        2 => format!("ARRAY[[{0}, NULL], [NULL, {0}]]::{type_name}", value_not_null(element, random)),
        _ => format!("ARRAY[{}, NULL, {}]::{type_name}", value(element, random), value(element, random)),
    }
}

fn value_not_null(type_name: &str, random: &mut Random) -> String {
    loop {
        let value = value(type_name, random);
        if value != "NULL" {
            return value;
        }
    }
}

fn text(random: &mut Random) -> String {
    if random.once_in(6) { long(random) } else { short_text(random) }
}

fn short_text(random: &mut Random) -> String {
    const PIECES: [&str; 14] = [
        "",
        "a",
        "it''s",
        "\\",
        "\\N",
        "\t",
        "\n",
        "\"{},",
        "grün",
        "日本",
        "🦀",
        "NULL",
        "null",
        "]: 'x' [int]:",
    ];
    let text: String = (0..random.within(0..5)).map(|_| *random.pick(&PIECES)).collect();
    format!("'{}'", text.replace("''", "'").replace('\'', "''"))
}

/// Long enough to be stored out of line.
fn long(random: &mut Random) -> String {
    let length = random.within(2200..4500);
    format!("'{}'", (0..length).map(|_| char::from(b'a' + random.within(0..26) as u8)).collect::<String>())
}

fn bytes(random: &mut Random) -> String {
    let length = random.within(2200..3500);
    format!("'\\x{}'", (0..length).map(|_| format!("{:02x}", random.within(0..256))).collect::<String>())
}

/// The same as COPY takes it.
pub(super) fn copied_address(type_name: &str, number: u64) -> String {
    match type_name {
        "text" => format!("k {number}"),
        "uuid" => format!("00000000-0000-0000-0000-{number:012}"),
        "date" => format!("{:04}-01-{:02}", 1000 + number / 28 % 900, number % 28 + 1),
        _ => number.to_string(),
    }
}
