//! The file sink on real file systems.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use common::{Maker, payloads};
use event::{Batch, Failure, Sink};
use sinks::{Error, File, FileOptions, Framing};

fn open(path: &Path, rotate_mb: Option<u64>, framing: Framing) -> Result<File, Error> {
    File::open(&FileOptions { path: path.to_owned(), rotate_mb }, framing)
}

async fn store(file: &mut File, batch: Batch) {
    file.write(batch).await.unwrap();
    file.durable().await.unwrap();
}

/// The payloads that stand in a file, as a consumer reads them.
fn read(path: &Path, framing: Framing) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let mut rest = &bytes[..];
    let mut events = Vec::new();
    while !rest.is_empty() {
        let (header, len) = match framing {
            Framing::Lines => (0, rest.iter().position(|byte| *byte == b'\n').unwrap()),
            Framing::LengthDelimited => {
                let header = 1 + rest.iter().position(|byte| *byte < 0x80).unwrap();
                let len = (0..header).map(|n| usize::from(rest[n] & 0x7F) << (7 * n)).sum();
                (header, len)
            }
        };
        events.push(rest[header..header + len].to_vec());
        rest = &rest[header + len + usize::from(framing == Framing::Lines)..];
    }
    events
}

#[tokio::test]
async fn both_framings_hold_every_event_but_schemas_and_tombstones() {
    let folder = tempfile::tempdir().unwrap();
    for (maker, framing) in [(Maker::json(), Framing::Lines), (Maker::protobuf(), Framing::LengthDelimited)] {
        let path = folder.path().join(format!("{framing:?}"));
        let mut batch = maker.batch();
        maker.insert(&mut batch, 1, &"long ".repeat(100));
        maker.delete(&mut batch, 2, 1);
        let expected = payloads(&batch);
        let mut file = open(&path, None, framing).unwrap();
        store(&mut file, batch).await;
        assert_eq!(read(&path, framing), expected);
        let mut schema = maker.batch();
        maker.schema(&mut schema, 3);
        assert_eq!(schema.len(), 2, "in band and by fingerprint");
        store(&mut file, schema).await;
        assert_eq!(read(&path, framing).len(), 3);
    }
    let maker = Maker::debezium();
    let mut batch = maker.batch();
    maker.delete(&mut batch, 1, 1);
    assert_eq!(batch.len(), 2, "the delete and its tombstone");
    let path = folder.path().join("debezium");
    store(&mut open(&path, None, Framing::Lines).unwrap(), batch).await;
    assert_eq!(read(&path, Framing::Lines).len(), 1);
}

#[tokio::test]
async fn a_full_file_is_followed_by_the_next_and_none_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let second = folder.path().join("events.000001");
    let third = folder.path().join("events.000002");
    fs::write(folder.path().join("events.000001.gz"), "somebody else's").unwrap();
    let maker = Maker::protobuf();
    let big = |number| {
        let mut batch = maker.batch();
        maker.insert(&mut batch, number, &"x".repeat(600_000));
        batch
    };
    let mut expected = Vec::new();
    for round in 0..2 {
        // Continues where the file before left off.
        let mut file = open(&path, Some(1), Framing::LengthDelimited).unwrap();
        for number in 0..2 {
            let batch = big(round * 10 + number);
            expected.extend(payloads(&batch));
            store(&mut file, batch).await;
        }
    }
    let mut file = open(&path, Some(1), Framing::LengthDelimited).unwrap();
    let batch = maker.inserts([99]);
    expected.extend(payloads(&batch));
    store(&mut file, batch).await;
    assert_eq!(read(&path, Framing::LengthDelimited), expected[..2]);
    assert_eq!(read(&second, Framing::LengthDelimited), expected[2..4]);
    assert_eq!(read(&third, Framing::LengthDelimited), expected[4..]);
}

