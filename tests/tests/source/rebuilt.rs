//! Value in, value out: a table made anew from nothing but its events, the way docs/types.md says, equals the original.
//!
//! Every type that a column can have is here, built-in ones, arrays of them, what people define themselves, and what
//! contrib's extensions define; each with hand-picked values and with random ones.

mod columns;
mod json;
mod literal;
mod made_up;
mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use event::envelope::{ChangeEvent, Op, Row, TableSchema, Value};
use event::{BatchLimits, BatchPool, DebeziumOptions, Encoder, Format, JsonOptions, Load as _, Read};
use tokio_postgres::SimpleQueryMessage;
use wal_reader::Loader;

use self::columns::{EXTENSIONS, OWN_TYPES, Original, originals};
use self::literal::literal;
use crate::seed::{Random, seeds};
use crate::world::{World, begin, changes, load, soon};

/// A row as one of the JSON formats writes it.
type Object = serde_json::Map<String, serde_json::Value>;

/// Rows of each table: enough that every hand-picked value has one.
const ROWS: usize = 24;

async fn a_table_made_anew_equals_the_original(version: u32) {
    let seed = seeds(1)[0];
    println!("CDC_SEED={seed}");
    let mut random = Random::new(seed);
    let world = world(version).await;
    let originals = originals(version, ROWS, &mut random);
    for original in &originals {
        world.run(&original.create()).await;
    }
    world.run("CREATE PUBLICATION published FOR ALL TABLES").await;
    let start = world.slot().await;
    for original in &originals {
        world.run(&original.fill()).await;
    }
    let mut seen = page::Seen::default();
    let mut loader = world.loader().await;
    for original in &originals {
        let name = &original.name;
        let loaded = load(&mut loader, &world.pool, name).await;
        let schema = schema(&loaded.events, name);
        let rows = images(&loaded.events, name, Op::Read);
        seen.protobuf(&schema, &rows);
        assert_rebuilt(&world, original, "read", &literals(&schema, &rows)).await;
        let objects = objects(&mut loader, name, Format::Json(JsonOptions::default())).await;
        seen.json(&schema, &objects);
        assert_rebuilt(&world, original, "json", &json::literals(&schema, &objects)).await;
        let debezium = Format::DebeziumJson(DebeziumOptions::default());
        seen.debezium(&schema, &self::objects(&mut loader, name, debezium).await);
    }
    let mut tail = world.tail(start).await;
    let inserted = changes_of(&tail.until_now(&world.sql).await);
    for original in &originals {
        let (schema, events) = &inserted[&original.name];
        let rows = images(events, &original.name, Op::Insert);
        assert_rebuilt(&world, original, "inserted", &literals(schema, &rows)).await;
    }
    for original in &originals {
        world.run(&original.shuffle(ROWS)).await;
    }
    let updated = tail.until_now(&world.sql).await;
    for original in &originals {
        let rows = images(&updated, &original.name, Op::Update);
        assert_rebuilt(&world, original, "updated", &literals(&inserted[&original.name].0, &rows)).await;
    }
    seen.assert_documented(&world).await;
}

#[tokio::test]
async fn a_table_made_anew_equals_the_original_14() {
    a_table_made_anew_equals_the_original(14).await;
}

#[tokio::test]
async fn a_table_made_anew_equals_the_original_15() {
    a_table_made_anew_equals_the_original(15).await;
}

#[tokio::test]
async fn a_table_made_anew_equals_the_original_16() {
    a_table_made_anew_equals_the_original(16).await;
}

#[tokio::test]
async fn a_table_made_anew_equals_the_original_17() {
    a_table_made_anew_equals_the_original(17).await;
}

#[tokio::test]
async fn a_table_made_anew_equals_the_original_18() {
    a_table_made_anew_equals_the_original(18).await;
}

/// The server takes no text of these, so nobody can write them back; they come as its own text all the same.
#[tokio::test]
async fn what_the_server_does_not_take_back_comes_as_its_text() {
    let world = World::shared().await;
    world
        .run(
            "CREATE TABLE seen (a int, b int DEFAULT 1 + 2); INSERT INTO seen SELECT g, g % 3 FROM generate_series(1, 100) g; \
             CREATE STATISTICS s (ndistinct, dependencies, mcv) ON a, b FROM seen; ANALYZE seen; \
             CREATE TABLE t (id int PRIMARY KEY, node pg_node_tree, n pg_ndistinct, d pg_dependencies, m pg_mcv_list); \
             CREATE PUBLICATION published FOR TABLE t",
        )
        .await;
    let start = world.slot().await;
    world
        .run(
            "INSERT INTO t SELECT 1, adbin, stxdndistinct, stxddependencies, stxdmcv FROM pg_attrdef, pg_statistic_ext_data \
             WHERE adrelid = 'seen'::regclass",
        )
        .await;
    let expected = world.rows("(SELECT id, node::text, n::text, d::text, m::text FROM t) q").await;
    let streamed = changes(&world.tail(start).await.until_now(&world.sql).await);
    let loaded = world.load("t").await;
    for row in [&streamed[0], &changes(&loaded.events)[1]] {
        assert_eq!([crate::replica::row(row.after.as_ref())], expected[..]);
    }
}

