use crate::random::Random;

/// A table to write to: how it is made, how its rows are addressed, what they hold.
#[derive(Debug)]
pub struct Shape {
    /// Its name, quoted where it must be.
    pub name: &'static str,
    /// What makes it; `{}` stands for the name.
    pub ddl: &'static str,
    /// Columns that address a row, each with the SQL that turns a number, written `$`, into its value.
    pub address: &'static [(&'static str, &'static str)],
    /// Whether the address is a key.
    pub has_key: bool,
    /// All other columns that are written.
    pub values: &'static [(&'static str, Kind)],
}

/// What a column holds.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int,
    Big,
    Numeric,
    Double,
    Bool,
    Text,
    /// Long enough to be stored out of line.
    Toast,
    Bytes,
    Time,
    Timestamp,
    TimestampTz,
    Date,
    Uuid,
    Json,
    Ints,
    Texts,
    Inet,
}

use Kind::*;

const ID: &[(&str, &str)] = &[("id", "$")];
const PLAIN: &[(&str, Kind)] = &[("amount", Int), ("note", Text)];
const PLAIN_DDL: &str = "CREATE TABLE {} (id int PRIMARY KEY, amount int, note text)";

/// Twenty tables, no two of one shape but the last ones.
pub static TABLES: [Shape; 20] = [
    Shape {
        name: "orders",
        ddl: "CREATE TABLE {} (id int PRIMARY KEY, total numeric(12, 2), paid bool, ordered timestamptz, note text, tags text[])",
        address: ID,
        has_key: true,
        values: &[
            ("total", Numeric),
            ("paid", Bool),
            ("ordered", TimestampTz),
            ("note", Text),
            ("tags", Texts),
        ],
    },
    Shape {
        name: "customers",
        ddl: "CREATE TABLE {} (id uuid PRIMARY KEY, born date, seen timestamp, wakes time, email text)",
        address: &[("id", "md5(($)::text)::uuid")],
        has_key: true,
        values: &[("born", Date), ("seen", Timestamp), ("wakes", Time), ("email", Text)],
    },
    Shape {
        name: "order_lines",
        ddl: "CREATE TABLE {} (order_id bigint, line smallint, quantity int, price numeric, PRIMARY KEY (order_id, line))",
        address: &[("order_id", "($) / 10"), ("line", "($) % 10")],
        has_key: true,
        values: &[("quantity", Int), ("price", Numeric)],
    },
    Shape {
        name: "documents",
        ddl: "CREATE TABLE {} (id bigint PRIMARY KEY, title text, body text); \
              ALTER TABLE {} ALTER body SET STORAGE EXTERNAL",
        address: ID,
        has_key: true,
        values: &[("title", Text), ("body", Toast)],
    },
    Shape {
        name: "archives",
        ddl: "CREATE TABLE {} (id int PRIMARY KEY, title text, body text, copies int); \
              ALTER TABLE {} ALTER body SET STORAGE EXTERNAL; ALTER TABLE {} REPLICA IDENTITY FULL",
        address: ID,
        has_key: true,
        values: &[("title", Text), ("body", Toast), ("copies", Int)],
    },
    Shape {
        name: "full_rows",
        ddl: "CREATE TABLE {} (id int PRIMARY KEY, price double precision, raw bytea); ALTER TABLE {} REPLICA IDENTITY FULL",
        address: ID,
        has_key: true,
        values: &[("price", Double), ("raw", Bytes)],
    },
    Shape {
        name: "clicks",
        ddl: "CREATE TABLE {} (n int, page text); ALTER TABLE {} REPLICA IDENTITY FULL",
        address: &[("n", "($) % 300")],
        has_key: false,
        // Few values: the same row many times.
        values: &[("page", Bool)],
    },
    Shape {
        name: "readings",
        ddl: "CREATE TABLE {} (n int, value double precision, at timestamptz, body text); \
              ALTER TABLE {} ALTER body SET STORAGE EXTERNAL; ALTER TABLE {} REPLICA IDENTITY FULL",
        address: &[("n", "($) % 500")],
        has_key: false,
        values: &[("value", Double), ("at", TimestampTz), ("body", Toast)],
    },
    Shape {
        name: "\"Größe \"\"テーブル\"\" it's\"",
        ddl: "CREATE TABLE {} (\"Schlüssel №\" text PRIMARY KEY, \"Wert \"\"ä\"\"\" text, \"select\" jsonb)",
        address: &[("\"Schlüssel №\"", "'schlüssel, ''' || ($) || '/%ß'")],
        has_key: true,
        values: &[("\"Wert \"\"ä\"\"\"", Text), ("\"select\"", Json)],
    },
    Shape {
        name: "shifting",
        ddl: "CREATE TABLE {} (id int PRIMARY KEY, amount int, note text)",
        address: ID,
        has_key: true,
        values: PLAIN,
    },
    Shape {
        name: "by_index",
        ddl: "CREATE TABLE {} (id serial PRIMARY KEY, code int NOT NULL, note text, seen inet); \
              CREATE UNIQUE INDEX by_index_code ON {} (code); ALTER TABLE {} REPLICA IDENTITY USING INDEX by_index_code",
        address: &[("code", "$")],
        has_key: true,
        values: &[("note", Text), ("seen", Inet)],
    },
    Shape {
        name: "days",
        ddl: "CREATE TABLE {} (day date PRIMARY KEY, visits bigint, points int[])",
        address: &[("day", "date '1993-03-07' + ($)")],
        has_key: true,
        values: &[("visits", Big), ("points", Ints)],
    },
    Shape {
        name: "long_keys",
        ddl: "CREATE TABLE {} (id text PRIMARY KEY, amount int); ALTER TABLE {} ALTER id SET STORAGE EXTERNAL",
        // The key itself is stored out of line.
        address: &[("id", "repeat(md5(($)::text), 72)")],
        has_key: true,
        values: &[("amount", Int)],
    },
    Shape {
        name: "generated",
        ddl: "CREATE TABLE {} (id int PRIMARY KEY, amount int, doubled bigint GENERATED ALWAYS AS (amount::bigint * 2) STORED, note text)",
        address: ID,
        has_key: true,
        values: PLAIN,
    },
    Shape {
        name: "reversed",
        // The key is last, and behind a dropped column.
        ddl: "CREATE TABLE {} (gone int, note text, at timestamptz, id bigint PRIMARY KEY); ALTER TABLE {} DROP COLUMN gone",
        address: ID,
        has_key: true,
        values: &[("note", Text), ("at", TimestampTz)],
    },
    Shape { name: "plain_1", ddl: PLAIN_DDL, address: ID, has_key: true, values: PLAIN },
    Shape { name: "plain_2", ddl: PLAIN_DDL, address: ID, has_key: true, values: PLAIN },
    Shape { name: "plain_3", ddl: PLAIN_DDL, address: ID, has_key: true, values: PLAIN },
    Shape {
        name: "uuids",
        ddl: "CREATE TABLE {} (id int PRIMARY KEY, a uuid, b uuid, c bytea)",
        address: ID,
        has_key: true,
        values: &[("a", Uuid), ("b", Uuid), ("c", Bytes)],
    },
    Shape { name: "never_written", ddl: PLAIN_DDL, address: ID, has_key: true, values: PLAIN },
];

