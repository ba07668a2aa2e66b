use std::fs;
use std::io::Write as _;
use std::path::Path;

use event::{BatchLimits, BatchPool, Encoder};

use super::*;
use crate::testing::{Maker, id, payloads};
use crate::{Null, NullOptions};

fn options(folder: &Path, hours: u32, max_bytes: u64) -> RetainOptions {
    RetainOptions { folder: folder.to_owned(), hours, max_bytes }
}

async fn keep(options: &RetainOptions, batches: impl IntoIterator<Item = Batch>) {
    let mut sink = Retained::open(Null::open(NullOptions {}), Some(options), "json").unwrap();
    for (number, batch) in (1..).zip(batches) {
        sink.write(batch).await.unwrap();
        assert_eq!(sink.durable().await.unwrap(), number);
    }
}

fn replayed(folder: &Path, start: Start) -> Result<Vec<Vec<u8>>, Error> {
    let pool = BatchPool::new(Encoder::json("replay", 1), BatchLimits { bytes: 500, messages: 3 });
    let mut retention = Retention::open(folder, start)?;
    let mut found = Vec::new();
    loop {
        let mut batch = pool.batch();
        let is_more = retention.fill(&mut batch)?;
        found.extend(payloads(&batch));
        if !is_more {
            return Ok(found);
        }
    }
}

#[tokio::test]
async fn what_was_kept_comes_back_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (maker, options) = (Maker::json(), options(folder.path(), 24, 1 << 20));
    keep(&options, [maker.inserts(1..4), maker.inserts(4..8)]).await;
    // A crash in the middle of a record, and what was not saved is sent again, cut elsewhere.
    let first = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    fs::OpenOptions::new().append(true).open(&first).unwrap().write_all(&[200, 0, 0, 0, 1, 2, 3]).unwrap();
    keep(&options, [maker.inserts(3..6), maker.inserts(6..11)]).await;
    let expected = |numbers| payloads(&maker.inserts(numbers));
    assert_eq!(replayed(folder.path(), Start::Beginning).unwrap(), expected(1..11));
    assert_eq!(replayed(folder.path(), Start::Event(id("shop", 5))).unwrap(), expected(5..11));
    assert_eq!(replayed(folder.path(), Start::Time(0)).unwrap(), expected(1..11));
    assert!(replayed(folder.path(), Start::Time(u64::MAX)).unwrap().is_empty());
    let error = replayed(folder.path(), Start::Event("shop/1/no".to_owned())).unwrap_err();
    assert!(matches!(error, Error::NotRetained { .. }), "{error}");
}

#[tokio::test]
async fn everything_that_a_sink_is_told_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let maker = Maker::debezium();
    let mut batch = maker.batch();
    maker.schema(&mut batch, 1);
    maker.insert(&mut batch, 1, "x");
    maker.delete(&mut batch, 2, 1);
    maker.truncate(&mut batch, 3);
    let told = |batch: &Batch| -> Vec<String> {
        batch
            .messages()
            .map(|m| format!("{:?} {:?} {:?} {:?} {:?}", m.op, m.route, m.id, m.key, m.payload))
            .collect()
    };
    let expected = told(&batch);
    assert!(expected.len() >= 5, "with a tombstone: {expected:?}");
    keep(&options(folder.path(), 24, 1 << 20), [batch]).await;
    let mut retention = Retention::open(folder.path(), Start::Beginning).unwrap();
    let mut again = BatchPool::new(Encoder::json("replay", 1), BatchLimits::default()).batch();
    assert!(!retention.fill(&mut again).unwrap());
    assert_eq!(told(&again), expected);
}

#[tokio::test]
async fn the_oldest_go_when_there_are_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let (maker, options) = (Maker::json(), options(folder.path(), 24, 100_000));
    keep(&options, (0..200).map(|round| maker.inserts(round * 10 + 1..round * 10 + 11))).await;
    let size: u64 =
        fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(size <= 100_000 + 10_000, "{size}");
    let found = replayed(folder.path(), Start::Beginning).unwrap();
    assert!(found.len() > 50 && found.len() < 2000);
    assert_eq!(found, payloads(&maker.inserts(2001 - found.len() as u64..2001)));
}

/// Consumers of protobuf can't read a row without its table's schema.
#[tokio::test]
async fn rows_come_with_their_schema_however_late_the_start_is() {
    let folder = tempfile::tempdir().unwrap();
    let (maker, options) = (Maker::json(), options(folder.path(), 24, 100_000));
    let mut first = maker.batch();
    maker.schema(&mut first, 1);
    let schema = payloads(&first)[0].clone();
    let rows = (0..200).map(|round| maker.inserts(round * 10 + 1..round * 10 + 11));
    keep(&options, [first].into_iter().chain(rows)).await;
    let all = replayed(folder.path(), Start::Beginning).unwrap();
    assert!(all.len() < 2000, "the first file is gone");
    for start in [Start::Beginning, Start::Event(id("shop", 1990))] {
        let found = replayed(folder.path(), start).unwrap();
        assert_eq!(found[0], schema);
        assert_eq!(
            found.iter().filter(|payload| **payload == schema).count(),
            2,
            "it, and its copy by fingerprint"
        );
    }
}

#[tokio::test]
async fn a_batch_counts_when_it_is_kept_and_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let maker = Maker::json();
    let blocked = folder.path().join("file");
    fs::write(&blocked, "").unwrap();
    let refused = Retained::open(Null::open(NullOptions {}), Some(&options(&blocked, 1, 1)), "json");
    assert!(matches!(refused, Err(Error::File { .. })));

    let kept = folder.path().join("kept");
    let mut sink =
        Retained::open(Null::open(NullOptions {}), Some(&options(&kept, 1, 1 << 20)), "json").unwrap();
    // Its file can't be made: the sink has the batch, and nobody is told so.
    fs::remove_dir(&kept).unwrap();
    sink.write(maker.inserts(1..2)).await.unwrap();
    assert!(sink.durable().await.is_err());
}
