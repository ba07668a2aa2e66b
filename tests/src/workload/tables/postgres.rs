use super::Kind::{self, *};
use super::Shape;

const ID: &[(&str, &str)] = &[("id", "$")];
const PLAIN: &[(&str, Kind)] = &[("amount", Int), ("note", Text)];
const PLAIN_DDL: &str = "CREATE TABLE {} (id int PRIMARY KEY, amount int, note text)";

/// Twenty tables, no two of one shape but the last ones.
pub(super) static TABLES: [Shape; 20] = [
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
