//! One row far larger than all memory that is allotted, and far more tables than usual.

use std::fs;

use end_to_end::servers::Postgres;
use event::envelope::value::Kind;
use event::envelope::{ChangeEvent, Op};
use prost::Message as _;

use crate::setup::Setup;

const ROW_BYTES: u64 = 100 << 20;
/// Of the row: as it is received, as digits, and as it is sent; and once while a buffer grows, which jemalloc copies.
const LIMIT_BYTES: u64 = (64 << 20) + 4 * ROW_BYTES;

/// Loaded by one process and streamed by the next, so that the peak of each is known.
#[test]
fn a_row_of_100_mb() {
    let mut setup = Setup::new("huge-row");
    setup.session.execute(
        "CREATE TABLE huge (id int PRIMARY KEY, data bytea, note text); ALTER TABLE huge ALTER data SET STORAGE EXTERNAL",
    );
    let insert = |id: u32| {
        format!("INSERT INTO huge VALUES ({id}, repeat('0123456789', {ROW_BYTES} / 10)::bytea, 'x')")
    };
    setup.session.execute(&insert(1));
    setup.start_streaming();
    setup.catch_up();
    let loading = setup.cdc.peak_memory_bytes();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.start_streaming();
    setup.session.execute(&insert(2));
    // Not sent again, so it costs nothing.
    setup.session.execute("UPDATE huge SET note = 'y'");
    setup.catch_up();
    let streaming = setup.cdc.peak_memory_bytes();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());

    let file = fs::read(setup.events_file()).unwrap();
    let (mut rest, mut told) = (&file[..], Vec::new());
    while !rest.is_empty() {
        let event = ChangeEvent::decode_length_delimited(&mut rest).unwrap();
        if event.table == "huge" && event.op() != Op::Schema {
            let data = event.after.as_ref().map(|after| match after.values[1].kind.as_ref().unwrap() {
                Kind::Bytes(data) => {
                    data.chunks(10).filter(|chunk| *chunk == b"0123456789").count() as u64 * 10
                }
                Kind::Unchanged(_) => 0,
                other => panic!("{other:?}"),
            });
            told.push((event.op(), data));
        }
    }
    told.retain(|(_, data)| data.is_some());
    let whole = Some(ROW_BYTES / 10 * 10);
    assert_eq!(told, [(Op::Read, whole), (Op::Insert, whole), (Op::Update, Some(0)), (Op::Update, Some(0))]);
    println!("{} MB while loading, {} MB while streaming", loading >> 20, streaming >> 20);
    assert!(loading <= LIMIT_BYTES, "{} MB while loading", loading >> 20);
    assert!(streaming <= LIMIT_BYTES, "{} MB while streaming", streaming >> 20);
}

/// Published, loaded and streamed; the next start finds its way too.
#[test]
fn five_thousand_tables() {
    const TABLES: u32 = 5000;
    let postgres = Postgres::with_settings(17, &[("max_locks_per_transaction", "1000")]);
    let mut setup = Setup::on(&postgres, "many-tables");
    let each = |statement: &str| {
        format!("DO $$ BEGIN FOR n IN 1..{TABLES} LOOP EXECUTE format('{statement}', n); END LOOP; END $$")
    };
    setup
        .session
        .execute(&each("CREATE TABLE many_%1$s (id int PRIMARY KEY); INSERT INTO many_%1$s VALUES (1)"));
    setup.start_streaming();
    setup.session.execute(&each("INSERT INTO many_%1$s VALUES (2)"));
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.start_streaming();
    setup.session.execute(&each("DELETE FROM many_%1$s WHERE id = 1"));
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let summary = setup.assert_nothing_lost();
    println!("{summary:?}");
}
