//! A column of every type, with its extreme values.

use decoder::binlog::Declared;
use end_to_end::servers::Release;

/// One column: its definition, how its values are asked for, and what they are.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
    pub(crate) as_text: AsText,
    /// As literals.
    pub(crate) values: &'static [&'static str],
    /// Makes further values.
    pub(crate) random: Option<RandomValue>,
}

/// In what form the server and the test write a value to compare it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AsText {
    /// The value's own text.
    Plain,
    /// As a number: a year, bits.
    Number,
    /// A float, as the double that it is.
    Float,
    Double,
    /// Characters, as UTF-8 in hexadecimal.
    Hex,
    /// Bytes in hexadecimal.
    Bytes,
    /// An array of floats, as bytes.
    Floats,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RandomValue {
    Int { bits: u32, is_unsigned: bool },
    Decimal { whole: u64, fraction: u64 },
    Double,
    Float,
    Text,
    Bytes(u64),
    Datetime,
    Time,
    Json,
}

impl Column {
    pub(crate) fn asked(&self) -> String {
        let name = self.name;
        match self.as_text {
            AsText::Plain => format!("CAST({name} AS CHAR)"),
            AsText::Number => format!("{name} + 0"),
            // Adding zero would take the sign of a zero away.
            AsText::Float => format!("{name} * 1e0"),
            AsText::Double => name.to_owned(),
            AsText::Hex => format!("hex(CONVERT({name} USING utf8mb4))"),
            AsText::Bytes | AsText::Floats => format!("hex({name})"),
        }
    }

    /// Whether it is in no row as it is stored.
    pub(crate) fn is_virtual(&self) -> bool {
        self.sql.contains(" VIRTUAL")
    }

    pub(crate) fn is_generated(&self) -> bool {
        self.sql.contains(" AS (")
    }

    /// What of MariaDB's types its log does not tell.
    pub(crate) fn declared(&self) -> Declared {
        match self.sql {
            "uuid" => Declared::Uuid,
            "inet6" => Declared::Inet6,
            "inet4" => Declared::Inet4,
            "json" => Declared::Json,
            vector if vector.starts_with("vector") => Declared::Vector,
            _ => Declared::Plain,
        }
    }

    pub(crate) fn is_json_document(&self) -> bool {
        self.sql == "json"
    }
}

const fn column(
    name: &'static str,
    sql: &'static str,
    as_text: AsText,
    values: &'static [&'static str],
    random: Option<RandomValue>,
) -> Column {
    Column { name, sql, as_text, values, random }
}

/// Those of this server.
pub(crate) fn columns(release: Release) -> Vec<Column> {
    let mut columns = common();
    match release {
        Release::Mysql => columns.extend(mysql()),
        Release::Mariadb(version) => {
            columns.extend(mariadb());
            if version == "11.8" {
                columns.push(column(
                    "vectors",
                    "vector(3) NOT NULL DEFAULT 0x000000000000000000000000",
                    AsText::Floats,
                    &["Vec_FromText('[1,-2.5,0.1]')"],
                    None,
                ));
            }
        }
    }
    columns
}

