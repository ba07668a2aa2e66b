//! A table read anew beside its changes, held up where that matters: between its snapshot and its rows, before its
//! lock, behind a standby, and after a crash.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use end_to_end::replay::Delivered;
use end_to_end::servers::Postgres;
use end_to_end::session::Session;
use event::envelope::value::Kind;
use event::envelope::{ChangeEvent, Op};
use prost::Message as _;

use crate::setup::{Setup, assert_done, shared_postgres, wait_until_released};

/// What a program that does not wait would do in this time, it has done.
const CHANCE: Duration = Duration::from_millis(300);

/// A pipeline that streams, asked for a load that can't begin until a transaction ends that was open before it.
struct Waiting<'a> {
    setup: Setup,
    postgres: &'a Postgres,
    open: Session,
}

impl<'a> Waiting<'a> {
    fn begin(name: &str, postgres: &'a Postgres) -> Self {
        Self::begin_part(name, postgres, &[])
    }

    fn begin_part(name: &str, postgres: &'a Postgres, part: &[&str]) -> Self {
        let mut setup = Setup::on(postgres, name);
        setup.session.execute("CREATE TABLE other (id int PRIMARY KEY)");
        setup.start_streaming();
        // The walsender is to know both tables: it does not look them up any more.
        setup.write_some();
        setup.session.execute("INSERT INTO other VALUES (0)");
        setup.catch_up();
        let waiting = Self { open: connect(postgres, &setup), setup, postgres };
        waiting.open.execute("SET synchronous_commit = local; BEGIN; INSERT INTO other VALUES (1)");
        let arguments: Vec<&str> =
            ["snapshot", "--tables", "public.orders"].iter().chain(part).copied().collect();
        assert_done(&waiting.setup.cdc.run(&arguments));
        waiting
    }

    /// Whatever begins from now on is younger than the load.
    fn once_marked(mut self) -> Self {
        self.wait_for(
            "the load looks out for open transactions",
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
               AND query LIKE '%pg_prepared_xacts%'",
        );
        self
    }

    fn connect(&self) -> Session {
        connect(self.postgres, &self.setup)
    }

    fn let_it_begin(&self) {
        self.open.execute("COMMIT");
    }

    fn wait_for(&mut self, what: &str, query: &str) {
        let session = &self.setup.session;
        self.setup.cdc.wait_until(what, || session.value(query).as_deref() == Some("t"));
    }

