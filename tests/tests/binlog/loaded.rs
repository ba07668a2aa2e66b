//! What a load reads of a table, against what the log has of the same rows: the same events but for their kind.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use binlog_reader::{Config, Loader, Options, Shape};
use decoder::binlog::{Event, RowPlan};
use end_to_end::servers::Mysql;
use event::envelope::{ChangeEvent, Op, Row};
use event::{
    Batch, BatchLimits, BatchPool, Begun, BinlogOffset, BinlogPlace, Body, Encoder, EventPosition, Format,
    Load as _, LoadRequest, LogPlace, Read, Table, TableName, TableRules, TableSchema,
};
use prost::Message as _;

use crate::log;

/// Holds a table whose rows were all inserted in this file against itself as it is loaded.
pub(crate) fn check(server: &Mysql, table: &TableName, file: &[u8]) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (events, shape) = runtime.block_on(load(server, table));
    let schema = events.iter().find_map(|event| event.table_schema.clone()).expect("a schema");
    let shape: Shape = serde_json::from_str(&shape).expect("a shape");
    let read: BTreeMap<_, _> = events
        .iter()
        .filter(|event| event.op() == Op::Read)
        .map(|event| (key(event.key.as_ref()), event.after.clone().expect("a row")))
        .collect();

    let pool = pool();
    let mut plans = BTreeMap::new();
    let mut inserted = BTreeMap::new();
    log::read(file, |format, _, event| match event {
        Event::TableMap(map) if map.table == table.table => {
            let told = map.definition(format).expect("a definition");
            let mut refined = told.clone();
            shape.refine(&mut refined);
            assert_eq!(shape.definition(), refined, "the dictionary's, the log's");
            assert_eq!(shape.definition_of(map, format).as_ref(), Ok(&refined), "by the dictionary's");
            let plan = RowPlan::new(map, &refined).expect("a plan");
            let columns = plan.columns();
            let key = refined.primary_key.clone();
            let sent = Table::new(TableSchema { name: table.clone(), columns, key });
            assert_eq!(sent.schema, shape.schema(table));
            plans.insert(map.table_id, (plan, sent));
        }
        Event::Rows(rows) if plans.contains_key(&rows.table_id) => {
            let (plan, sent) = &plans[&rows.table_id];
            let mut changes = rows.changes(plan).expect("rows");
            let (mut before, mut after) = (Vec::new(), Vec::new());
            while changes.read(&mut before, &mut after).expect("a row") {
                let mut batch = pool.batch();
                let offset = BinlogOffset { file: 1, offset: 4 };
                let place = BinlogPlace { gtid: "", file: "f", transaction: offset, offset: 4, server_id: 0 };
                let body = Body::Insert {
                    table: sent,
                    table_seq: 1,
                    after: &after,
                    key_change: false,
                    fetched: &[],
                };
                batch.push(&event::Event {
                    position: EventPosition::Mysql(place),
                    transaction: None,
                    captured_time_us: 0,
                    body,
                });
                let event = decoded(&batch).remove(0);
                assert_eq!(event.schema_fp, schema_fp(&events), "the same schema");
                inserted.insert(key(event.key.as_ref()), event.after.expect("a row"));
                before.clear();
                after.clear();
            }
        }
        _ => {}
    });
    assert_eq!(read.keys().collect::<Vec<_>>(), inserted.keys().collect::<Vec<_>>());
    assert!(read.len() > 60, "{} rows", read.len());
    for (key, row) in &read {
        for ((column, read), inserted) in schema.columns.iter().zip(&row.values).zip(&inserted[key].values) {
            assert_eq!(read, inserted, "{} of row {key:?}", column.name);
        }
    }
}

async fn load(server: &Mysql, table: &TableName) -> (Vec<ChangeEvent>, String) {
    let options = Options {
        connection: Config::parse(&format!("mysql://root@127.0.0.1:{}/?ssl-mode=DISABLED", server.port()))
            .expect("a URL"),
        server_id: None,
        wanted: Arc::new(|_| true),
        since: Arc::new(|_| LogPlace::START),
        rules: Arc::new(|_| TableRules::default()),
        drop_origins: Vec::new(),
        join_key_changes: false,
        load_workers: 2,
        load_unit_rows: Options::LOAD_UNIT_ROWS,
        snapshot_max: None,
        spool: None,
    };
    let mut loader = Loader::open(&options).await.expect("a loader");
    let begun = loader.begin(&LoadRequest::default(), table, None, &HashSet::new()).await;
    assert!(matches!(begun, Ok(Begun::Reading)), "{begun:?}");
    let (pool, mut events) = (pool(), Vec::new());
    loop {
        let mut batch = pool.batch();
        let read = loader.read(&mut batch).await.expect("rows");
        events.extend(decoded(&batch));
        if let Read::Finished(finished) = read {
            return (events, finished.shape.expect("a shape"));
        }
    }
}

fn pool() -> BatchPool {
    BatchPool::new(Encoder::new("world", 1, Format::Protobuf), BatchLimits { bytes: 1 << 16, messages: 1000 })
}

fn decoded(batch: &Batch) -> Vec<ChangeEvent> {
    let messages = (0..).map_while(|place| batch.message(place));
    messages.map(|message| ChangeEvent::decode(message.payload.expect("bytes")).expect("an event")).collect()
}

fn schema_fp(events: &[ChangeEvent]) -> u64 {
    events.iter().find(|event| event.op() == Op::Read).expect("a row").schema_fp
}

fn key(key: Option<&Row>) -> Vec<u8> {
    key.expect("a key").encode_to_vec()
}
