use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use checkpoint::{FileStore, SourceIdentity};
use event::{
    BatchLimits, Body, Encoder, Event, EventPosition, Fence, KeyBound, LoadRef, Lsn, Position, Table,
    TableSchema, XidSnapshot,
};

use tokio::time::Instant;

use super::*;

/// A sink of which the test says what it has.
struct Silent;

impl Sink for Silent {
    type Error = sinks::Error;

    fn destination(&self) -> String {
        "nowhere".to_owned()
    }

    async fn write(&mut self, _: Batch) -> Result<(), sinks::Error> {
        Ok(())
    }

    async fn durable(&mut self) -> Result<u64, sinks::Error> {
        std::future::pending().await
    }
}

fn checkpoint() -> Checkpoint {
    let source = SourceIdentity::Postgres {
        system_identifier: "7301".to_owned(),
        timeline: 1,
        database: "shop".to_owned(),
        slot: "cdc_shop".to_owned(),
    };
    let mut checkpoint = Checkpoint::new(source, 5, 9);
    checkpoint.position = Some(Position::Postgres(Lsn::from(1)));
    checkpoint
}

fn delivery<'s>(checkpoint: Checkpoint, store: &'s mut Store) -> Delivery<'s, Silent> {
    let pool = BatchPool::new(Encoder::json("shop", 5), BatchLimits::default());
    let status = Status::new(&serde_json::from_str("\"shop\"").unwrap());
    Delivery::new(Silent, pool, 1 << 20, checkpoint, store, status)
}

fn orders() -> TableName {
    TableName::new("public", "orders")
}

fn fence(limit: u64) -> Fence {
    let snapshot = XidSnapshot { xmin: 100, xmax: 100, xip: Vec::new() };
    Fence { snapshot: Some(snapshot), limit: Lsn::from(limit).into(), range: None, voided: None }
}

fn batch(delivery: &Delivery<'_, Silent>, reaches: Option<u64>) -> Batch {
    let mut batch = delivery.batch();
    batch.push(&Event {
        position: EventPosition::Postgres { commit: Lsn::from(1), own: Lsn::from(1) },
        transaction: None,
        captured_time_us: 0,
        body: Body::Heartbeat,
    });
    if let Some(lsn) = reaches {
        batch.mark(Position::Postgres(lsn.into()), []);
    }
    batch
}

/// A crash before that loses the unit: with its fence but without its rows, its changes would be dropped.
#[tokio::test]
async fn a_unit_is_loaded_once_its_last_row_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::in_folder(folder.path()).unwrap();
    let mut begun = checkpoint();
    begun.tables.entry(orders()).or_default().load = LoadState::From(None);
    let mut delivery = delivery(begun, &mut store);
    delivery.send(batch(&delivery, None)).await.unwrap();
    delivery.send(batch(&delivery, None)).await.unwrap();
    let shape = Some("id, total".to_owned());
    delivery.finished(Finished { table: orders(), fence: fence(50), next: None, rows: 2, shape });
    for stored in [0, 1] {
        delivery.arrived(stored);
        assert!(delivery.checkpoint.fences.is_empty(), "after {stored} of 2 batches");
        assert_eq!(delivery.checkpoint.pending_loads().count(), 1);
    }
    delivery.arrived(2);
    assert_eq!((delivery.checkpoint.fences.len(), delivery.checkpoint.pending_loads().count()), (1, 0));
    let shape = |lsn: u64| delivery.checkpoint.shapes.get(&orders(), Lsn::from(lsn).into());
    assert_eq!((shape(49), shape(50)), (None, Some("id, total")), "from where it was seen on");
}

/// A batch is counted once, also the one that ends a unit.
#[tokio::test]
async fn rows_are_loaded_once_they_are_stored() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::in_folder(folder.path()).unwrap();
    let mut delivery = delivery(checkpoint(), &mut store);
    delivery.status.load_due([(&orders(), false)]);
    let table = Table::new(TableSchema { name: orders(), columns: Vec::new(), key: Vec::new() });
    for seq in 1..=3 {
        let mut rows = delivery.batch();
        let body = Body::Read {
            table: &table,
            load: LoadRef { id: "1", range: None },
            seq,
            after: &[],
            row_id: Some("(0,1)"),
        };
        let position = EventPosition::Postgres { commit: Lsn::from(1), own: Lsn::from(1) };
        rows.push(&Event { position, transaction: None, captured_time_us: 0, body });
        delivery.send(rows).await.unwrap();
        if seq == 2 {
            let next = Some(KeyBound::Int(3));
            delivery.finished(Finished { table: orders(), fence: fence(50), next, rows: 2, shape: None });
        }
    }
    for stored in 1..=3 {
        delivery.arrived(stored);
        assert_eq!(delivery.status.report().load.unwrap().rows, stored);
    }
}

