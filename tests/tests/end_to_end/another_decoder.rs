//! A decoder by other people, in another language, reads the same binary log: row by row the events are what it finds.

use std::path::Path;
use std::process::Command;

use end_to_end::random::{Random, seed};
use end_to_end::servers::{Mysql, Release};

use crate::setup::mysql::MysqlSetup;

/// Of the types that it decodes rightly; `tests/mysql-replication/compare` tells of the others, and how to compare by the
/// names.
const COLUMNS: &[(&str, &str)] = &[
    ("tiny", "tinyint"),
    ("tiny_u", "tinyint unsigned"),
    ("small", "smallint"),
    ("medium", "mediumint"),
    ("medium_u", "mediumint unsigned"),
    ("whole", "int"),
    ("whole_u", "int unsigned"),
    ("big", "bigint"),
    ("big_u", "bigint unsigned"),
    ("total", "decimal(30, 10)"),
    ("real_number", "float"),
    ("ratio", "double"),
    ("name", "varchar(100)"),
    ("fixed", "char(20)"),
    ("words", "text CHARACTER SET latin1"),
    ("long_words", "mediumtext"),
    ("bytes_short", "varbinary(40)"),
    ("bytes_long", "blob"),
    ("moment", "datetime(6)"),
    ("moment_whole", "datetime"),
    ("moment_zoned", "timestamp(6) NULL"),
    ("day", "date"),
    ("clock", "time(3)"),
    ("made", "year"),
    ("choice", "enum('sad', 'ok', 'great')"),
    ("choices", "set('a', 'b', 'c')"),
    ("bits", "bit(11)"),
];

#[test]
fn agrees_on_mysql() {
    // MariaDB's documents are text there.
    agrees(Release::Mysql, &[("document", "json")]);
}

#[test]
fn agrees_on_mariadb() {
    agrees(Release::Mariadb("11.4"), &[]);
}

fn agrees(release: Release, more: &[(&str, &str)]) {
    let mut random = Random::new(seed("another_decoder"));
    let mysql = Mysql::with_settings(release, &[("binlog_row_metadata", "FULL")]);
    let mut setup = MysqlSetup::on(&mysql, "decoder");
    setup.configure("", &format!("{}[format]\nkind = \"json\"\n[load]\nmode = \"never\"", setup.file_sink()));
    setup.start_streaming();
    let columns: Vec<&(&str, &str)> = COLUMNS.iter().chain(more).collect();
    let list: Vec<String> = columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    setup.session.execute(&format!("CREATE TABLE everything (id int PRIMARY KEY, {})", list.join(", ")));
    for id in 0..300 {
        let values: Vec<String> = columns.iter().map(|(name, _)| value(name, &mut random)).collect();
        setup.session.execute(&format!("INSERT INTO everything VALUES ({id}, {})", values.join(", ")));
        let (name, _) = random.pick(&columns);
        let (value, at) = (value(name, &mut random), random.within(0..id + 1));
        setup
            .session
            .execute(&format!("UPDATE everything SET {name} = {value} WHERE id BETWEEN {at} AND {at} + 3"));
        if random.once_in(5) {
            setup.session.execute(&format!("DELETE FROM everything WHERE id = {}", random.within(0..id + 1)));
        }
    }
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("mysql-replication/compare");
    let output = Command::new(script)
        .args([
            &mysql.port().to_string(),
            &setup.events_file().display().to_string(),
            &setup.name,
            "everything",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("rows agree"), "{said}");
    let rows: u64 = said.split(' ').next().unwrap().parse().unwrap();
    assert!(rows > 600, "{said}");
}

fn value(name: &str, random: &mut Random) -> String {
    if random.once_in(8) {
        return "NULL".to_owned();
    }
    let number = random.number();
    match name {
        "tiny" => (number as i8).to_string(),
        "tiny_u" => (number as u8).to_string(),
        "small" => (number as i16).to_string(),
        "medium" => (number as i32 >> 8).to_string(),
        "medium_u" => (number as u32 >> 8).to_string(),
        "whole" => (number as i32).to_string(),
        "whole_u" => (number as u32).to_string(),
        "big" => (number as i64).to_string(),
        "big_u" => number.to_string(),
        "total" => format!("{}.{:010}", number as i64 >> 10, number % 10_000_000_000),
        // Six digits come back as they are.
        "real_number" => format!("{}.{}", number as i16 / 100, 1 + number % 9),
        "ratio" => format!("{:e}", f64::from(number as i32) / 7e5),
        "name" | "long_words" => {
            format!("'{}ü日本🦀''\\\t{number}'", if number.is_multiple_of(2) { "\n" } else { "" })
        }
        "fixed" | "words" => format!("'grün {}'", number % 10_000),
        "bytes_short" | "bytes_long" => format!("x'01{number:016x}01'"),
        "moment" | "moment_whole" => format!(
            "'{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}'",
            1000 + number % 9000,
            1 + number % 12,
            1 + number % 28,
            number % 24,
            number % 60,
            number % 59,
            number % 1_000_000
        ),
        "moment_zoned" => {
            format!("FROM_UNIXTIME({}.{:06})", 1 + number % ((1 << 31) - 2), number % 1_000_000)
        }
        "day" => format!("'{:04}-{:02}-{:02}'", 1000 + number % 9000, 1 + number % 12, 1 + number % 28),
        "clock" => format!("'{:02}:{:02}:{:02}.{:03}'", number % 24, number % 60, number % 59, number % 1000),
        "made" => (1901 + number % 255).to_string(),
        "choice" => (*random.pick(&["'sad'", "'ok'", "'great'"])).to_owned(),
        "choices" => (*random.pick(&["'a'", "'b,c'", "'a,b,c'"])).to_owned(),
        "bits" => (number % 2048).to_string(),
        _ => format!("'{{\"n\": {}, \"list\": [1.5, null, true, \"ü\"], \"o\": {{}}}}'", number as i32),
    }
}
