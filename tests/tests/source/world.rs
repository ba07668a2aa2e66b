//! A database to write into, and the reader on it.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use end_to_end::servers::{Postgres, unique};
use event::envelope::{ChangeEvent, Op};
use event::{
    Batch, BatchLimits, BatchPool, Begun, Encoder, Fences, Finished, Format, KeyBound, Load as _,
    LoadRequest, LogPlace, Lsn, Position, Prepared, Read, Remembered, Route, Shapes, Source as _, TableName,
    TransactionPlace,
};
use prost::Message as _;
use tokio_postgres::{Client, SimpleQueryMessage};
use wal_reader::publication::{self, Survey, Taking};
use wal_reader::wire::{self, Config, Connection, Mode};
use wal_reader::{Error, Loader, Options, Stream, slot};

/// One database, with everything that reads it named.
pub(crate) struct World {
    server: Server,
    /// A session of its owner.
    pub(crate) sql: Client,
    pub(crate) options: Options,
    pub(crate) pool: BatchPool,
}

enum Server {
    Shared(&'static Postgres),
    Own(Box<Postgres>),
}

/// Whatever a test waits for comes sooner than this, or not at all.
const PATIENCE: Duration = Duration::from_secs(180);

impl World {
    /// A database of the server that all tests share which keep no transaction open: an open one makes every new slot
    /// of its server wait, and every load.
    pub(crate) async fn shared() -> Self {
        Self::on(shared_server(), "").await
    }

    /// A database of that server whose text is in this encoding.
    pub(crate) async fn encoded(encoding: &str) -> Self {
        Self::on(shared_server(), &format!("ENCODING '{encoding}' TEMPLATE template0")).await
    }

    async fn on(postgres: &'static Postgres, database_options: &str) -> Self {
        let database = unique("source").replace('-', "_");
        let admin = postgres.connect("postgres").await;
        admin.batch_execute(&format!("CREATE DATABASE {database} {database_options}")).await.unwrap();
        Self::of(Server::Shared(postgres), &database).await
    }

    /// A server of its own, with these settings.
    pub(crate) async fn own(version: u32, settings: &[(&str, &str)]) -> Self {
        Self::of(Server::Own(Box::new(Postgres::with_settings(version, settings))), "postgres").await
    }

    async fn of(server: Server, database: &str) -> Self {
        let postgres = server.postgres();
        let options = Options {
            connection: Config::parse(&postgres.url(database)).unwrap(),
            slot: format!("slot_{database}"),
            publication: "published".to_owned(),
            wanted: Arc::new(|_| true),
            since: Arc::new(|_| LogPlace::START),
            rules: Arc::new(|_| event::TableRules::default()),
            drop_origins: Vec::new(),
            fetch_unchanged: false,
            join_key_changes: false,
            spool: None,
            load_workers: 2,
            load_unit_rows: Options::LOAD_UNIT_ROWS,
            snapshot_max: None,
        };
        let limits = BatchLimits { bytes: 1 << 16, messages: 1000 };
        let pool = BatchPool::new(Encoder::new("world", 1, Format::Protobuf), limits);
        let sql = postgres.connect(database).await;
        Self { server, sql, options, pool }
    }

    pub(crate) fn postgres(&self) -> &Postgres {
        self.server.postgres()
    }

    /// Only of a server of its own.
    pub(crate) fn postgres_mut(&mut self) -> &mut Postgres {
        match &mut self.server {
            Server::Own(postgres) => postgres,
            Server::Shared(_) => panic!("the shared server is not this test's to stop"),
        }
    }

    /// Another session.
    pub(crate) async fn connect(&self) -> Client {
        self.postgres().connect(self.options.connection.database()).await
    }

    pub(crate) async fn reconnect(&mut self) {
        self.sql = self.connect().await;
    }

    pub(crate) async fn run(&self, sql: &str) {
        run(&self.sql, sql).await;
    }

    /// The first column of the first row, as text.
    pub(crate) async fn text(&self, sql: &str) -> String {
        text(&self.sql, sql).await
    }

    pub(crate) async fn lsn(&self, sql: &str) -> Lsn {
        self.text(sql).await.parse().unwrap()
    }

    /// A session as the reader opens it.
    pub(crate) async fn wire(&self, mode: Mode) -> Connection {
        wire::connect(&self.options.connection, mode).await.unwrap()
    }

    /// Publishes all tables that there are, then creates the slot; returns where it starts.
    pub(crate) async fn begin(&self) -> Lsn {
        self.publish().await;
        self.slot().await
    }

