//! A loader at work.

use std::collections::HashSet;

use binlog_reader::Loader;
use event::{
    Batch, BatchLimits, BatchPool, Begun, Encoder, Finished, KeyBound, Load as _, LoadRequest, Read, Route,
    TableName,
};
use serde_json::Value;

use crate::world::soon;

/// Begins a unit, as soon as it can be.
pub(crate) async fn begin(loader: &mut Loader, table: &TableName, from: Option<KeyBound>) {
    soon("a lock", async {
        loop {
            match loader.begin(&LoadRequest::default(), table, from, &HashSet::new()).await.unwrap() {
                Begun::Reading => return,
                Begun::NotYet(_) => {}
                Begun::Gone => panic!("{table} is gone"),
            }
        }
    })
    .await;
}

/// What the unit that was begun says.
pub(crate) async fn read_to_end(loader: &mut Loader) -> (Vec<Value>, Finished) {
    let pool = pool();
    let mut events = Vec::new();
    loop {
        let mut batch = pool.batch();
        let read = soon("rows", loader.read(&mut batch)).await.unwrap();
        events.extend(parse(&batch));
        if let Read::Finished(finished) = read {
            return (events, finished);
        }
    }
}

/// All but the copies of schemas by their fingerprints.
fn parse(batch: &Batch) -> Vec<Value> {
    let events = batch.messages().filter(|message| **message.route != Route::Schemas);
    events.map(|message| serde_json::from_slice(message.payload.unwrap()).unwrap()).collect()
}

pub(crate) fn pool() -> BatchPool {
    let limits = BatchLimits { bytes: 1 << 16, messages: 1000 };
    BatchPool::new(Encoder::json("world", 1), limits)
}