    fn wait_for_lock(&mut self, relation: &str) {
        let query = format!(
            "SELECT count(*) > 0 FROM pg_locks WHERE relation = '{relation}'::regclass AND NOT granted \
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        );
        self.wait_for(&format!("the load waits for {relation}"), &query);
    }

    /// The load, and not somebody else who looks at the publication: it has its table locked already.
    fn wait_until_held_up(&mut self) {
        self.wait_for(
            "the load waits between its snapshot and its rows",
            "SELECT count(*) > 0 FROM pg_locks waiting JOIN pg_locks held USING (pid) \
             WHERE waiting.relation = 'pg_publication_rel'::regclass AND NOT waiting.granted \
               AND held.relation = 'orders'::regclass AND held.granted \
               AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        );
    }

    /// Lets the load come to its end, and compares what all of it told with the source.
    fn finish(mut self) -> Vec<ChangeEvent> {
        self.setup.cdc.wait_for_log("loaded beside the stream");
        self.setup.write_some();
        self.setup.catch_up();
        assert_eq!(self.setup.cdc.terminate(), Some(0), "{}", self.setup.cdc.log_text());
        self.setup.assert_nothing_lost();
        events(&self.setup)
    }
}

fn events(setup: &Setup) -> Vec<ChangeEvent> {
    let mut events = Vec::new();
    Delivered::each_of_file(&setup.events_file(), |message| {
        events.push(ChangeEvent::decode(&message.payload[..]).expect("an event"));
    });
    events
}

fn connect(postgres: &Postgres, setup: &Setup) -> Session {
    let database = setup.session.value("SELECT current_database()").expect("a name");
    Session::open(postgres, &database)
}

/// A change sent there would be newer than the rows that come after it.
#[test]
fn nothing_is_sent_between_a_snapshot_and_its_rows() {
    let mut waiting = Waiting::begin("reload-held-up", shared_postgres()).once_marked();
    // Looking up how the table is published comes after the snapshot.
    let catalog = waiting.connect();
    catalog.execute("BEGIN; LOCK TABLE pg_publication_rel IN ACCESS EXCLUSIVE MODE");
    waiting.let_it_begin();
    waiting.wait_until_held_up();
    waiting.setup.session.execute("UPDATE orders SET note = 'newer' WHERE id % 2 = 0");
    sleep(CHANCE);
    catalog.execute("COMMIT");
    waiting.finish();
}

/// A part goes out behind all that its snapshot contains. A change after the snapshot is sent after the rows; or before,
/// if it is what shows that the log has passed the snapshot, and then its rows are left out.
#[test]
fn rows_of_a_part_are_never_older_than_what_was_sent() {
    let part = ["--where", "id <= 60", "--columns", "note"];
    let mut waiting = Waiting::begin_part("part-overtaken", shared_postgres(), &part).once_marked();
    // Looking up how the table is published comes after the snapshot.
    let catalog = waiting.connect();
    catalog.execute("BEGIN; LOCK TABLE pg_publication_rel IN ACCESS EXCLUSIVE MODE");
    waiting.let_it_begin();
    waiting.wait_until_held_up();
    waiting.setup.session.execute("UPDATE orders SET note = 'newer' WHERE id % 2 = 0");
    sleep(CHANCE);
    catalog.execute("COMMIT");
    let events = waiting.finish();
    let newer = events.iter().position(|event| has_note(event, "newer")).expect("the change");
    let begun = events.iter().rposition(|event| event.op() == Op::LoadBegin).expect("a load");
    assert!(events[begun].load.as_ref().is_some_and(|load| load.part.is_some()), "it is the part");
    let is_even = |event: &ChangeEvent| match event.key.as_ref().expect("a key").values[0].kind {
        Some(Kind::Int64(id)) => id % 2 == 0,
        _ => panic!("{event:?}"),
    };
    let reads = || events.iter().enumerate().skip(begun).filter(|(_, event)| event.op() == Op::Read);
    assert!(reads().count() >= 25, "{} rows", reads().count());
    assert!(!reads().any(|(place, event)| place > newer && is_even(event)), "an older row after the change");
}

/// The stream stands still while the load waits for its lock, so it comes to the change only after the rows.
#[test]
fn what_a_load_contains_is_not_sent_after_it() {
    let mut waiting = Waiting::begin("reload-contains", shared_postgres()).once_marked();
    let writer = waiting.connect();
    writer.execute(
        "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE; UPDATE orders SET note = 'read' WHERE id % 2 = 0; \
         DELETE FROM orders WHERE id % 10 = 5",
    );
    waiting.let_it_begin();
    waiting.wait_for_lock("orders");
    writer.execute("COMMIT");
    let events = waiting.finish();
    let loaded = events.iter().rposition(|event| event.op() == Op::LoadEnd).expect("a load");
    let again = events[loaded..].iter().filter(|event| has_note(event, "read")).count();
    assert_eq!(again, 0, "sent again after the load, which has them");
}

fn has_note(event: &ChangeEvent, note: &str) -> bool {
    let note = Some(Kind::String(note.to_owned()));
    event.after.as_ref().is_some_and(|row| row.values.iter().any(|value| value.kind == note))
}

/// The log shows a commit that waits for a standby, SQL does not: rows read then are older than what was sent.
#[test]
fn a_load_waits_until_what_was_sent_can_be_seen() {
    let postgres = Postgres::start(17);
    let mut waiting = Waiting::begin("reload-stalled", &postgres).once_marked();
    let session = &waiting.setup.session;
    session.execute("SET synchronous_commit = local");
    session.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    session.execute("SELECT pg_reload_conf()");
    // Commits go through until the server has noticed; each is as good as the last.
    let writer = waiting.connect();
    let is_over = Arc::new(AtomicBool::new(false));
    let writing = thread::spawn({
        let is_over = Arc::clone(&is_over);
        move || {
            for round in 0.. {
                writer.execute(&format!("UPDATE orders SET note = 'sent {round}' WHERE id % 2 = 0"));
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
    });
    waiting.wait_for(
        "a commit waits for its standby",
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
    );
    wait_until_released(&mut waiting.setup.cdc, &waiting.setup.session);
    waiting.let_it_begin();
    sleep(CHANCE);
    is_over.store(true, Ordering::Relaxed);
    waiting.setup.session.execute("ALTER SYSTEM RESET synchronous_standby_names");
    waiting.setup.session.execute("SELECT pg_reload_conf()");
    writing.join().expect("the writer");
    waiting.finish();
}

/// What was sent and not saved is sent again after a crash, with the numbers it had. A load that contained it would
/// drop it instead, and give its numbers to others.
#[test]
fn a_load_after_a_crash_waits_for_what_was_sent_before() {
    let mut waiting = Waiting::begin("reload-crash", shared_postgres());
    let setup = &mut waiting.setup;
    // Nothing is saved any more: the name of its temporary file is taken.
    let taken = setup.cdc.state_folder().join(format!("checkpoint.{}.tmp", setup.cdc.process_id()));
    fs::create_dir(taken).expect("a folder");
    // The server has much to read before it comes to the change again: time for a load that does not wait.
    setup.session.execute("CREATE TABLE filler AS SELECT generate_series(1, 500000); DROP TABLE filler");
    setup.session.execute("UPDATE orders SET note = 'sent, not saved' WHERE id % 2 = 0");
    let path = setup.events_file();
    setup.cdc.wait_until("the change is sent", || {
        let bytes = fs::read(&path).expect("the file");
        bytes.windows(15).any(|bytes| bytes == b"sent, not saved")
    });
    setup.cdc.kill();
    waiting.let_it_begin();
    waiting.setup.start_streaming();
    waiting.finish();
}

/// The slot begins before the rows are read; what lies between is in both, and a later run has to know.
#[test]
fn what_a_load_contains_is_known_to_the_next_run() {
    let postgres = Postgres::start(17);
    let mut setup = Setup::on(&postgres, "load-contains");
    setup.session.execute("CREATE TABLE other (id int PRIMARY KEY)");
    // The slot waits for two generations of open transactions, the load for a third.
    let open: Vec<Session> = (0..3).map(|_| connect(&postgres, &setup)).collect();
    let begin = |number: usize| {
        open[number].execute(&format!("BEGIN; INSERT INTO other VALUES ({number})"));
        open[number].value("SELECT pg_current_xact_id()").expect("an id")
    };
    let mut running = begin(0);
    setup.cdc.start_command(&["snapshot"]);
    for number in [1, 2] {
        let query = format!(
            "SELECT count(*) > 0 FROM pg_locks WHERE transactionid::text = '{running}' AND NOT granted"
        );
        let session = &setup.session;
        setup.cdc.wait_until("the slot waits", || session.value(&query).as_deref() == Some("t"));
        running = begin(number);
        open[number - 1].execute("COMMIT");
    }
    let session = &setup.session;
    setup.cdc.wait_until("the load waits", || {
        session
            .value("SELECT count(*) > 0 FROM pg_replication_slots WHERE confirmed_flush_lsn IS NOT NULL")
            .as_deref()
            == Some("t")
    });
    setup.session.execute("UPDATE orders SET note = 'read' WHERE id % 2 = 0");
    open[2].execute("COMMIT");
    assert_eq!(setup.cdc.wait(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_works();
    let twice =
        events(&setup).iter().filter(|event| event.op() == Op::Update && has_note(event, "read")).count();
    assert_eq!(twice, 0, "sent, although the load had them");
}