impl Kind {
    /// A value as SQL.
    pub fn literal(self, random: &mut Random) -> String {
        if random.once_in(9) {
            return "NULL".to_owned();
        }
        match self {
            Int => (random.number() as i32).to_string(),
            Big => (random.number() as i64).to_string(),
            Numeric => match random.within(0..40) {
                0 => "'NaN'".to_owned(),
                _ => format!("{}.{:02}", random.number() as i16, random.within(0..100)),
            },
            Double => match random.within(0..40) {
                0 => "'-Infinity'".to_owned(),
                1 => "'NaN'".to_owned(),
                2 => "'-0'".to_owned(),
                _ => format!("'{:e}'", f64::from(random.number() as i32) / 7e5),
            },
            Bool => random.once_in(2).to_string(),
            Text => quoted(&text(random)),
            Toast => {
                let pages = random.within(2200..7000);
                quoted(&(0..pages).map(|_| char::from(b'a' + random.within(0..26) as u8)).collect::<String>())
            }
            Bytes => format!("'\\x{:016x}00{:02x}'", random.number(), random.within(0..256)),
            Time => match random.within(0..20) {
                0 => "'24:00:00'".to_owned(),
                _ => {
                    format!("time '00:00' + interval '1 microsecond' * {}", random.within(0..86_400_000_000))
                }
            },
            Timestamp => {
                format!("timestamp '1890-01-01' + interval '1 millisecond' * {}", random.within(0..1 << 43))
            }
            TimestampTz => {
                format!("to_timestamp({}.{:06})", random.within(0..1 << 32), random.within(0..1_000_000))
            }
            Date => format!("date '0044-03-15 BC' + {}", random.within(0..900_000)),
            Uuid => format!("md5('{}')::uuid", random.number()),
            Json => {
                format!("'{{\"n\": {}, \"text\": \"ü\\\\u0041\\n\", \"n2\": [1.0, null]}}'", random.number())
            }
            Ints => format!("'{{{},NULL,{}}}'", random.number() as i32, random.within(0..9)),
            Texts => format!("ARRAY[{}, NULL, {}]", quoted(&text(random)), quoted(&text(random))),
            Inet => format!("'10.{}.{}.0/24'", random.within(0..256), random.within(0..256)),
        }
    }
}

fn text(random: &mut Random) -> String {
    const PIECES: [&str; 12] =
        ["", "a", "it's", "\\", "\\N", "\t", "\n", "\"{},", "grün", "日本", "🦀", "a longer piece of text, "];
    (0..random.within(0..5)).map(|_| *random.pick(&PIECES)).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
