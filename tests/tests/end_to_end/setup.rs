//! What most tests here set up: a database, a file, and the program between them.

pub mod mysql;

use std::path::PathBuf;
use std::process::Output;
use std::sync::OnceLock;

use end_to_end::connector::Connector;
use end_to_end::dialect::Dialect;
use end_to_end::replay::{Delivered, Replay, Summary, source_rows};
use end_to_end::servers::{Postgres, unique};
use end_to_end::session::Session;

use crate::least::Role;

/// A database of its own with a table `orders`, and a pipeline from there.
pub struct Setup {
    pub cdc: Connector,
    pub session: Session,
    pub url: String,
    /// As whom the pipeline connects.
    pub role: Role,
}

/// The server for tests that do it no harm.
pub fn shared_postgres() -> &'static Postgres {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    SHARED.get_or_init(|| {
        Postgres::with_settings(
            17,
            &[("max_replication_slots", "300"), ("max_wal_senders", "300"), ("max_connections", "700")],
        )
    })
}

impl Setup {
    /// On the shared server, into a file.
    pub fn new(name: &str) -> Self {
        Self::on(shared_postgres(), name)
    }

    /// On this server, into a file.
    pub fn on(postgres: &Postgres, name: &str) -> Self {
        let name = unique(name);
        Session::open(postgres, "postgres").execute(&format!("CREATE DATABASE \"{name}\""));
        let session = Session::open(postgres, &name);
        session.execute(
            "CREATE TABLE orders (id int PRIMARY KEY, note text); \
             INSERT INTO orders SELECT g, 'loaded' FROM generate_series(1, 100) g",
        );
        let role = Role::create(&session, &name);
        let url = role.url(&postgres.url(&name));
        let cdc = Connector::new(&name, "");
        let setup = Self { cdc, session, url, role };
        setup.configure("", &setup.file_sink());
        setup
    }

    /// Writes the configuration anew: further keys of the source, and whatever comes after it.
    pub fn configure(&self, source: &str, sink: &str) {
        self.cdc.configure(&format!("[source.postgres]\nurl = \"{}\"\n{source}\n{sink}", self.url));
    }

    /// Where the events go.
    pub fn events_file(&self) -> PathBuf {
        self.cdc.folder().join("events")
    }

    /// The section of a sink that writes there.
    pub fn file_sink(&self) -> String {
        format!("[sink.file]\npath = \"{}\"\n", self.events_file().display())
    }

    /// A few changes of each kind.
    pub fn write_some(&self) {
        self.session.execute(
            "INSERT INTO orders SELECT max(id) + 1, 'inserted' FROM orders; \
             INSERT INTO orders SELECT max(id) + 1, 'inserted' FROM orders; \
             UPDATE orders SET note = 'updated ' || now() WHERE id % 7 = 0; \
             UPDATE orders SET id = (SELECT max(id) + 1 FROM orders) WHERE id = (SELECT min(id) FROM orders); \
             DELETE FROM orders WHERE id = (SELECT min(id) FROM orders)",
        );
    }

    /// Waits until all that is committed is delivered, saved and let go of.
    pub fn catch_up(&mut self) {
        wait_until_caught_up(&mut self.cdc, &self.session);
    }

    /// Starts it, and waits until changes are sent.
    pub fn start_streaming(&mut self) {
        let lines = self.cdc.log().len();
        self.cdc.start();
        self.cdc.wait_for_log_after(lines, "streaming");
    }

    /// Starts it, catches up with further changes, ends it, and compares.
    pub fn assert_works(&mut self) -> Summary {
        self.start_streaming();
        self.write_some();
        self.catch_up();
        assert_eq!(self.cdc.terminate(), Some(0), "{}", self.cdc.log_text());
        self.assert_nothing_lost()
    }

    /// Compares the file with the source.
    pub fn assert_nothing_lost(&self) -> Summary {
        let mut replay = Replay::default();
        Delivered::each_of_file(&self.events_file(), |message| replay.take(&message));
        replay.assert_equals(&source_rows(&self.session), &self.cdc.log_text())
    }

    /// Starts it, and sees it end by itself with this code and a text that holds all of these.
    pub fn assert_refused(&mut self, exit_code: i32, words: &[&str]) {
        let before = self.cdc.log().len();
        self.cdc.start();
        let code = self.cdc.wait();
        let said = self.cdc.log()[before..].join("\n");
        assert_eq!(code, Some(exit_code), "{said}");
        assert_says(&said, words);
    }
}

/// Whether a text for people holds all of these, and nothing that only a programmer would understand.
pub fn assert_says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "`{word}` is missing:\n{said}");
    }
    assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{said}");
}

/// Whether a command went well; what it wrote.
pub fn assert_done(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits until everything that is committed by now is delivered, saved and let go of. It must be streaming already: a
/// new slot begins beyond what is still to be loaded.
pub fn wait_until_caught_up(cdc: &mut Connector, session: &Session) {
    let has_caught_up = catching_up(cdc, session);
    cdc.wait_until("everything that was committed is saved", has_caught_up);
}

/// Whether everything that is committed by now is delivered, saved and let go of, for whoever asks again and again.
pub fn catching_up<'s>(cdc: &Connector, session: &'s Session) -> Box<dyn Fn() -> bool + 's> {
    match session.dialect() {
        Dialect::Postgres => {
            session.execute("SELECT pg_logical_emit_message(true, 'test', 'the end')");
            Box::new(releasing(cdc, session))
        }
        Dialect::Mysql => Box::new(mysql::catching_up(cdc, session)),
    }
}

/// Waits until what is committed by now is let go of, without writing anything more.
pub fn wait_until_released(cdc: &mut Connector, session: &Session) {
    let is_released = releasing(cdc, session);
    cdc.wait_until("everything that was committed is let go of", is_released);
}

fn releasing<'s>(cdc: &Connector, session: &'s Session) -> impl Fn() -> bool + 's {
    let end = session.value("SELECT pg_current_wal_insert_lsn()").expect("a position");
    let slot = cdc.slot();
    let sql =
        format!("SELECT confirmed_flush_lsn >= '{end}' FROM pg_replication_slots WHERE slot_name = '{slot}'");
    move || session.value(&sql).as_deref() == Some("t")
}

/// The section of the configuration that names a source: a superuser's URL, but as a role that may do what it must.
pub fn source(session: &Session, url: &str) -> String {
    match session.dialect() {
        Dialect::Postgres => {
            let database = session.value("SELECT current_database()").expect("a name");
            let url = Role::create(session, &database).url(url);
            format!("[source.postgres]\nurl = \"{url}\"\n")
        }
        Dialect::Mysql => mysql::source(session, url),
    }
}
