//! Changes shown to a person: beside a running pipeline, and without leaving anything behind.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};

use end_to_end::connector::{Connector, binary};
use end_to_end::session::Session;
use serde_json::Value;

use crate::setup::{Setup, assert_says};

#[test]
fn beside_a_running_pipeline_both_see_the_rows() {
    let mut setup = Setup::new("watched");
    setup.start_streaming();
    setup.catch_up();
    let tail = Tail::start(&setup, &["--json", "--limit", "3"]);
    setup.session.execute("INSERT INTO orders VALUES (2001, 'a'), (2002, 'b')");
    setup.session.execute("DELETE FROM orders WHERE id = 2001");
    setup.session.execute("INSERT INTO orders VALUES (2003, 'one too many')");
    let text = tail.end(0);
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<(&str, i64)> = events
        .iter()
        .map(|event| (event["op"].as_str().unwrap(), event["key"]["id"].as_i64().unwrap()))
        .collect();
    assert_eq!(seen, [("insert", 2001), ("insert", 2002), ("delete", 2001)], "{text}");
    assert_no_slot_is_left(&setup);
    // The pipeline never noticed.
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_nothing_lost();
}

#[test]
fn what_is_shown_can_be_chosen_and_nothing_is_written_down() {
    let mut setup = Setup::new("chosen");
    setup.session.execute("CREATE TABLE customers (id int PRIMARY KEY, email text)");
    setup.configure(
        "[[table]]\nmatch = \"public.customers\"\nmask = { email = \"sha256\" }",
        &setup.file_sink(),
    );
    let refused = setup.cdc.run(&["tail"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_says(&String::from_utf8_lossy(&refused.stderr), &["CDC-PG-021", "CREATE PUBLICATION"]);
    setup.assert_works();
    let before = fs::read(setup.cdc.state_folder().join("checkpoint")).unwrap();

    let none = setup.cdc.run(&["tail", "--tables", "public.nothing"]);
    assert_eq!(none.status.code(), Some(1));
    assert_says(&String::from_utf8_lossy(&none.stderr), &["CDC-PG-042", "public.orders", "public.customers"]);

    let arguments = ["--tables", "public.customers", "--op", "update,delete", "--limit", "2"];
    let tail = Tail::start(&setup, &arguments);
    setup.session.execute(
        "INSERT INTO orders VALUES (3001, 'no'); INSERT INTO customers VALUES (1, 'a@b'); \
         UPDATE customers SET email = 'b@c'; DELETE FROM orders WHERE id = 3001; DELETE FROM customers",
    );
    let text = tail.end(0);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_says(lines[0], &["update", "public.customers id=1 email="]);
    assert_says(lines[1], &["delete", "public.customers id=1"]);
    // As the pipeline would send it; and no colours where there is no terminal.
    assert!(!text.contains("b@c") && !text.contains('\x1b'), "{text:?}");
    assert_no_slot_is_left(&setup);
    assert_eq!(fs::read(setup.cdc.state_folder().join("checkpoint")).unwrap(), before);

    let tail = Tail::start(&setup, &[]);
    tail.interrupt();
    assert_eq!(tail.end(0), "");
    assert_no_slot_is_left(&setup);
    setup.assert_works();
}

/// `cdc tail`, which goes on until it has had enough.
struct Tail(Child, BufReader<ChildStderr>);

impl Tail {
    /// Starts it, and waits until it is reading.
    fn start(setup: &Setup, arguments: &[&str]) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(binary()).arg("tail").args(arguments);
        command.arg("--config").arg(setup.cdc.config_file()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut tail = command.stdin(Stdio::null()).spawn().unwrap();
        // The slot is there, and active, before it is ready.
        let mut said = BufReader::new(tail.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("waiting for changes") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "it ended");
        }
        Self(tail, said)
    }

    fn interrupt(&self) {
        let pid = rustix::process::Pid::from_raw(self.0.id() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    /// Waits until it ends with this code; what it showed.
    fn end(mut self, exit_code: i32) -> String {
        let (mut shown, mut said) = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
        self.1.read_to_string(&mut said).unwrap();
        assert_eq!(self.0.wait().unwrap().code(), Some(exit_code), "{said}");
        shown
    }
}

fn assert_no_slot_is_left(setup: &Setup) {
    wait(|| setup.session.value(&slots(&setup.session)).as_deref() == Some("0"));
}

/// Counts those of this database.
fn slots(session: &Session) -> String {
    let database = session.value("SELECT current_database()").unwrap();
    format!(
        "SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'cdc_tail%' AND database = '{database}'"
    )
}

/// The server takes its time to notice.
fn wait(mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Connector::PATIENCE;
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "waited in vain");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
