use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Server, Stop};

/// A MySQL or MariaDB server with a binary log in rows; its user `root` has no password.
#[derive(Debug)]
pub struct Mysql {
    server: Server,
    release: Release,
}

/// Which server, of those that speak the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// The newest MySQL that there is a package of.
    Mysql,
    /// MariaDB, by its version: `11.8`.
    Mariadb(&'static str),
}

impl Release {
    /// Those that every behaviour is tested against.
    pub const ALL: [Self; 4] =
        [Self::Mysql, Self::Mariadb("10.11"), Self::Mariadb("11.4"), Self::Mariadb("11.8")];
}

impl Mysql {
    /// Starts a new server of this release.
    pub fn start(release: Release) -> Self {
        Self::with_settings(release, &[])
    }

    /// Starts a new server with these in its configuration file.
    pub fn with_settings(release: Release, settings: &[(&str, &str)]) -> Self {
        let server = match release {
            Release::Mysql => Server::start("mysql", &[], settings),
            Release::Mariadb(version) => {
                Server::start("mariadb", &["--version".to_owned(), version.to_owned()], settings)
            }
        };
        Self { server, release }
    }

    /// Which server it is.
    pub fn release(&self) -> Release {
        self.release
    }

    /// Runs statements, in one session, and returns the rows that they give: as the server's own client prints them, that
    /// is, NULL as `NULL`, and a tab, a newline and a backslash with a backslash before them.
    ///
    /// # Panics
    /// With what the server says, when it refuses a statement.
    pub fn query(&self, statements: &str) -> Vec<Vec<String>> {
        // MariaDB's checks certificates over a socket too, and those of some tests are no good.
        let plain = if self.release == Release::Mysql { "--ssl-mode=DISABLED" } else { "--skip-ssl" };
        let mut client = Command::new(self.server.fact("client"))
            .args(["--no-defaults", "--user=root", "--batch", "--skip-column-names"])
            .args(["--default-character-set=utf8mb4", "--binary-mode", plain])
            .arg(format!("--socket={}", self.server.fact("socket")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("run the server's client");
        let mut input = client.stdin.take().expect("its input");
        // It answers while it reads: only a thread beside it can't fill both pipes.
        let output = std::thread::scope(|scope| {
            scope.spawn(move || drop(input.write_all(statements.as_bytes())));
            client.wait_with_output().expect("what the client says")
        });
        let refusal = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{refusal}in {statements:.500}");
        let rows = String::from_utf8(output.stdout).expect("text");
        rows.lines().map(|row| row.split('\t').map(str::to_owned).collect()).collect()
    }

    /// Runs a statement that gives one value.
    pub fn value(&self, statement: &str) -> String {
        let rows = self.query(statement);
        rows.into_iter().flatten().next().unwrap_or_else(|| panic!("no row: {statement}"))
    }

    /// The files of its binary log, oldest first. What a session has committed is in them.
    pub fn binlog_files(&self) -> Vec<PathBuf> {
        let folder = self.data_folder();
        self.query("SHOW BINARY LOGS").into_iter().map(|row| folder.join(&row[0])).collect()
    }

    /// Where it is reached over TCP, as root.
    pub fn url(&self, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}", self.port())
    }

    /// The TCP port; it stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Its Unix socket.
    pub fn socket(&self) -> &Path {
        Path::new(self.server.fact("socket"))
    }

    /// The data directory.
    pub fn data_folder(&self) -> &Path {
        Path::new(self.server.fact("data"))
    }

    /// Stops it.
    pub fn stop(&mut self, mode: Stop) {
        self.server.stop(mode);
    }

    /// Starts it after a stop: same port, same data.
    pub fn start_again(&mut self) {
        self.server.start_again();
    }
}