fn common() -> Vec<Column> {
    use AsText::{Bytes, Double, Float, Hex, Number, Plain};

    let int = |bits, is_unsigned| Some(RandomValue::Int { bits, is_unsigned });
    vec![
        column("tiny", "tinyint", Plain, &["-128", "127", "-1", "0"], int(8, false)),
        column("tiny_u", "tinyint unsigned", Plain, &["255", "128", "0"], int(8, true)),
        column("truth", "bool", Plain, &["true", "false"], None),
        column("small", "smallint", Plain, &["-32768", "32767", "-1"], int(16, false)),
        column("small_u", "smallint unsigned zerofill", Number, &["65535", "32768"], int(16, true)),
        column("years", "year", Number, &["1901", "2155", "0", "2024", "70"], None),
        column("medium", "mediumint", Plain, &["-8388608", "8388607", "-1"], int(24, false)),
        column("medium_u", "mediumint unsigned", Plain, &["16777215", "8388608"], int(24, true)),
        column("whole", "int", Plain, &["-2147483648", "2147483647", "-1"], int(32, false)),
        column("whole_u", "int unsigned", Plain, &["4294967295", "2147483648"], int(32, true)),
        column(
            "big",
            "bigint",
            Plain,
            &["-9223372036854775808", "9223372036854775807", "-1"],
            int(64, false),
        ),
        column(
            "big_u",
            "bigint unsigned",
            Plain,
            &["18446744073709551615", "9223372036854775808"],
            int(64, true),
        ),
        column(
            "single",
            "float",
            Float,
            &["0.1", "-0.0", "3.402823466e38", "-1.175494351e-38", "1e-45", "16777217", "123456.7"],
            Some(RandomValue::Float),
        ),
        column("single_u", "float unsigned", Float, &["0.1", "3.402823466e38"], None),
        column(
            "real8",
            "double",
            Double,
            &[
                "0.1",
                "-0.0",
                "1.7976931348623157e308",
                "5e-324",
                "-2.2250738585072014e-308",
                "123456789012345678",
            ],
            Some(RandomValue::Double),
        ),
        column("real8_u", "double unsigned", Double, &["0.1"], None),
        column(
            "money_like",
            "decimal(10,2)",
            Plain,
            &["-99999999.99", "99999999.99", "0.05", "-0.05", "0"],
            Some(RandomValue::Decimal { whole: 8, fraction: 2 }),
        ),
        column(
            "widest",
            "decimal(65,30)",
            Plain,
            &[
                "99999999999999999999999999999999999.999999999999999999999999999999",
                "-99999999999999999999999999999999999.999999999999999999999999999999",
                "0.000000000000000000000000000001",
                "-1",
                "10000000000000000000000000000000000",
            ],
            Some(RandomValue::Decimal { whole: 35, fraction: 30 }),
        ),
        column(
            "longest",
            "decimal(65,0) unsigned",
            Plain,
            &["99999999999999999999999999999999999999999999999999999999999999999"],
            Some(RandomValue::Decimal { whole: 65, fraction: 0 }),
        ),
        column(
            "fraction",
            "decimal(30,30)",
            Plain,
            &["-0.123456789012345678901234567890"],
            Some(RandomValue::Decimal { whole: 0, fraction: 30 }),
        ),
        column("digit", "decimal(1,0)", Plain, &["-9", "0"], None),
        column("flag", "bit(1)", Number, &["b'1'", "b'0'"], None),
        column("bits", "bit(13)", Number, &["b'1111111111111'", "b'1000000000001'"], None),
        column("all_bits", "bit(64)", Number, &["0xFFFFFFFFFFFFFFFF", "0x8000000000000000"], None),
        column(
            "day",
            "date",
            Plain,
            &[
                "'1000-01-01'",
                "'9999-12-31'",
                "'0000-00-00'",
                "'2024-00-00'",
                "'2024-02-00'",
                "'2024-02-29'",
                "'0001-01-01'",
                "'0000-01-01'",
                "'1970-01-01'",
                "'1969-12-31'",
                "'2023-02-31'",
            ],
            None,
        ),
        column(
            "moment",
            "datetime",
            Plain,
            &[
                "'9999-12-31 23:59:59'",
                "'0000-00-00 00:00:00'",
                "'2024-00-10 01:02:03'",
                "'1000-01-01 00:00:00'",
                "'1970-01-01 00:00:00'",
            ],
            Some(RandomValue::Datetime),
        ),
        column(
            "moment_1",
            "datetime(1)",
            Plain,
            &["'2024-01-02 03:04:05.6'", "'0000-00-00 00:00:00.0'"],
            Some(RandomValue::Datetime),
        ),
        column(
            "moment_3",
            "datetime(3)",
            Plain,
            &["'2024-01-02 03:04:05.678'", "'1000-01-01 00:00:00.001'"],
            Some(RandomValue::Datetime),
        ),
        column(
            "moment_6",
            "datetime(6)",
            Plain,
            &["'9999-12-31 23:59:59.999999'", "'0000-00-00 00:00:00'", "'2024-00-10 01:02:03.000004'"],
            Some(RandomValue::Datetime),
        ),
        column(
            "instant",
            "timestamp NULL",
            Plain,
            &["'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'0000-00-00 00:00:00'"],
            None,
        ),
        column(
            "instant_2",
            "timestamp(2) NULL",
            Plain,
            &["'2038-01-19 03:14:07.99'", "'0000-00-00 00:00:00'"],
            None,
        ),
        column(
            "instant_6",
            "timestamp(6) NULL",
            Plain,
            &["'1970-01-01 00:00:01.000001'", "'2038-01-19 03:14:07.499999'", "'0000-00-00 00:00:00'"],
            None,
        ),
        column(
            "clock",
            "time",
            Plain,
            &["'-838:59:59'", "'838:59:59'", "'24:00:00'", "'24:00:01'", "'-00:00:01'", "'00:00:00'"],
            Some(RandomValue::Time),
        ),
        column(
            "clock_1",
            "time(1)",
            Plain,
            &["'-838:59:59.0'", "'-00:00:00.1'", "'-00:00:01.9'", "'23:59:59.9'"],
            Some(RandomValue::Time),
        ),
        column(
            "clock_2",
            "time(2)",
            Plain,
            &["'-00:00:00.01'", "'-00:00:01.99'", "'-12:34:56.78'"],
            Some(RandomValue::Time),
        ),
        column("clock_3", "time(3)", Plain, &["'-00:00:00.001'", "'-12:34:56.789'"], Some(RandomValue::Time)),
        column(
            "clock_4",
            "time(4)",
            Plain,
            &["'-00:00:00.0001'", "'-12:34:56.7899'"],
            Some(RandomValue::Time),
        ),
        column("clock_5", "time(5)", Plain, &["'-00:00:00.00001'"], Some(RandomValue::Time)),
        column(
            "clock_6",
            "time(6)",
            Plain,
            &["'-838:59:58.999999'", "'-00:00:00.000001'", "'-00:00:00.999999'", "'24:00:00.000001'"],
            Some(RandomValue::Time),
        ),
        column(
            "fixed",
            "char(10) CHARACTER SET utf8mb4",
            Hex,
            &["'a  '", "''", "'日本🦀'"],
            Some(RandomValue::Text),
        ),
        column("wide_fixed", "char(255) CHARACTER SET utf8mb4", Hex, &["'a'", "repeat('🦀', 255)"], None),
        column("fixed_latin", "char(10) CHARACTER SET latin1", Hex, &["'naïve€'", "x'8182FF'"], None),
        column(
            "varied",
            "varchar(50) CHARACTER SET utf8mb4",
            Hex,
            &["'trailing  '", "''", r"'\0\n\\'"],
            Some(RandomValue::Text),
        ),
        column("long_varied", "varchar(300) CHARACTER SET utf8mb3", Hex, &["repeat('é', 300)", "'x'"], None),
        column("latin", "varchar(300) CHARACTER SET latin1", Hex, &["'naïve €'", "x'808182FF'"], None),
        column("chinese", "varchar(20) CHARACTER SET gbk", Hex, &["'中文字符'", "'a一b'"], None),
        column("greek", "varchar(20) CHARACTER SET greek", Bytes, &["'αβγ'"], None),
        column("japanese", "varchar(20) CHARACTER SET cp932", Hex, &["'日本語'"], None),
        column("utf_16", "varchar(20) CHARACTER SET utf16", Hex, &["'日本🦀'"], None),
        column("utf_32", "varchar(20) CHARACTER SET utf32", Hex, &["'日本🦀'"], None),
        column("utf_16_le", "varchar(20) CHARACTER SET utf16le", Hex, &["'日本🦀'"], None),
        column("ucs_2", "varchar(20) CHARACTER SET ucs2", Hex, &["'日本'"], None),
        column("plain_ascii", "varchar(20) CHARACTER SET ascii", Hex, &["'ascii'"], None),
        column(
            "padded",
            "binary(8)",
            Bytes,
            &["x'00'", "x'61000000'", "x'0102030405060708'", "''"],
            Some(RandomValue::Bytes(8)),
        ),
        column(
            "raw",
            "varbinary(300)",
            Bytes,
            &["x'00FF00'", "''", "repeat(x'00', 300)"],
            Some(RandomValue::Bytes(20)),
        ),
        column("tiny_blob", "tinyblob", Bytes, &["x'00FF'", "''"], Some(RandomValue::Bytes(100))),
        column("blob_2", "blob", Bytes, &["x'00FF'", "repeat('x', 65535)"], Some(RandomValue::Bytes(100))),
        column("medium_blob", "mediumblob", Bytes, &["x'00FF'", "repeat('x', 70000)"], None),
        column("long_blob", "longblob", Bytes, &["x'00FF'"], None),
        column("tiny_text", "tinytext CHARACTER SET utf8mb4", Hex, &["'é'", "''"], None),
        column("text_2", "text CHARACTER SET latin1", Hex, &["'é'", "''"], None),
        column("medium_text", "mediumtext CHARACTER SET utf8mb4", Hex, &["'é'", "repeat('é', 40000)"], None),
        column("long_text", "longtext CHARACTER SET gbk", Hex, &["'中文'"], None),
        column(
            "mood",
            "enum('sad','ok','naïve','') CHARACTER SET utf8mb4",
            Hex,
            &["'sad'", "'ok'", "'naïve'", "''"],
            None,
        ),
        column(
            "bad_mood",
            "enum('sad','ok') CHARACTER SET latin1",
            Hex,
            &["'nothing'", "'ok'", "1", "0"],
            None,
        ),
        column(
            "letters",
            "set('a','b','naïve') CHARACTER SET utf8mb4",
            Hex,
            &["'a,naïve'", "''", "'b'", "'x'", "7"],
            None,
        ),
        column(
            "many",
            "set('1','2','3','4','5','6','7','8','9','10','11','12','13','14','15','16','17','18','19','20','21','22',\
            '23','24','25','26','27','28','29','30','31','32','33','34','35','36','37','38','39','40','41','42','43','44','45','46',\
            '47','48','49','50','51','52','53','54','55','56','57','58','59','60','61','62','63','64') CHARACTER SET latin1",
            Hex,
            &["0xFFFFFFFFFFFFFFFF", "'64'"],
            None,
        ),
        column(
            "place",
            "geometry",
            Bytes,
            &[
                "ST_GeomFromText('POINT(1 -2.5)')",
                "ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))')",
                "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))')",
            ],
            None,
        ),
        column("spot", "point", Bytes, &["ST_GeomFromText('POINT(1e300 -0)', 4326 * 0)"], None),
        column(
            "area",
            "multipolygon",
            Bytes,
            &["ST_GeomFromText('MULTIPOLYGON(((0 0,0 1,1 1,0 0)))')"],
            None,
        ),
        column("line", "linestring", Bytes, &["ST_GeomFromText('LINESTRING(0 0,1 1)')"], None),
        column("field", "polygon", Bytes, &["ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))')"], None),
        column("spots", "multipoint", Bytes, &["ST_GeomFromText('MULTIPOINT(0 0,1 1)')"], None),
        column(
            "roads",
            "multilinestring",
            Bytes,
            &["ST_GeomFromText('MULTILINESTRING((0 0,1 1),(2 2,3 3))')"],
            None,
        ),
        column(
            "places",
            "geometrycollection",
            Bytes,
            &["ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2))')"],
            None,
        ),
        column("after_places", "varchar(10) CHARACTER SET latin1", Hex, &["'é'"], None),
        column("sum", "int GENERATED ALWAYS AS (tiny + 1) STORED", Plain, &[], None),
        column("virtual_sum", "int GENERATED ALWAYS AS (tiny + 2) VIRTUAL", Plain, &[], None),
        column("hidden", "int unsigned INVISIBLE", Plain, &["4294967295"], int(32, true)),
    ]
}