#[tokio::test]
async fn an_unfinished_event_is_cut_off_wherever_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    for (maker, framing) in [(Maker::json(), Framing::Lines), (Maker::protobuf(), Framing::LengthDelimited)] {
        let path = folder.path().join(format!("{framing:?}"));
        let mut batch = maker.inserts([1, 2]);
        maker.insert(&mut batch, 3, &"x".repeat(300));
        let expected = payloads(&batch);
        store(&mut open(&path, None, framing).unwrap(), batch).await;
        let whole = fs::read(&path).unwrap();
        let ends: Vec<usize> = expected
            .iter()
            .scan(0, |end, payload| {
                let header = if payload.len() < 128 { 1 } else { 2 };
                *end += payload.len() + if framing == Framing::Lines { 1 } else { header };
                Some(*end)
            })
            .collect();
        assert_eq!(ends[2], whole.len());
        for cut in
            (0..=whole.len()).filter(|cut| cut % 41 == 0 || ends.iter().any(|end| end.abs_diff(*cut) < 4))
        {
            fs::write(&path, &whole[..cut]).unwrap();
            drop(open(&path, None, framing).unwrap());
            let left = ends.iter().rev().find(|end| **end <= cut).copied().unwrap_or(0);
            assert_eq!(fs::read(&path).unwrap(), whole[..left], "{framing:?} cut to {cut}");
        }
        // What a power failure can leave.
        let zeros = [&whole[..], &[0; 4096]].concat();
        fs::write(&path, zeros).unwrap();
        let mut file = open(&path, None, framing).unwrap();
        store(&mut file, maker.inserts([4])).await;
        assert_eq!(read(&path, framing).len(), 4);
    }
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for content in ["root:x:0:0:root:/root:/bin/bash\nno newline", "{\"json\": 1}\n", "\0notes"] {
        fs::write(&path, content).unwrap();
        let error = open(&path, None, Framing::LengthDelimited).unwrap_err();
        assert!(matches!(error, Error::ForeignFile { .. }) && !error.is_retryable(), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    fs::write(&path, "\u{8}binary").unwrap();
    assert!(matches!(open(&path, None, Framing::Lines), Err(Error::ForeignFile { .. })));
    assert!(matches!(open(folder.path(), None, Framing::Lines), Err(Error::ForeignFile { .. })));
    let error = open(&folder.path().join("absent/file"), None, Framing::Lines).unwrap_err();
    assert!(error.to_string().contains("absent") && !error.is_retryable(), "{error}");
}

#[test]
fn a_second_writer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let first = open(&path, None, Framing::Lines).unwrap();
    let error = open(&path, None, Framing::Lines).unwrap_err();
    assert!(matches!(error, Error::FileInUse { .. }), "{error}");
    drop(first);
    open(&path, None, Framing::Lines).unwrap();
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_noticed_and_started_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let maker = Maker::protobuf();
    let mut file = open(&path, None, Framing::LengthDelimited).unwrap();
    store(&mut file, maker.inserts([1])).await;
    fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    file.write(maker.inserts([2])).await.unwrap();
    let error = file.durable().await.unwrap_err();
    assert!(matches!(error, Error::FileGone { .. }) && error.is_retryable(), "{error}");
    store(&mut open(&path, None, Framing::LengthDelimited).unwrap(), maker.inserts([2])).await;
    assert_eq!(read(&path, Framing::LengthDelimited), payloads(&maker.inserts([2])));
}

/// Runs itself again with a tmpfs of 256 KiB that only that process sees.
#[test]
fn a_full_disk_loses_nothing() {
    if let Some(folder) = std::env::var_os("CDC_TEST_SMALL_DISK") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        return runtime.block_on(on_a_full_disk(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().unwrap();
    let namespaces = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
    let output = Command::new("unshare")
        .args([
            namespaces,
            "sh",
            "-c",
            "mount -t tmpfs -o size=256k tmpfs $CDC_TEST_SMALL_DISK && exec \"$0\" \"$@\"",
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_full_disk_loses_nothing"])
        .env("CDC_TEST_SMALL_DISK", folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

async fn on_a_full_disk(folder: &Path) {
    let path = folder.join("events");
    let ballast = folder.join("ballast");
    let maker = Maker::protobuf();
    let big = |number| {
        let mut batch = maker.batch();
        maker.insert(&mut batch, number, &"x".repeat(50_000));
        batch
    };
    let mut file = open(&path, None, Framing::LengthDelimited).unwrap();
    store(&mut file, big(1)).await;
    fs::write(&ballast, vec![1; 170_000]).unwrap();
    for _attempt in 0..5 {
        file.write(big(2)).await.unwrap();
        let error = match file.write(big(3)).await {
            Ok(()) => file.durable().await.unwrap_err(),
            Err(error) => error,
        };
        assert!(matches!(error, Error::DiskFull { .. }) && error.is_retryable(), "{error}");
        // Nothing in part, and no copy for each attempt.
        assert_eq!(read(&path, Framing::LengthDelimited).len(), 1);
        drop(file);
        file = open(&path, None, Framing::LengthDelimited).unwrap();
    }
    fs::remove_file(&ballast).unwrap();
    let before = read(&path, Framing::LengthDelimited);
    store(&mut file, big(2)).await;
    store(&mut file, big(3)).await;
    let expected: Vec<_> = [payloads(&big(2)), payloads(&big(3))].concat();
    assert_eq!(read(&path, Framing::LengthDelimited), [before, expected].concat());
}

/// Durable is told after the bytes are there: a reader that is told finds them.
#[tokio::test]
async fn what_is_told_durable_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let maker = Maker::protobuf();
    let mut file = open(&path, None, Framing::LengthDelimited).unwrap();
    let mut ends = vec![0];
    for number in 0..200 {
        let batch = maker.inserts([number]);
        ends.push(
            ends[ends.len() - 1] + payloads(&batch).iter().map(|payload| payload.len() + 1).sum::<usize>(),
        );
        file.write(batch).await.unwrap();
        if number % 3 == 0 {
            let durable = file.durable().await.unwrap() as usize;
            let reader = fs::File::open(&path).unwrap();
            reader.read_exact_at(&mut vec![0; ends[durable]], 0).unwrap();
        }
    }
    while file.durable().await.unwrap() < 200 {}
    assert_eq!(fs::metadata(&path).unwrap().len() as usize, ends[200]);
}