    pub(crate) async fn publish(&self) {
        self.try_publish().await.unwrap();
    }

    pub(crate) async fn try_publish(&self) -> Result<Survey, Error> {
        publication::ensure(&mut self.wire(Mode::Sql).await, &self.options, Taking::All).await
    }

    pub(crate) async fn slot(&self) -> Lsn {
        soon("the slot", slot::create(&mut self.wire(Mode::Sql).await, &self.options.slot)).await.unwrap()
    }

    pub(crate) async fn loader(&self) -> Loader {
        Loader::open(&self.options).await.unwrap()
    }

    /// Reads a table to its end, all units one after the other.
    pub(crate) async fn load(&self, table: &str) -> Loaded {
        let mut loader = self.loader().await;
        load(&mut loader, &self.pool, table).await
    }

    pub(crate) async fn tail(&self, position: Lsn) -> Tail {
        self.resume(position, BTreeMap::new(), Fences::default()).await
    }

    pub(crate) async fn tail_over(&self, position: Lsn, fences: Fences) -> Tail {
        self.resume(position, BTreeMap::new(), fences).await
    }

    pub(crate) async fn resume(
        &self,
        position: Lsn,
        table_seqs: BTreeMap<TableName, u64>,
        fences: Fences,
    ) -> Tail {
        // Whoever read from it a moment ago may not have left yet.
        let free =
            format!("SELECT NOT active FROM pg_replication_slots WHERE slot_name = '{}'", self.options.slot);
        wait_until(&self.sql, &free).await;
        let stream = Stream::open(&self.options, position, table_seqs.clone()).await.unwrap();
        Tail { stream, fences, pool: self.pool.clone(), reached: position, table_seqs }
    }

    /// The table's rows, each as `(a,b,…)`, ascending.
    pub(crate) async fn rows(&self, table: &str) -> Vec<String> {
        let messages = self.sql.simple_query(&format!("SELECT * FROM {table}")).await.unwrap();
        let mut rows: Vec<String> = messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            })
            .map(|row| {
                let cells: Vec<&str> =
                    (0..row.len()).map(|column| row.get(column).unwrap_or_default()).collect();
                format!("({})", cells.join(","))
            })
            .collect();
        rows.sort();
        rows
    }
}

fn shared_server() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| {
        Postgres::with_settings(
            15,
            // Each test leaves a slot behind.
            &[("max_replication_slots", "300"), ("max_wal_senders", "300"), ("max_connections", "200")],
        )
    })
}

impl Server {
    fn postgres(&self) -> &Postgres {
        match self {
            Self::Shared(postgres) => postgres,
            Self::Own(postgres) => postgres,
        }
    }
}

pub(crate) async fn run(sql: &Client, statements: &str) {
    soon(statements, sql.batch_execute(statements))
        .await
        .unwrap_or_else(|error| panic!("{statements}: {error:?}"));
}

