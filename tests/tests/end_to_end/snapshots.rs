//! What `cdc snapshot` can be asked for: parts of a table, room first, an estimate.

use end_to_end::replay::Delivered;
use event::envelope::value::Kind;
use event::envelope::{ChangeEvent, Op};
use prost::Message as _;

use crate::setup::{Setup, assert_done, assert_says};

pub fn events(setup: &Setup) -> Vec<ChangeEvent> {
    let mut events = Vec::new();
    Delivered::each_of_file(&setup.events_file(), |message| {
        events.push(ChangeEvent::decode(&message.payload[..]).expect("an event"));
    });
    events
}

/// A setup whose pipeline streams, with columns to choose from.
fn streaming(name: &str) -> Setup {
    let mut setup = Setup::new(name);
    setup.session.execute("ALTER TABLE orders ADD total int DEFAULT 5, ADD extra text DEFAULT 'kept'");
    setup.start_streaming();
    setup
}

fn reload(setup: &mut Setup, arguments: &[&str]) {
    let lines = setup.cdc.log().len();
    let words: Vec<&str> =
        ["snapshot", "--tables", "public.orders"].iter().chain(arguments).copied().collect();
    assert_done(&setup.cdc.run(&words));
    setup.cdc.wait_for_log_after(lines, "loaded beside the stream");
}

#[test]
fn some_rows_and_some_columns_into_a_running_pipeline() {
    let mut setup = streaming("part");
    reload(&mut setup, &["--where", "id <= 10 -- or so", "--columns", "total"]);
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    // Nothing that was left out is gone, and no value turned into a null.
    setup.assert_nothing_lost();
    let events = events(&setup);
    let begin = events.iter().rposition(|event| event.op() == Op::LoadBegin).unwrap();
    let load = events[begin].load.clone().unwrap();
    let part = load.part.unwrap();
    assert_eq!(
        (part.filter.as_str(), part.columns.as_slice()),
        ("id <= 10 -- or so", &["total".to_owned()][..])
    );
    let of_load = |event: &&ChangeEvent| event.load.as_ref().is_some_and(|own| own.id == load.id);
    let reads: Vec<&ChangeEvent> = events[begin + 1..].iter().filter(of_load).collect();
    assert_eq!(reads.len(), 10);
    for (n, read) in reads.iter().enumerate() {
        assert_eq!(
            (read.op(), read.table_seq),
            (Op::Read, n as u64 + 1),
            "no LOAD_END: what was left out is not gone"
        );
        let cells = &read.after.as_ref().unwrap().values;
        let is_omitted = |place: usize| matches!(cells[place].kind, Some(Kind::Omitted(_)));
        assert_eq!([0, 1, 2, 3].map(is_omitted), [false, true, false, true], "{cells:?}");
    }
}

#[test]
fn a_part_while_the_pipeline_is_down() {
    let mut setup = streaming("part-alone");
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0));
    setup.write_some();
    assert_done(&setup.cdc.run(&["snapshot", "--tables", "public.orders", "--where", "id % 2 = 0"]));
    let odd = |event: &ChangeEvent| match event.after.as_ref().unwrap().values[0].kind {
        Some(Kind::Int64(id)) => id % 2 != 0,
        _ => panic!("{event:?}"),
    };
    let events = events(&setup);
    let begin = events.iter().rposition(|event| event.op() == Op::LoadBegin).unwrap();
    let reads = events[begin..].iter().filter(|event| event.op() == Op::Read);
    assert!(reads.clone().count() > 40 && !reads.clone().any(odd));
    setup.assert_works();
}

#[test]
fn parts_that_can_not_be_read() {
    let mut setup = streaming("part-refused");
    setup.session.execute("CREATE TABLE other (id int PRIMARY KEY)");
    for (arguments, words) in [
        (&["--where", "nope = 1"][..], ["CDC-CLI-012", "nope"]),
        (&["--where", "id = = 1"][..], ["CDC-CLI-012", "syntax error"]),
        (&["--columns", "note", "--tables", "public.other"][..], ["CDC-CLI-012", "one table"]),
    ] {
        let all: Vec<&str> =
            ["snapshot", "--tables", "public.orders"].iter().chain(arguments).copied().collect();
        let done = setup.cdc.run(&all);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}");
        assert_says(&String::from_utf8_lossy(&done.stderr), &words);
    }
    // What shows only while rows are read costs that load, and nothing else.
    for (arguments, words) in [
        (["--columns", "nope"], ["CDC-PG-058", "\"nope\" is not among the columns"]),
        (["--where", "100 / (id - 50) < 1000"], ["CDC-PG-007", "division by zero"]),
    ] {
        let lines = setup.cdc.log().len();
        let all: Vec<&str> =
            ["snapshot", "--tables", "public.orders"].iter().chain(&arguments).copied().collect();
        assert_done(&setup.cdc.run(&all));
        setup.cdc.wait_for_log_after(lines, "the load is given up");
        assert_says(&setup.cdc.log()[lines..].join("\n"), &words);
    }
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_nothing_lost();
}

#[test]
fn room_is_made_first() {
    let mut setup = streaming("truncate-first");
    setup.write_some();
    reload(&mut setup, &["--truncate-first"]);
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_nothing_lost();
    let events = events(&setup);
    let truncate = events.iter().position(|event| event.op() == Op::Truncate).expect("a TRUNCATE");
    let ops = [truncate - 1, truncate, truncate + 1, truncate + 2].map(|place| events[place].op());
    assert_eq!(ops, [Op::Schema, Op::Truncate, Op::LoadBegin, Op::Read]);
    let id = |event: &ChangeEvent| event.load.clone().unwrap().id;
    assert_eq!(id(&events[truncate]), id(&events[truncate + 1]));
    assert_eq!(
        (events[truncate].table_seq, events[truncate].txid.as_str()),
        (0, ""),
        "it is not the source's"
    );
    assert_eq!(events.iter().filter(|event| event.op() == Op::Truncate).count(), 1);
}

#[test]
fn an_estimate_changes_nothing() {
    let setup = Setup::new("estimate");
    setup.session.execute(
        "CREATE TABLE named (name text PRIMARY KEY, filler text); \
         INSERT INTO named SELECT g, repeat('x', 500) FROM generate_series(1, 20000) g; ANALYZE named; \
         CREATE TABLE empty (id int PRIMARY KEY)",
    );
    setup.session.execute(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO \"{}\"", setup.role.name));
    let said = assert_done(&setup.cdc.run(&["snapshot", "--estimate"]));
    let line =
        |name: &str| said.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{said}"));
    assert!(
        line("public.named").contains(" 20000 ") && line("public.named").contains("one snapshot"),
        "{said}"
    );
    assert!(line("public.orders").contains(" ~"), "never analysed: {said}");
    assert!(line("3 tables").contains("MiB") && said.contains("from a sample of"), "{said}");
    let said = assert_done(&setup.cdc.run(&["snapshot", "--estimate", "--tables", "public.o*"]));
    assert!(said.contains("1 tables") && !said.contains("named"), "{said}");
    let left = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()";
    assert_eq!(setup.session.value(left).as_deref(), Some("0"));
    assert_eq!(setup.session.value("SELECT count(*) FROM pg_publication").as_deref(), Some("0"));
    assert!(!setup.cdc.state_folder().join("checkpoint").exists());
}
