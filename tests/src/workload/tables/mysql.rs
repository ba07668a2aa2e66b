use super::Kind::{self, *};
use super::Shape;

const ID: &[(&str, &str)] = &[("id", "$")];
const PLAIN: &[(&str, Kind)] = &[("amount", Int), ("note", Text)];
const PLAIN_DDL: &str = "CREATE TABLE {} (id int PRIMARY KEY, amount int, note text)";

/// The same by name as PostgreSQL's, as far as there are such types.
pub(super) static TABLES: [Shape; 20] = [
    Shape {
        name: "orders",
        ddl: "CREATE TABLE {} (id int PRIMARY KEY, total decimal(12, 2), paid bool, ordered timestamp(6) NULL, note text, \
              tags set('a', 'b', 'c'))",
        address: ID,
        has_key: true,
        values: &[
            ("total", Numeric),
            ("paid", Bool),
            ("ordered", TimestampTz),
            ("note", Text),
            ("tags", Choices),
        ],
    },
    Shape {
        name: "customers",
        ddl: "CREATE TABLE {} (id binary(16) PRIMARY KEY, born date, seen datetime(3), wakes time(6), email varchar(200))",
        address: &[("id", "UNHEX(LEFT(SHA2($, 256), 32))")],
        has_key: true,
        values: &[("born", Date), ("seen", Timestamp), ("wakes", Time), ("email", Text)],
    },
    Shape {
        name: "order_lines",
        ddl: "CREATE TABLE {} (order_id bigint unsigned, line smallint, quantity mediumint unsigned, price decimal(65, 30), \
              PRIMARY KEY (order_id, line))",
        address: &[("order_id", "($) DIV 10"), ("line", "($) % 10")],
        has_key: true,
        values: &[("quantity", Medium), ("price", Numeric)],
    },
    Shape {
        name: "documents",
        ddl: "CREATE TABLE {} (id bigint PRIMARY KEY, title tinytext, body mediumtext)",
        address: ID,
        has_key: true,
        values: &[("title", Text), ("body", Toast)],
    },
    Shape {
        name: "archives",
        ddl: "CREATE TABLE {} (id int PRIMARY KEY, title text, body longtext, copies int)",
        address: ID,
        has_key: true,
        values: &[("title", Text), ("body", Toast), ("copies", Int)],
    },
    Shape {
        name: "full_rows",
        ddl: "CREATE TABLE {} (id int unsigned PRIMARY KEY, price double, cost float, raw varbinary(20))",
        address: ID,
        has_key: true,
        values: &[("price", Double), ("cost", Float), ("raw", Bytes)],
    },
    Shape {
        name: "clicks",
        ddl: "CREATE TABLE {} (n int, page bool)",
        address: &[("n", "($) % 300")],
        has_key: false,
        // Few values: the same row many times.
        values: &[("page", Bool)],
    },
    Shape {
        name: "readings",
        ddl: "CREATE TABLE {} (n int, value double, at timestamp(6) NULL, body mediumtext)",
        address: &[("n", "($) % 500")],
        has_key: false,
        values: &[("value", Double), ("at", TimestampTz), ("body", Toast)],
    },
    Shape {
        name: "`Größe \"テーブル\" ``it's```",
        ddl: "CREATE TABLE {} (`Schlüssel №` varchar(100) COLLATE utf8mb4_bin PRIMARY KEY, `Wert ``ä\"` text, `select` json)",
        address: &[("`Schlüssel №`", "CONCAT('schlüssel, ''', $, '/%ß')")],
        has_key: true,
        values: &[("`Wert ``ä\"`", Text), ("`select`", Json)],
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
        ddl: "CREATE TABLE {} (id int AUTO_INCREMENT PRIMARY KEY, code int NOT NULL, note text, mood enum('sad', 'ok', \
              'it''s \"great\"'), UNIQUE (code))",
        address: &[("code", "$")],
        has_key: true,
        values: &[("note", Text), ("mood", Choice)],
    },
    Shape {
        name: "days",
        ddl: "CREATE TABLE {} (day date PRIMARY KEY, visits bigint, points bigint unsigned, made year, flags bit(11))",
        address: &[("day", "(DATE'1993-03-07' + INTERVAL ($) DAY)")],
        has_key: true,
        values: &[("visits", Big), ("points", UnsignedBig), ("made", Year), ("flags", Bits)],
    },
    Shape {
        name: "long_keys",
        ddl: "CREATE TABLE {} (id varchar(2304) CHARACTER SET ascii PRIMARY KEY, amount int)",
        address: &[("id", "REPEAT(CONVERT(SHA2($, 256) USING ascii), 36)")],
        has_key: true,
        values: &[("amount", Int)],
    },
    Shape {
        name: "`generated`",
        ddl: "CREATE TABLE {} (id int PRIMARY KEY, amount int, doubled bigint AS (amount * 2) STORED, \
              shown varchar(20) AS (CONCAT('<', amount, '>')) VIRTUAL, note text)",
        address: ID,
        has_key: true,
        values: PLAIN,
    },
    Shape {
        name: "reversed",
        // The key is last, and behind a dropped column.
        ddl: "CREATE TABLE {} (gone int, note text, at timestamp(2) NULL, id bigint PRIMARY KEY); \
              ALTER TABLE {} DROP COLUMN gone",
        address: ID,
        has_key: true,
        values: &[("note", Text), ("at", TimestampTz)],
    },
    Shape { name: "plain_1", ddl: PLAIN_DDL, address: ID, has_key: true, values: PLAIN },
    Shape {
        name: "plain_2",
        ddl: "CREATE TABLE {} (id int PRIMARY KEY, amount int, note text CHARACTER SET latin1) \
              PARTITION BY HASH (id) PARTITIONS 3",
        address: ID,
        has_key: true,
        values: PLAIN,
    },
    Shape {
        name: "plain_3",
        // Whatever is done to it is not taken back.
        ddl: "CREATE TABLE {} (id int PRIMARY KEY, amount int, note text) ENGINE = MyISAM",
        address: ID,
        has_key: true,
        values: PLAIN,
    },
    Shape {
        name: "uuids",
        ddl: "CREATE TABLE {} (id int PRIMARY KEY, a binary(16), b time(2), c tinyblob)",
        address: ID,
        has_key: true,
        values: &[("a", Uuid), ("b", Duration), ("c", Bytes)],
    },
    Shape { name: "never_written", ddl: PLAIN_DDL, address: ID, has_key: true, values: PLAIN },
];
