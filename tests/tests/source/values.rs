//! A value reads the same in a load and in the stream, whatever the database's own settings make of its text; and so
//! does the shape of its table.

use std::collections::{BTreeMap, BTreeSet};

use event::envelope::{ChangeEvent, Op};

use crate::samples::SAMPLES;
use crate::world::{World, changes};

/// Whatever a database may set for its sessions that shows in the text of values.
const ODD_SETTINGS: &[(&str, &str)] = &[
    ("DateStyle", "'SQL, DMY'"),
    ("IntervalStyle", "iso_8601"),
    ("TimeZone", "'Asia/Kathmandu'"),
    ("bytea_output", "escape"),
    ("extra_float_digits", "-15"),
    ("search_path", "elsewhere"),
    ("quote_all_identifiers", "on"),
];

#[tokio::test]
async fn extremes_of_all_types() {
    let mut world = World::shared().await;
    let columns: Vec<String> =
        SAMPLES.iter().enumerate().map(|(number, (name, _))| format!("c{number} {name}")).collect();
    world.run(&format!("CREATE TABLE t (id int PRIMARY KEY, {})", columns.join(", "))).await;
    let most = SAMPLES.iter().map(|(_, values)| values.len()).max().unwrap();
    for row in 0..=most {
        let literals: Vec<String> = SAMPLES
            .iter()
            .map(|(name, values)| match values.get(row % most) {
                Some(_) if row == most => "NULL".to_owned(),
                value => format!("'{}'::{name}", value.unwrap_or(&values[0]).replace('\'', "''")),
            })
            .collect();
        world.run(&format!("INSERT INTO t VALUES ({row}, {})", literals.join(", "))).await;
    }
    let start = world.begin().await;
    let plain = images(&world.load("t").await.events, Op::Read);
    let database = world.options.connection.database().to_owned();
    world.run("CREATE SCHEMA elsewhere").await;
    for (name, value) in ODD_SETTINGS {
        world.run(&format!("ALTER DATABASE {database} SET {name} = {value}")).await;
    }
    world.reconnect().await;
    assert_eq!(world.text("SELECT DATE '2000-02-01'").await, "01/02/2000");
    let loaded = world.load("t").await;
    world.run("UPDATE public.t SET id = id").await;
    let streamed = world.tail_over(start, loaded.fences()).await.until_now(&world.sql).await;
    let (read, updated) = (images(&loaded.events, Op::Read), images(&streamed, Op::Update));
    assert_eq!(read.len(), most + 1);
    assert_eq!(read.len(), updated.len());
    for (key, row) in &read {
        for (place, (read, streamed)) in row.0.iter().zip(&updated[key].0).enumerate() {
            // By their text: a NaN is not equal to itself.
            let name = place.checked_sub(1).map_or("key", |place| SAMPLES[place].0);
            assert_eq!(format!("{read:?}"), format!("{streamed:?}"), "{name} in row {key}");
            assert_eq!(
                format!("{read:?}"),
                format!("{:?}", plain[key].0[place]),
                "{name} in row {key}, settings aside"
            );
        }
        assert_eq!(row.1, updated[key].1, "the shape");
    }
}

type Images = BTreeMap<String, (Vec<event::envelope::Value>, u64)>;

fn images(events: &[ChangeEvent], op: Op) -> Images {
    events
        .iter()
        .filter(|event| event.op() == op)
        .map(|event| {
            (crate::replica::row(event.key.as_ref()), (event.after.clone().unwrap().values, event.schema_fp))
        })
        .collect()
}

