//! Many rows: how fast they are compared, and what that takes. `make polling` has ten million of them.

use std::fs;
use std::time::{Duration, Instant};

use end_to_end::connector::Connector;
use end_to_end::servers::Postgres;
use end_to_end::session::Session;

use crate::world::postgres;

#[test]
fn one_row_in_a_hundred_is_found() {
    let rows: u64 =
        std::env::var("CDC_POLL_ROWS").map_or(30_000, |rows| rows.parse().expect("a number of rows"));
    let server = Postgres::with_settings(18, &[("autovacuum", "off"), ("max_wal_size", "4GB")]);
    let session = Session::open(&server, "postgres");
    session.execute(&format!(
        "CREATE UNLOGGED TABLE t (id int PRIMARY KEY, name text, email text, total numeric(12,2), visits bigint,
                                  day date, note text);
         INSERT INTO t SELECT n, 'customer ' || n, 'customer' || n || '@example.com', n % 100000 / 100.0, n * 7,
                              '2020-01-01'::date + n % 2000, 'note ' || n % 1000 FROM generate_series(1, {rows}) n;
         ANALYZE t;"
    ));
    let cdc = Connector::new(
        "scale",
        &format!(
            "[source.odbc]\nconnection_string = \"{}\"\n[[source.odbc.resource]]\ntable = \"public.t\"\n\
             [load]\nmode = \"only\"\n[sink.null]\n",
            postgres(&server, "postgres")
        ),
    );
    let mut run = Run { cdc, rows };
    run.scan("all new", rows);
    run.scan("none changed", 0);
    session.execute("UPDATE t SET visits = visits + 1 WHERE id % 100 = 0");
    let changed = rows / 100;
    run.scan("1 in 100 changed", changed);
    session.execute("DELETE FROM t WHERE id % 1000 = 0");
    run.scan("1 in 1000 gone", rows / 1000);
}

struct Run {
    cdc: Connector,
    rows: u64,
}

impl Run {
    fn scan(&mut self, what: &str, expected: u64) {
        let lines = self.cdc.log().len();
        let started = Instant::now();
        self.cdc.start();
        let mut peak = 0;
        while self.cdc.is_running() {
            peak = peak.max(self.cdc.peak_memory_bytes_while_alive().unwrap_or(peak));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(self.cdc.wait(), Some(0), "{}", self.cdc.log_text());
        let log = self.cdc.log()[lines..].join("\n");
        let line =
            log.lines().find(|line| line.contains("scanned")).expect("what the scan came to").to_owned();
        let number = |name: &str| -> u64 {
            let (_, rest) = line.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("{name}: {line}"));
            rest.split(' ')
                .next()
                .and_then(|word| word.parse().ok())
                .unwrap_or_else(|| panic!("{name}: {line}"))
        };
        let found = number("inserted") + number("updated") + number("deleted");
        assert_eq!(found, expected, "{line}");
        let comparing_ms = (number("took_ms") - number("fetching_ms")).max(1);
        let state: u64 = fs::metadata(self.cdc.state_folder().join("poll.sqlite")).expect("the state").len();
        println!(
            "{what}: {} rows, {:.1} s in all, {:.1} s of them the driver, {:.2} M rows/s compared, {} MB at most, {} bytes of \
             state a row",
            self.rows,
            started.elapsed().as_secs_f64(),
            number("fetching_ms") as f64 / 1e3,
            self.rows as f64 / comparing_ms as f64 / 1e3,
            peak >> 20,
            state / self.rows,
        );
        assert!(peak <= 128 << 20, "{} MB", peak >> 20);
        // A small table's pages and an empty outbox weigh.
        assert!(self.rows < 1_000_000 || state <= 60 * self.rows, "{} bytes a row", state / self.rows);
    }
}