pub(crate) async fn text(sql: &Client, query: &str) -> String {
    let messages =
        soon(query, sql.simple_query(query)).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    row.unwrap_or_else(|| panic!("{query}: no row")).get(0).unwrap_or("null").to_owned()
}

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Asks again until the query says `t`.
pub(crate) async fn wait_until(sql: &Client, query: &str) {
    soon(query, async {
        while text(sql, query).await != "t" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub(crate) fn table(name: &str) -> TableName {
    TableName::new("public", name)
}

/// All units of a table.
pub(crate) struct Loaded {
    pub(crate) events: Vec<ChangeEvent>,
    pub(crate) units: Vec<Finished>,
}

impl Loaded {
    pub(crate) fn fences(&self) -> Fences {
        let mut fences = Fences::default();
        self.add_to(&mut fences);
        fences
    }

    pub(crate) fn add_to(&self, fences: &mut Fences) {
        for unit in &self.units {
            fences.add(unit.table.clone(), unit.fence.clone());
        }
    }
}

pub(crate) async fn load(loader: &mut Loader, pool: &BatchPool, name: &str) -> Loaded {
    load_from(loader, pool, name, None).await
}

/// The units from there on.
pub(crate) async fn load_from(
    loader: &mut Loader,
    pool: &BatchPool,
    name: &str,
    mut from: Option<KeyBound>,
) -> Loaded {
    let mut loaded = Loaded { events: Vec::new(), units: Vec::new() };
    loop {
        begin(loader, name, from).await;
        let (events, unit) = read(loader, pool).await;
        loaded.events.extend(events);
        from = unit.next;
        loaded.units.push(unit);
        if from.is_none() {
            return loaded;
        }
    }
}

/// Begins a unit, as soon as that can be.
pub(crate) async fn begin(loader: &mut Loader, name: &str, from: Option<KeyBound>) {
    let begun = try_begin(loader, &table(name), from, &HashSet::new()).await.unwrap();
    assert!(matches!(begun, Begun::Reading), "{name}: {begun:?}");
}

/// The answer, once it is another than to come again: some transaction is open on a server at almost any moment.
pub(crate) async fn try_begin(
    loader: &mut Loader,
    name: &TableName,
    from: Option<KeyBound>,
    delivered: &HashSet<TransactionPlace>,
) -> Result<Begun, Error> {
    soon("a unit to begin", async {
        loop {
            match loader.begin(&LoadRequest::default(), name, from, delivered).await? {
                Begun::NotYet(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                begun => return Ok(begun),
            }
        }
    })
    .await
}

/// Reads the unit that was begun.
pub(crate) async fn read(loader: &mut Loader, pool: &BatchPool) -> (Vec<ChangeEvent>, Finished) {
    soon("a unit's end", try_read(loader, pool)).await.unwrap()
}

pub(crate) async fn try_read(
    loader: &mut Loader,
    pool: &BatchPool,
) -> Result<(Vec<ChangeEvent>, Finished), Error> {
    let mut events = Vec::new();
    loop {
        let mut batch = pool.batch();
        let read = loader.read(&mut batch).await?;
        events.extend(decode(&batch));
        if let Read::Finished(unit) = read {
            return Ok((events, unit));
        }
    }
}

/// The stream, and what a pipeline remembers of it.
pub(crate) struct Tail {
    pub(crate) stream: Stream,
    pub(crate) fences: Fences,
    pub(crate) pool: BatchPool,
    pub(crate) reached: Lsn,
    pub(crate) table_seqs: BTreeMap<TableName, u64>,
}

impl Tail {
    /// What is there, once there is something.
    pub(crate) async fn fill(&mut self) -> Result<Vec<ChangeEvent>, Error> {
        let mut batch = self.pool.batch();
        soon("the stream", fill(&mut self.stream, &mut batch, &mut self.fences)).await?;
        self.note(&batch);
        Ok(decode(&batch))
    }

    /// All up to a message that is written now.
    pub(crate) async fn until_now(&mut self, sql: &Client) -> Vec<ChangeEvent> {
        let prefix = unique("mark");
        run(sql, &format!("SELECT pg_logical_emit_message(true, '{prefix}', '')")).await;
        self.until(|event| event.message.as_ref().is_some_and(|message| message.prefix == prefix)).await
    }

    /// All before the event that is awaited.
    pub(crate) async fn until(&mut self, is_last: impl Fn(&ChangeEvent) -> bool) -> Vec<ChangeEvent> {
        let mut events = Vec::new();
        loop {
            for event in self.fill().await.unwrap() {
                if is_last(&event) {
                    return events;
                }
                events.push(event);
            }
        }
    }

    /// Fills until that fails.
    pub(crate) async fn failure(&mut self) -> Error {
        loop {
            if let Err(error) = self.fill().await {
                return error;
            }
        }
    }

    pub(crate) fn note(&mut self, batch: &Batch) {
        let Some(reached) = batch.reached() else { return };
        let Position::Postgres(position) = reached.position else { panic!("a binary log") };
        assert!(position >= self.reached, "the position went back");
        self.reached = position;
        for (route, table_seq) in &reached.table_seqs {
            let Route::Table(name) = &**route else { panic!("a sequence of {route:?}") };
            self.table_seqs.insert(name.clone(), *table_seq);
        }
    }
}

/// Fills a batch; of all that a pipeline remembers for the log's sake, this one needs the fences.
pub(crate) async fn fill(stream: &mut Stream, batch: &mut Batch, fences: &mut Fences) -> Result<(), Error> {
    let (mut shapes, mut prepared) = (Shapes::default(), Prepared::default());
    stream.fill(batch, &mut Remembered { fences, shapes: &mut shapes, prepared: &mut prepared }).await
}

/// What a consumer of the tables' topics gets.
pub(crate) fn decode(batch: &Batch) -> Vec<ChangeEvent> {
    batch
        .messages()
        .filter(|message| **message.route != Route::Schemas)
        .map(|message| ChangeEvent::decode(message.payload.expect("no tombstones in protobuf")).unwrap())
        .collect()
}

/// Without the SCHEMA events.
pub(crate) fn changes(events: &[ChangeEvent]) -> Vec<ChangeEvent> {
    events.iter().filter(|event| event.op() != Op::Schema).cloned().collect()
}
