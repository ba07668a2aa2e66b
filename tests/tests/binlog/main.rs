//! The binary logs of real servers: what the decoder reads in their files is what the servers say themselves.
//!
//! One table has a column of every type with its extremes. It is written in several ways, under every form of the log; the
//! file of each is then read, without any connection, and every value of every row image is held against what `SELECT` gave
//! before and after. What a load reads of the same rows is the same as well. The seed of the random values is printed.

mod charsets;
mod columns;
mod gtids;
mod loaded;
mod log;
mod page;
mod replay;
mod text;
mod values;

use end_to_end::random::{Random, seed};
use end_to_end::servers::{Mysql, Release};
use event::TableName;

use columns::{Column, columns};
use replay::Replay;

/// A way of writing the log, and what it must be seen in.
struct Form {
    name: &'static str,
    global: &'static str,
    session: &'static str,
    /// What the file must hold, so that the form was really tried.
    holds: &'static str,
}

const MYSQL: &[Form] = &[
    Form { name: "FULL", global: "", session: "", holds: "rows" },
    Form { name: "MINIMAL", global: "", session: "SET binlog_row_image = MINIMAL;", holds: "omitted" },
    Form { name: "NOBLOB", global: "", session: "SET binlog_row_image = NOBLOB;", holds: "omitted" },
    Form {
        name: "compressed",
        global: "",
        session: "SET binlog_transaction_compression = ON;",
        holds: "payload",
    },
    Form {
        name: "partial JSON",
        global: "",
        session: "SET binlog_row_value_options = PARTIAL_JSON;",
        holds: "partial",
    },
    Form {
        name: "partial JSON, MINIMAL, compressed",
        global: "",
        session: "SET binlog_row_value_options = PARTIAL_JSON, binlog_row_image = MINIMAL, \
                  binlog_transaction_compression = ON;",
        holds: "partial",
    },
    Form {
        name: "without checksums",
        global: "SET GLOBAL binlog_checksum = NONE;",
        session: "",
        holds: "rows",
    },
];

const MARIADB: &[Form] = &[
    Form { name: "FULL", global: "", session: "", holds: "rows" },
    Form { name: "MINIMAL", global: "", session: "SET binlog_row_image = MINIMAL;", holds: "omitted" },
    Form { name: "NOBLOB", global: "", session: "SET binlog_row_image = NOBLOB;", holds: "omitted" },
    Form {
        name: "compressed",
        global: "SET GLOBAL log_bin_compress = ON; SET GLOBAL log_bin_compress_min_len = 10;",
        session: "",
        holds: "compressed",
    },
    Form {
        name: "without checksums",
        global: "SET GLOBAL binlog_checksum = NONE;",
        session: "",
        holds: "rows",
    },
];

#[test]
fn mysql() {
    every_value_is_the_server_s_own(Release::Mysql, MYSQL);
}

#[test]
fn mariadb_10_11() {
    every_value_is_the_server_s_own(Release::Mariadb("10.11"), MARIADB);
}

#[test]
fn mariadb_11_4() {
    every_value_is_the_server_s_own(Release::Mariadb("11.4"), MARIADB);
}

#[test]
fn mariadb_11_8() {
    every_value_is_the_server_s_own(Release::Mariadb("11.8"), MARIADB);
}

fn every_value_is_the_server_s_own(release: Release, forms: &[Form]) {
    let mut random = Random::new(seed("binlog"));
    let server =
        Mysql::with_settings(release, &[("binlog_row_metadata", "FULL"), ("max_allowed_packet", "64M")]);
    let columns = columns(release);
    let replay = Replay::new(&columns);
    let definitions: Vec<_> =
        columns.iter().map(|column| format!("{} {}", column.name, column.sql)).collect();
    server.query(&format!(
        "CREATE DATABASE shop; CREATE TABLE shop.everything (id int PRIMARY KEY, {})",
        definitions.join(", ")
    ));
    for form in forms {
        let rows = values::rows(&columns, &mut random);
        let names: Vec<_> =
            columns.iter().filter(|column| !column.is_generated()).map(|of| of.name).collect();
        let session = format!("SET sql_mode = ''; SET time_zone = '+00:00'; {}", form.session);
        server.query(form.global);
        let before = server.binlog_files().len();
        server.query(&format!("FLUSH BINARY LOGS; {session} DELETE FROM shop.everything"));
        let mut stages = vec![replay::Stage::default()];
        server.query("FLUSH BINARY LOGS");
        let inserts: String = (1..)
            .zip(&rows)
            .map(|(id, row)| {
                format!(
                    "INSERT INTO shop.everything (id, {}) VALUES ({id}, {});\n",
                    names.join(", "),
                    row.join(", ")
                )
            })
            .collect();
        server.query(&format!("{session} BEGIN; {inserts} COMMIT; FLUSH BINARY LOGS;"));
        stages.push(stage(&server, &columns));
        if form.name == "FULL" {
            let files = server.binlog_files();
            let inserted = std::fs::read(&files[files.len() - 2]).expect("a binlog file");
            loaded::check(&server, &TableName::new("shop", "everything"), &inserted);
        }
        server.query(&format!("{session} {} FLUSH BINARY LOGS;", values::updates(&columns, rows.len())));
        stages.push(stage(&server, &columns));
        server.query(&format!("{session} DELETE FROM shop.everything WHERE id % 2 = 0; FLUSH BINARY LOGS;"));
        stages.push(stage(&server, &columns));
        let files = server.binlog_files();
        println!("{release:?} {}: {} rows", form.name, rows.len());
        let mut seen = replay::Seen::default();
        // The one in between deletes what the form before left.
        for (file, stages) in files[before + 1..].iter().zip(stages.windows(2)) {
            seen.add(&replay.check(&std::fs::read(file).expect("a binlog file"), &stages[0], &stages[1]));
        }
        assert!(seen.holds(form.holds), "{}: {seen:?}", form.name);
        assert!(seen.inserts == rows.len() && seen.deletes == rows.len() / 2, "{}: {seen:?}", form.name);
        assert!(seen.updates >= rows.len(), "{}: {seen:?}", form.name);
        server.query("SET GLOBAL binlog_checksum = CRC32");
        if release != Release::Mysql {
            server.query("SET GLOBAL log_bin_compress = OFF");
        }
    }
    replay.arms.borrow().assert_documented(release);
}

/// What `SELECT` says of every value, in a form that loses nothing.
fn stage(server: &Mysql, columns: &[Column]) -> replay::Stage {
    let asked: Vec<_> = columns.iter().map(Column::asked).collect();
    let rows = server.query(&format!(
        "SET time_zone = '+00:00'; SET SESSION group_concat_max_len = 100000000; \
         SELECT id, {} FROM shop.everything ORDER BY id",
        asked.join(", ")
    ));
    let normal = |(column, said): (&Column, &String)| text::normal(said, column.as_text);
    let row = |row: Vec<String>| {
        let id = row[0].parse().expect("an id");
        (id, columns.iter().zip(&row[1..]).map(normal).collect())
    };
    rows.into_iter().map(row).collect()
}