async fn world(version: u32) -> World {
    let mut world = World::own(version, &[]).await;
    world.options.wanted = Arc::new(|name| name.table.starts_with("original"));
    for extension in EXTENSIONS {
        world.run(&format!("CREATE EXTENSION {extension} CASCADE")).await;
    }
    world.run(OWN_TYPES).await;
    world
}

fn schema(events: &[ChangeEvent], table: &str) -> TableSchema {
    let told = events.iter().find(|event| event.table == table && event.op() == Op::Schema);
    told.and_then(|event| event.table_schema.clone()).unwrap_or_else(|| panic!("no SCHEMA of {table}"))
}

/// By table: its schema and its changes.
fn changes_of(events: &[ChangeEvent]) -> BTreeMap<String, (TableSchema, Vec<ChangeEvent>)> {
    let tables: BTreeSet<&String> =
        events.iter().map(|event| &event.table).filter(|name| name.starts_with("original")).collect();
    tables
        .into_iter()
        .map(|name| {
            let of_table = events.iter().filter(|event| event.table == *name).cloned().collect();
            (name.clone(), (schema(events, name), of_table))
        })
        .collect()
}

fn images(events: &[ChangeEvent], table: &str, op: Op) -> Vec<Vec<Value>> {
    let of_table = events.iter().filter(|event| event.table == table && event.op() == op);
    let rows: Vec<_> =
        of_table.map(|event| event.after.clone().map(|Row { values }| values).unwrap()).collect();
    assert_eq!(rows.len(), ROWS, "{op:?} of {table}");
    rows
}

fn literals(schema: &TableSchema, rows: &[Vec<Value>]) -> Vec<Vec<String>> {
    let of_row = |row: &Vec<Value>| {
        row.iter().zip(&schema.columns).map(|(value, column)| literal(value, &column.r#type)).collect()
    };
    rows.iter().map(of_row).collect()
}

/// The rows that a load finds, as a format writes them.
async fn objects(loader: &mut Loader, table: &str, format: Format) -> Vec<Object> {
    let limits = BatchLimits { bytes: 1 << 16, messages: 1000 };
    let pool = BatchPool::new(Encoder::new("world", 1, format), limits);
    begin(loader, table, None).await;
    let mut objects = Vec::new();
    loop {
        let mut batch = pool.batch();
        let read = soon("a unit's end", loader.read(&mut batch)).await.unwrap();
        for message in batch.messages() {
            let event: serde_json::Value = serde_json::from_slice(message.payload.unwrap()).unwrap();
            if event["op"] == "read" || event["op"] == "r" {
                objects.push(event["after"].as_object().unwrap().clone());
            }
        }
        if matches!(read, Read::Finished(_)) {
            return objects;
        }
    }
}

/// Writes the rows into a table with the same columns, and compares the two.
async fn assert_rebuilt(world: &World, original: &Original, what: &str, rows: &[Vec<String>]) {
    let (name, copy) = (&original.name, format!("copy_{what}_{}", original.name));
    let mut statements = format!("BEGIN; CREATE UNLOGGED TABLE {copy} (LIKE {name});");
    for row in rows {
        statements += &format!("INSERT INTO {copy} VALUES ({});", row.join(", "));
    }
    world.run(&format!("{statements} COMMIT")).await;
    for (column, kind) in &original.columns {
        let joined = format!("{name} o FULL JOIN {copy} c ON o.id = c.id");
        let differing = format!(
            "SELECT concat_ws(' ', o.id, c.id, o.{column}::text, 'became', c.{column}::text) FROM {joined} \
             WHERE o.{column}::text IS DISTINCT FROM c.{column}::text"
        );
        let texts = world.sql.simple_query(&differing).await.unwrap();
        assert!(is_empty(&texts), "{what}: {kind} as text: {texts:?}");
        let differing = format!(
            "SELECT o.id FROM {joined} WHERE o.{column} IS DISTINCT FROM c.{column} OR o.id IS NULL OR c.id IS NULL"
        );
        match world.sql.simple_query(&differing).await {
            Ok(rows) => assert!(is_empty(&rows), "{what}: {kind}: {rows:?}"),
            // It has no equality.
            Err(error) => assert_eq!(error.code().unwrap().code(), "42883", "{kind}: {error}"),
        }
    }
}

fn is_empty(answer: &[SimpleQueryMessage]) -> bool {
    !answer.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_)))
}
