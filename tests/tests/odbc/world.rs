//! A pipeline that polls, and a consumer that checks whatever it gets.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::connector::Connector;
use end_to_end::servers::{Mysql, Post, Postgres};
use serde_json::Value;

/// A pipeline from a polled database into a file.
pub struct World {
    pub cdc: Connector,
    sink: PathBuf,
}

/// What a consumer has of it: per table, rows by their keys.
#[derive(Debug, Default)]
pub struct Replica {
    pub tables: HashMap<String, BTreeMap<String, Value>>,
    /// The events that count, in order, each once.
    pub events: Vec<Value>,
    /// The epoch, and the last number in it.
    seqs: HashMap<String, (u64, u64)>,
    went_back: bool,
}

/// Settings of Postgres's driver.
pub fn postgres(server: &Postgres, database: &str) -> String {
    postgres_at(server.port(), database)
}

pub fn postgres_at(port: u16, database: &str) -> String {
    format!("Driver=PostgreSQL Unicode;Servername=127.0.0.1;Port={port};Database={database};Uid=postgres")
}

pub fn mysql(server: &Mysql) -> String {
    format!("Driver=MariaDB Unicode;Server=127.0.0.1;Port={};UID=root", server.port())
}

impl World {
    /// `resources`: the sections, with `[[source.odbc.resource]]` each.
    pub fn new(name: &str, connection_string: &str, resources: &str) -> Self {
        let cdc = Connector::new(name, "");
        let sink = cdc.folder().join("events.ndjson");
        let world = Self { cdc, sink };
        world.configure(connection_string, resources, "");
        world
    }

    pub fn configure(&self, connection_string: &str, resources: &str, more: &str) {
        self.cdc.configure(&format!(
            "[source.odbc]\nconnection_string = \"{connection_string}\"\n{resources}\n\
             [sink.file]\npath = \"{}\"\n[format]\nkind = \"json\"\n{more}",
            self.sink.display()
        ));
    }

    /// Reads everything once, and ends.
    pub fn read_once(&mut self, connection_string: &str, resources: &str) -> Replica {
        self.configure(connection_string, resources, "[load]\nmode = \"only\"\n");
        self.cdc.start();
        assert_eq!(self.cdc.wait(), Some(0), "{}", self.cdc.log_text());
        self.replica()
    }

    /// All that is in the file by now, as a consumer understands it.
    pub fn replica(&self) -> Replica {
        Replica::of(&self.sink)
    }

    /// Waits until so many events have come.
    pub fn wait_for_events(&mut self, count: usize) -> Replica {
        self.wait_for("enough events", |replica| replica.events.len() >= count)
    }

    /// Waits until the consumer's rows are these.
    pub fn wait_for_rows(&mut self, table: &str, rows: &BTreeMap<String, Value>) {
        self.wait_for("the source's rows", |replica| replica.tables.get(table) == Some(rows));
    }

    /// Waits until what the consumer has is as it should be.
    pub fn wait_for(&mut self, what: &str, is_there: impl Fn(&Replica) -> bool) -> Replica {
        let sink = self.sink.clone();
        self.cdc.wait_until(what, || is_there(&Replica::of(&sink)));
        self.replica()
    }

    /// What `cdc status --json` says.
    pub fn status(&self) -> Value {
        let output = self.cdc.run(&["status", "--json"]);
        serde_json::from_slice(&output.stdout).expect("a report")
    }
}

impl Replica {
    fn of(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_default();
        // The last line may be half written.
        Self::of_events(text.split_inclusive('\n').map_while(|line| line.strip_suffix('\n')))
    }

    /// Of what a receiver took.
    pub fn of_posts(posts: &[Post]) -> Self {
        let events: Vec<String> = posts.iter().flat_map(Post::json).map(|event| event.to_string()).collect();
        Self::of_events(events.iter().map(String::as_str))
    }

    fn of_events<'l>(lines: impl Iterator<Item = &'l str>) -> Self {
        let mut replica = Self::default();
        let mut by_id: HashMap<String, String> = HashMap::new();
        for line in lines {
            let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if event["op"] == "schema" {
                continue;
            }
            let id = event["id"].as_str().expect("an ID").to_owned();
            match by_id.insert(id, line.to_owned()) {
                None => replica.take(event),
                // Redelivered: the same to the byte.
                Some(before) => assert_eq!(before, line),
            }
        }
        replica
    }

    fn take(&mut self, event: Value) {
        let table = format!("{}.{}", event["schema"].as_str().unwrap(), event["table"].as_str().unwrap());
        let epoch = event["epoch"].as_u64().unwrap();
        let (last, seq) = self.seqs.entry(table.clone()).or_insert((epoch, 0));
        assert!(epoch >= *last, "an epoch that was over: {event}");
        if epoch > *last {
            (*last, *seq) = (epoch, 0);
            self.went_back = true;
        }
        *seq += 1;
        assert_eq!(event["table_seq"], *seq, "a hole or a disorder: {event}");
        let rows = self.tables.entry(table).or_default();
        let key = event["key"].to_string();
        let (op, after) = (event["op"].as_str().unwrap(), event["after"].clone());
        let before = if op == "delete" { rows.remove(&key) } else { rows.insert(key, after) };
        let was_there = match op {
            "insert" => false,
            "update" | "delete" => true,
            other => panic!("{other}: {event}"),
        };
        // Whoever goes on from a copy does not know what was told after it.
        assert!(self.went_back || before.is_some() == was_there, "{before:?}, then {event}");
        self.events.push(event);
    }

    pub fn rows(&self, table: &str) -> Vec<&Value> {
        self.tables.get(table).map(|rows| rows.values().collect()).unwrap_or_default()
    }
}

/// A database of SQLite, as people have one with its own client.
pub struct Sqlite(pub PathBuf);

impl Sqlite {
    pub fn connection_string(&self) -> String {
        format!("Driver=SQLite3;Database={}", self.0.display())
    }

    /// Runs statements, through Python: the program under test brings its own SQLite along, and must not be told by it.
    pub fn execute(&self, statements: &str) {
        let script = "import sqlite3, sys\n\
                      c = sqlite3.connect(sys.argv[1], timeout=60)\n\
                      c.executescript(sys.stdin.read())\nc.commit()\n";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(&self.0)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("run python3");
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), statements.as_bytes()).unwrap();
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success(), "{statements:.500}");
    }
}