const SHAPES: &[&str] = &[
    "CREATE DOMAIN small AS int2 CHECK (VALUE > 0); CREATE TABLE a (id int PRIMARY KEY, v small, w small[])",
    "CREATE DOMAIN tiny AS small; CREATE TABLE b (id tiny PRIMARY KEY, v tiny[])",
    "CREATE DOMAIN short AS varchar(3); CREATE DOMAIN list AS int[]; CREATE TABLE c (id int PRIMARY KEY, v short, w list, x list[])",
    "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE d (id int PRIMARY KEY, v mood, w mood[])",
    "CREATE TYPE pair AS (a int, b mood[]); CREATE TABLE e (id int PRIMARY KEY, v pair, w pair[])",
    "CREATE DOMAIN whole AS pair; CREATE DOMAIN moods AS mood[]; CREATE TABLE f (id int PRIMARY KEY, v whole, w whole[], x moods)",
    "CREATE TYPE span AS RANGE (SUBTYPE = float8); CREATE TABLE g (id int PRIMARY KEY, v span, w span[], x int4multirange, y int4multirange[])",
    "CREATE SCHEMA \"Other s\"; CREATE TYPE \"Other s\".\"Mood .\" AS ENUM ('x'); CREATE TABLE h (id int PRIMARY KEY, v \"Other s\".\"Mood .\"[], w \"Other s\".\"Mood .\")",
    "CREATE TABLE i (id int PRIMARY KEY, v a, w a[], x numeric(5,2), y varchar(7)[], z timestamptz(3), b bit(3), c interval day to second(2))",
    "CREATE TABLE j (x text, id int, a text DEFAULT '', PRIMARY KEY (id, a)); ALTER TABLE j DROP x; ALTER TABLE j ADD y int",
    "CREATE TABLE k (v information_schema.sql_identifier, w information_schema.yes_or_no, x information_schema.cardinal_number[], id int PRIMARY KEY)",
    "CREATE TABLE l (id int, v int); ALTER TABLE l REPLICA IDENTITY FULL",
    "CREATE TABLE m (id int PRIMARY KEY, v int); ALTER TABLE m REPLICA IDENTITY FULL",
    "CREATE TABLE n (id int PRIMARY KEY, v int); ALTER TABLE n REPLICA IDENTITY NOTHING",
    "CREATE TABLE o (id int PRIMARY KEY, v int NOT NULL, w int NOT NULL, UNIQUE (w, v)); ALTER TABLE o ALTER v SET DEFAULT 0; ALTER TABLE o ALTER w SET DEFAULT 0; ALTER TABLE o REPLICA IDENTITY USING INDEX o_w_v_key",
    "CREATE TABLE p (id int, v int, PRIMARY KEY (id) INCLUDE (v))",
    "CREATE TABLE q (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v int)",
    "CREATE TABLE r (id int PRIMARY KEY, v pg_class, w pg_class[], x pg_catalog.pg_stat_activity)",
    "CREATE TABLE s (id int PRIMARY KEY, v int GENERATED ALWAYS AS (id + 1) STORED, w int)",
];

/// Rows by load and rows by stream name the same shape, or consumers would see a new one at every load.
async fn a_shape_has_one_name(version: u32) {
    let world = World::own(version, &[]).await;
    for shape in SHAPES {
        world.run(shape).await;
    }
    let every = world
        .text(
            "SELECT string_agg(format('%I %s', 'c' || oid, oid::regtype), ', ' ORDER BY oid) FROM pg_type \
             WHERE typtype IN ('b', 'r', 'm') AND typnamespace = 'pg_catalog'::regnamespace AND oid < 16384 \
               AND typelem <> ALL (SELECT oid FROM pg_type WHERE typtype IN ('p', 'c'))",
        )
        .await;
    world.run(&format!("CREATE TABLE every (id int PRIMARY KEY, {every})")).await;
    world.run("CREATE PUBLICATION published FOR ALL TABLES").await;
    let start = world.slot().await;
    let tables: Vec<String> = ('a'..='s').map(String::from).chain(["every".to_owned()]).collect();
    let mut loader = world.loader().await;
    for name in &tables {
        world.run(&format!("INSERT INTO {name} (id) VALUES (1)")).await;
    }
    let streamed = world.tail(start).await.until_now(&world.sql).await;
    for name in &tables {
        let loaded = crate::world::load(&mut loader, &world.pool, name).await;
        let schema = |events: &[ChangeEvent]| {
            let event = events
                .iter()
                .find(|event| event.table == *name && event.op() == Op::Schema)
                .expect("a SCHEMA");
            event.table_schema.clone().unwrap()
        };
        assert_eq!(schema(&loaded.events), schema(&streamed), "{name} on {version}");
        let fingerprints: BTreeSet<u64> = [&loaded.events, &streamed]
            .into_iter()
            .flat_map(|events| changes(events))
            .filter(|event| event.table == *name)
            .map(|event| event.schema_fp)
            .collect();
        assert_eq!(fingerprints.len(), 1, "{name} on {version}");
    }
}

#[tokio::test]
async fn a_shape_has_one_name_14() {
    a_shape_has_one_name(14).await;
}

#[tokio::test]
async fn a_shape_has_one_name_15() {
    a_shape_has_one_name(15).await;
}

#[tokio::test]
async fn a_shape_has_one_name_18() {
    a_shape_has_one_name(18).await;
}
