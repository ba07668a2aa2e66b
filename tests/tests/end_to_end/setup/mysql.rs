//! The same for MySQL and MariaDB.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use end_to_end::connector::Connector;
use end_to_end::replay::{Delivered, Replay, Summary, source_rows};
use end_to_end::servers::{Mysql, Release, unique};
use end_to_end::session::Session;

use super::assert_says;

const DOCUMENT: &str = include_str!("../../../../docs/mysql.md");
/// Of the role that the documentation makes.
pub const PASSWORD: &str = "swordfish";

/// A database of its own with a table `orders`, and a pipeline from there.
pub struct MysqlSetup {
    pub cdc: Connector,
    pub session: Session,
    /// The database's name, which is the role's and the pipeline's as well.
    pub name: String,
    pub port: u16,
    /// What else the source's section says.
    pub url: String,
}

impl MysqlSetup {
    /// On this server, into a file.
    pub fn on(mysql: &Mysql, name: &str) -> Self {
        let name = unique(name);
        mysql.query(&format!("CREATE DATABASE `{name}`"));
        let session = Session::open_mysql(mysql, &name);
        session.execute(
            "CREATE TABLE orders (id int PRIMARY KEY, note text); \
             INSERT INTO orders VALUES (1, 'loaded'), (2, 'loaded'), (3, 'loaded'), (4, 'loaded'), (5, 'loaded'), \
               (6, 'loaded'), (7, 'loaded')",
        );
        session.execute(&statements(&name, &name));
        let cdc = Connector::new(&name, "");
        let url = format!("mysql://{name}:{PASSWORD}@127.0.0.1:{}/", mysql.port());
        let setup = Self { cdc, session, port: mysql.port(), url, name };
        setup.configure("", &setup.file_sink());
        setup
    }

    /// Writes the configuration anew: further keys of the source, and whatever comes after it.
    pub fn configure(&self, source: &str, sink: &str) {
        let tables =
            if source.contains("tables") { String::new() } else { format!("tables = [\"{}.*\"]", self.name) };
        self.cdc.configure(&format!("[source.mysql]\nurl = \"{}\"\n{tables}\n{source}\n{sink}", self.url));
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
            "BEGIN; SELECT max(id) INTO @last FROM orders; SELECT min(id) INTO @first FROM orders; \
             INSERT INTO orders VALUES (@last + 1, 'inserted'), (@last + 2, 'inserted'); \
             UPDATE orders SET note = CONCAT('updated ', @last) WHERE id % 7 = 0; \
             UPDATE orders SET id = @last + 3 WHERE id = @first; \
             DELETE FROM orders WHERE id = @first + 1; COMMIT",
        );
    }

    /// Waits until all that is committed is delivered and saved.
    pub fn catch_up(&mut self) {
        super::wait_until_caught_up(&mut self.cdc, &self.session);
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
        self.assert_file_complete(&self.events_file())
    }

    /// Compares another file with the source.
    pub fn assert_file_complete(&self, file: &Path) -> Summary {
        let mut replay = Replay::default();
        Delivered::each_of_file(file, |message| replay.take(&message));
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
        assert!(!said.contains(PASSWORD), "{said}");
    }

    /// As the messages advise: a new epoch, everything loaded again.
    pub fn begin_anew(&mut self) {
        let done: Output = self.cdc.run(&["snapshot", "--new-epoch"]);
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        let summary = self.assert_works();
        assert!(summary.loads >= 2, "{summary:?}");
    }
}

/// The server of this kind for tests that do it no harm.
pub fn shared(release: Release) -> &'static Mysql {
    static MYSQL: OnceLock<Mysql> = OnceLock::new();
    static MARIADB: OnceLock<Mysql> = OnceLock::new();
    let place = match release {
        Release::Mysql => &MYSQL,
        Release::Mariadb(_) => &MARIADB,
    };
    let settings = [("binlog_row_metadata", "FULL"), ("max_connections", "300")];
    let shared = place.get_or_init(|| Mysql::with_settings(release, &settings));
    assert_eq!(shared.release(), release, "one of a kind is shared");
    shared
}

/// The documentation's block that makes a role, for this role and database.
pub fn statements(role: &str, database: &str) -> String {
    let mut blocks = DOCUMENT.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = blocks.find(|block| block.starts_with("CREATE USER")).expect("the block in docs/mysql.md");
    block
        .replace("'cdc'", &format!("'{role}'"))
        .replace("'…'", &format!("'{PASSWORD}'"))
        .replace("shop.*", &format!("`{database}`.*"))
}

/// The section of the configuration for an administrator's URL, but as a role that may do what it must.
pub fn source(session: &Session, url: &str) -> String {
    let database = session.value("SELECT DATABASE()").expect("a default database");
    let role = unique("reader");
    session.execute(&statements(&role, &database));
    let (server, _) = url.rsplit_once('/').expect("a database");
    let url = server.replace("root@", &format!("{role}:{PASSWORD}@"));
    format!("[source.mysql]\nurl = \"{url}/\"\ntables = [\"{database}.*\"]\n")
}

/// Whether everything that is committed by now is delivered and saved, for whoever asks again and again.
pub fn catching_up(cdc: &Connector, session: &Session) -> impl Fn() -> bool + use<> {
    // What is not sent is not saved at once.
    session.execute(
        "CREATE TABLE IF NOT EXISTS marks (id int AUTO_INCREMENT PRIMARY KEY); INSERT INTO marks VALUES (NULL)",
    );
    let end = log_end(session);
    let checkpoint = cdc.state_folder().join("checkpoint");
    move || saved(&checkpoint) >= Some(end)
}

/// A file's number, and an offset in it.
type Offset = (u64, u64);

fn log_end(session: &Session) -> Offset {
    let is_mariadb = session.value("SELECT VERSION()").expect("a version").contains("MariaDB");
    let sql = if is_mariadb { "SHOW MASTER STATUS" } else { "SHOW BINARY LOG STATUS" };
    let row = session.rows(sql).into_iter().next().expect("a binary log");
    let text = |at: usize| row[at].as_deref().expect("a place");
    let number = text(0).rsplit('.').next().expect("a number");
    (number.parse().expect("a file's number"), text(1).parse().expect("an offset"))
}

/// What the checkpoint has; none as long as there is none.
fn saved(checkpoint: &Path) -> Option<Offset> {
    let content = fs::read_to_string(checkpoint).ok()?;
    let json: serde_json::Value = serde_json::from_str(content.split_once('\n')?.1).expect("JSON");
    let (file, offset) = json["position"]["binlog"]["offset"].as_str()?.split_once(':')?;
    Some((file.parse().ok()?, offset.parse().ok()?))
}