fn mysql() -> Vec<Column> {
    use AsText::{Bytes, Floats, Hex, Plain};

    vec![
        column(
            "document",
            "json",
            Hex,
            &[
                r#"'{"b": 1, "a": [1, -1, 2.50, 1e20, "é\\u0001\\n\\"\\\\/", true, false, null, {}, []], "longer": {"x": {"y": 18446744073709551615}}}'"#,
                "'null'",
                "'\"text\"'",
                "'[]'",
                "'{}'",
                "'-9223372036854775808'",
                "'0.1'",
                "'1.0'",
                "'1e15'",
                "'1e-5'",
                "'1e-16'",
                "'123456789012345.6'",
                "'1.7976931348623157e308'",
                "'-0.0'",
                "'70000'",
                "'-70000'",
                "'32767'",
                "'65535'",
                "'4294967295'",
                "CAST(CAST('-123456789.000000001' AS DECIMAL(65,30)) AS JSON)",
                "CAST(CAST('2024-02-29' AS DATE) AS JSON)",
                "CAST(CAST('-838:59:59.5' AS TIME(6)) AS JSON)",
                "CAST(CAST('0000-00-00 00:00:00' AS DATETIME) AS JSON)",
                "CAST(CAST('2024-01-02 03:04:05.678901' AS DATETIME(6)) AS JSON)",
                "CAST(CAST('2024-01-02 03:04:05' AS DATETIME) AS JSON)",
                "JSON_ARRAY(TIMESTAMP'2024-01-02 03:04:05.5', x'00FF', b'101', repeat('x', 200), CAST(2024 AS YEAR), 1.5e0)",
                "JSON_OBJECT('blob', CAST(repeat(x'00FF', 100) AS BINARY))",
                "JSON_ARRAY(ST_GeomFromText('POINT(1 2)'))",
                "JSON_OBJECT('key', repeat('long', 20000), 'k2', JSON_ARRAY(1, 70000, -70000, 4294967296))",
                "JSON_ARRAY(repeat('x', 127), repeat('x', 128), repeat('x', 16384))",
            ],
            Some(RandomValue::Json),
        ),
        column(
            "document_2",
            "json",
            Hex,
            &[r#"'{"a": {"b": [1, 2, 3]}, "c d": "e", "zz": 1}'"#],
            Some(RandomValue::Json),
        ),
        column(
            "embedding",
            "vector(3)",
            Floats,
            &["STRING_TO_VECTOR('[1,-2.5,0.1]')", "STRING_TO_VECTOR('[3.4e38,0,-0]')"],
            None,
        ),
        column(
            "small_embedding",
            "vector(2048)",
            Floats,
            &["STRING_TO_VECTOR('[0.333333343267440796]')"],
            None,
        ),
        column("after_vectors", "varchar(10) CHARACTER SET latin1", Hex, &["'é'"], None),
        column("spot_4326", "point SRID 4326", Bytes, &["ST_GeomFromText('POINT(1 2)', 4326)"], None),
        column("after_all", "bigint unsigned", Plain, &["18446744073709551615"], None),
    ]
}

fn mariadb() -> Vec<Column> {
    use AsText::{Bytes, Hex, Plain};

    vec![
        column("document", "json", Hex, &[r#"'{"a" : 1, "a": 2}'"#, "'[1.50]'"], None),
        column("identity", "uuid", Plain, &["'123e4567-e89b-12d3-a456-426655440000'"], None),
        column("address_6", "inet6", Plain, &["'2001:db8::ff00:42:8329'", "'::ffff:1.2.3.4'", "'::'"], None),
        column("address_4", "inet4", Plain, &["'1.2.3.4'", "'1.2.3.0'"], None),
        column(
            "squeezed",
            "varchar(3000) COMPRESSED CHARACTER SET utf8mb4",
            Hex,
            &["repeat('é', 1000)", "'x'", "''"],
            Some(RandomValue::Text),
        ),
        column("squeezed_blob", "blob COMPRESSED", Bytes, &["repeat('x', 1000)", "'x'", "''"], None),
        column(
            "squeezed_text",
            "text COMPRESSED CHARACTER SET latin1",
            Hex,
            &["repeat('é', 1000)", "'x'", "''"],
            None,
        ),
        column("after_squeezed", "varchar(10) CHARACTER SET latin1", Hex, &["'é'"], None),
        column("after_all", "bigint unsigned", Plain, &["18446744073709551615"], None),
    ]
}
