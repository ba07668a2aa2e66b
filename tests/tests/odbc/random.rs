//! Random writes, and scans that are killed: MariaDB and SQLite through their drivers, as Postgres in `crashes`.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use end_to_end::random::{Random, seed};
use end_to_end::servers::{Mysql, Release};
use serde_json::{Value, json};

use crate::world::{Sqlite, World, mysql};

const RESOURCES: &str =
    "[[source.odbc.resource]]\nname = \"shop.t\"\ntable = \"t\"\nevery_s = 1\nmax_delete_fraction = 1.0\n";
const TABLE: &str = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, b TEXT)";
const ROUNDS: u64 = 5;

/// What the table holds.
type Rows = BTreeMap<i64, (Option<i64>, String)>;

#[test]
fn mariadb_s_rows_arrive() {
    let server = Mysql::start(Release::Mariadb("10.11"));
    server.query(&format!("CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop; {TABLE}"));
    let connection = format!("{};DATABASE=shop", mysql(&server));
    let write =
        |statements: &str| drop(server.query(&format!("USE shop; START TRANSACTION; {statements} COMMIT")));
    replicated("mariadb_s_rows_arrive", World::new("random", &connection, RESOURCES), &connection, write);
}

#[test]
fn sqlite_s_rows_arrive() {
    let world = World::new("random", "Driver=SQLite3", RESOURCES);
    let database = Sqlite(world.cdc.folder().join("crm.db"));
    database.execute(&format!("PRAGMA journal_mode = WAL; {TABLE}"));
    let connection = database.connection_string();
    let write = |statements: &str| database.execute(&format!("BEGIN; {statements} COMMIT"));
    replicated("sqlite_s_rows_arrive", world, &connection, write);
}

fn replicated(name: &str, mut world: World, connection: &str, write: impl Fn(&str)) {
    let seed = seed(name);
    let mut random = Random::new(seed);
    let mut rows = Rows::new();
    for _ in 0..ROUNDS {
        write(&statements(&mut random, &mut rows));
        world.configure(connection, RESOURCES, "");
        world.cdc.start();
        thread::sleep(Duration::from_millis(random.within(20..1500)));
        write(&statements(&mut random, &mut rows));
        world.cdc.kill();
    }
    let replica = world.read_once(connection, RESOURCES);
    let expected: BTreeMap<String, Value> = rows
        .iter()
        .map(|(id, (a, b))| (json!({ "id": id }).to_string(), json!({ "id": id, "a": a, "b": b })))
        .collect();
    assert_eq!(replica.tables["shop.t"], expected, "CDC_SEED={seed}");
}

/// Some writes, and what they make of the rows.
fn statements(random: &mut Random, rows: &mut Rows) -> String {
    let mut statements = String::new();
    for _ in 0..300 {
        let id = random.within(0..2000) as i64 - 1000;
        let a = (!random.once_in(4)).then(|| random.within(0..5) as i64);
        let b =
            random.pick(&["", "x", "lång €😀", "it''s", "two\nlines"]).repeat(random.within(0..60) as usize);
        let shown = a.map_or_else(|| "NULL".to_owned(), |a| a.to_string());
        if random.once_in(4) {
            statements += &format!("DELETE FROM t WHERE id = {id};\n");
            rows.remove(&id);
        } else {
            statements += &format!("REPLACE INTO t VALUES ({id}, {shown}, '{b}');\n");
            rows.insert(id, (a, b.replace("''", "'")));
        }
    }
    statements
}
