//! A server to write into, and the reader on it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use binlog_reader::system::{self, System};
use binlog_reader::{Config, Error, Options, Session, Stream};
use end_to_end::servers::{Mysql, Release};
use event::{
    Batch, BatchLimits, BatchPool, Encoder, Fences, LogPlace, Position, Prepared, Remembered, Shapes,
    Source as _, TableName, TableRules,
};
use serde_json::Value;

/// A server of a test's own, with a database `shop`.
pub(crate) struct World {
    pub(crate) mysql: Mysql,
    pub(crate) options: Options,
}

/// A reader, and what a checkpoint would remember of it.
pub(crate) struct Reader {
    stream: Stream,
    pool: BatchPool,
    pub(crate) fences: Fences,
    pub(crate) shapes: Shapes,
    pub(crate) prepared: Prepared,
    /// The last position that was marked.
    pub(crate) position: Position,
    pub(crate) table_seqs: BTreeMap<TableName, u64>,
    /// Of a transaction whose end has not come yet.
    pending: Vec<Value>,
}

/// Whatever a test waits for comes sooner than this, or not at all.
const PATIENCE: Duration = Duration::from_secs(180);

impl World {
    /// Its log says what columns are.
    pub(crate) fn new(release: Release) -> Self {
        Self::with_settings(release, &[])
    }

    pub(crate) fn with_settings(release: Release, settings: &[(&str, &str)]) -> Self {
        let settings: Vec<_> = [("binlog_row_metadata", "FULL")].iter().chain(settings).copied().collect();
        let mysql = Mysql::with_settings(release, &settings);
        mysql.query("CREATE DATABASE shop");
        let options = options(&mysql);
        Self { mysql, options }
    }

    /// Runs statements in the database, in one session.
    pub(crate) fn run(&self, sql: &str) {
        self.mysql.query(&format!("USE shop; {sql}"));
    }

    pub(crate) async fn session(&self) -> Session {
        Session::open(&self.options.connection).await.unwrap()
    }

    pub(crate) async fn system(&self) -> System {
        system::identify(&mut self.session().await).await.unwrap()
    }

    /// Where the log ends now.
    pub(crate) async fn position(&self) -> Position {
        let system = self.system().await;
        Position::Binlog(system::position(&mut self.session().await, &system).await.unwrap())
    }

    /// A reader from the end of the log on.
    pub(crate) async fn reader(&self) -> Reader {
        Reader::open(&self.options, self.position().await).await.unwrap()
    }
}

/// All tables of the database, from the beginning.
pub(crate) fn options(mysql: &Mysql) -> Options {
    Options {
        connection: Config::parse(&format!("mysql://root@127.0.0.1:{}/", mysql.port())).unwrap(),
        server_id: None,
        wanted: Arc::new(|name| name.schema == "shop"),
        since: Arc::new(|_| LogPlace::START),
        rules: Arc::new(|_| TableRules::default()),
        drop_origins: Vec::new(),
        join_key_changes: false,
        load_workers: 1,
        load_unit_rows: Options::LOAD_UNIT_ROWS,
        snapshot_max: None,
        spool: None,
    }
}

impl Reader {
    pub(crate) async fn open(options: &Options, position: Position) -> Result<Self, Error> {
        let limits = BatchLimits { bytes: 1 << 16, messages: 1000 };
        Ok(Self {
            stream: soon("the log", Stream::open(options, &position, [])).await?,
            pool: BatchPool::new(Encoder::json("world", 1), limits),
            fences: Fences::default(),
            shapes: Shapes::default(),
            prepared: Prepared::default(),
            position,
            table_seqs: BTreeMap::new(),
            pending: Vec::new(),
        })
    }

    /// Goes on from the last mark with what is remembered, as after a crash.
    pub(crate) async fn reopen(self, options: &Options) -> Result<Self, Error> {
        let table_seqs: Vec<_> = self.table_seqs.clone().into_iter().collect();
        drop(self.stream);
        let stream = soon("the log", Stream::open(options, &self.position, table_seqs)).await?;
        Ok(Self { stream, pending: Vec::new(), ..self })
    }

    /// Takes in what comes next; events of transactions that are over.
    pub(crate) async fn more(&mut self) -> Result<Vec<Value>, Error> {
        soon("an event", self.wait()).await
    }

    /// The same, however long it takes.
    pub(crate) async fn wait(&mut self) -> Result<Vec<Value>, Error> {
        let mut batch = self.pool.batch();
        let mut remembered =
            Remembered { fences: &mut self.fences, shapes: &mut self.shapes, prepared: &mut self.prepared };
        self.stream.fill(&mut batch, &mut remembered).await?;
        let ended = batch.reached().map_or(0, |reached| reached.messages);
        let mut events = parse(&batch);
        let open = events.split_off(ended);
        if let Some(reached) = batch.reached() {
            self.position = reached.position.clone();
            for (route, table_seq) in &reached.table_seqs {
                if let event::Route::Table(name) = &**route {
                    self.table_seqs.insert(name.clone(), *table_seq);
                }
            }
            let done = self.pending.drain(..).chain(events.into_iter().flatten()).collect();
            self.pending = open.into_iter().flatten().collect();
            return Ok(done);
        }
        self.pending.extend(open.into_iter().flatten());
        Ok(Vec::new())
    }

    /// Reads until it comes to the insert of this id into `mark`, and returns what came before it.
    pub(crate) async fn until_mark(&mut self, id: i64) -> Vec<Value> {
        self.try_until_mark(id).await.unwrap()
    }

    pub(crate) async fn try_until_mark(&mut self, id: i64) -> Result<Vec<Value>, Error> {
        let mut events = Vec::new();
        loop {
            for event in self.more().await? {
                let is_mark = event["table"] == "mark";
                if is_mark && event["op"] == "insert" && event["after"]["id"] == id {
                    return Ok(events);
                }
                if !is_mark {
                    events.push(event);
                }
            }
        }
    }

    /// What the log said of tables themselves.
    pub(crate) fn news(&mut self) -> Vec<event::TableNews> {
        self.stream.take_news()
    }

    /// What stops it.
    pub(crate) async fn failure(&mut self) -> Error {
        loop {
            if let Err(error) = self.more().await {
                return error;
            }
        }
    }
}

/// None for the copies of schemas by their fingerprints.
fn parse(batch: &Batch) -> Vec<Option<Value>> {
    let parse = |message: event::Message<'_>| {
        let is_of_table = matches!(**message.route, event::Route::Table(_));
        is_of_table.then(|| serde_json::from_slice(message.payload.unwrap()).unwrap())
    };
    batch.messages().map(parse).collect()
}

/// One line an event: its operation, its table and what it says of the row.
pub(crate) fn lines(events: &[Value]) -> Vec<String> {
    let rows = events.iter().filter(|event| event["op"] != "schema");
    rows.map(|event| {
        let row = if event["after"].is_null() { &event["before"] } else { &event["after"] };
        format!("{} {} {row}", event["op"].as_str().unwrap(), event["table"].as_str().unwrap())
    })
    .collect()
}

/// Fails the test when it takes too long.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("{what} did not come"),
    }
}