/// Whoever reads the file at any moment, as a start after a crash does, finds every fence that its position has not
/// passed.
#[tokio::test(flavor = "multi_thread")]
async fn no_fence_is_ever_missing_from_what_is_saved() {
    const FENCES: u64 = 40;
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::in_folder(folder.path()).unwrap();
    let mut begun = checkpoint();
    for number in 1..=FENCES {
        begun.fences.add(orders(), fence(number * 10));
    }
    store.save(&begun).await.unwrap();
    let mut delivery = delivery(begun, &mut store);
    let (path, is_over) = (folder.path().to_owned(), Arc::new(AtomicBool::new(false)));
    let looking = std::thread::spawn({
        let is_over = Arc::clone(&is_over);
        move || {
            while !is_over.load(Ordering::Relaxed) {
                let saved = FileStore::peek(&path).unwrap().unwrap();
                let Some(Position::Postgres(position)) = saved.position else { panic!("no position") };
                let ahead = (1..=FENCES).filter(|number| Lsn::from(number * 10) > position).count();
                assert_eq!(saved.fences.len(), ahead, "at {position}");
            }
        }
    });
    for number in 1..=FENCES {
        delivery.send(batch(&delivery, Some(number * 10))).await.unwrap();
        delivery.arrived(number);
        delivery.save().await.unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    looking.join().unwrap();
    assert!(delivery.checkpoint.fences.is_empty());
}

/// A disk that hangs and then refuses: events go on meanwhile, and what is not saved is not let go of.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_saved_is_not_let_go_of() {
    let at = |lsn: u64| Some(Position::Postgres(lsn.into()));
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::in_folder(folder.path()).unwrap();
    let mut delivery = delivery(checkpoint(), &mut store);
    // Whoever opens a pipe to write waits until somebody reads; and there is no fsync of one.
    let pipe = folder.path().join(format!("checkpoint.{}.tmp", std::process::id()));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    delivery.send(batch(&delivery, Some(10))).await.unwrap();
    delivery.arrived(1);
    tokio::time::sleep_until(delivery.saves.due_at().unwrap()).await;
    delivery.save_if_due().await.unwrap();
    assert!(delivery.saves.is_running());

    delivery.send(batch(&delivery, Some(20))).await.unwrap();
    delivery.arrived(2);
    assert_eq!(delivery.saves.due_at(), None, "no second save beside the first");
    assert_eq!(delivery.checkpoint.position, at(20));
    assert_eq!(delivery.saves.position(), at(1).as_ref());

    let reading = tokio::task::spawn_blocking(move || std::fs::read(pipe));
    delivery.saves.ended().await;
    reading.await.unwrap().unwrap();
    delivery.save_if_due().await.unwrap();
    assert_eq!(delivery.saves.position(), at(1).as_ref(), "the disk refused");
    assert!(delivery.saves.due_at().unwrap() > Instant::now() + Duration::from_secs(5), "a moment later");

    delivery.save().await.unwrap();
    assert_eq!(delivery.saves.position(), at(20).as_ref());
    assert_eq!(FileStore::peek(folder.path()).unwrap().unwrap().position, at(20));
}

/// Whoever gives up in the middle of a save, as an attempt does whose connection broke, finds it when going on.
#[tokio::test(flavor = "multi_thread")]
async fn a_save_that_nobody_waits_for_is_seen_by_the_next_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::in_folder(folder.path()).unwrap();
    for lsn in 1..=50 {
        let mut moved = checkpoint();
        moved.position = Some(Position::Postgres(Lsn::from(lsn)));
        drop(store.begin_save(&moved).await);
        assert_eq!(store.load().await.unwrap().unwrap().position, moved.position);
    }
}
