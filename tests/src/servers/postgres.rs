use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tokio_postgres::NoTls;

use super::{Server, Stop};

/// A PostgreSQL server with `wal_level = logical`, user `postgres`, trust authentication, and fsync off.
#[derive(Debug)]
pub struct Postgres(Server);

impl Postgres {
    /// The major versions that every behaviour is tested against.
    pub const VERSIONS: [u32; 5] = [14, 15, 16, 17, 18];

    /// Starts a new server of this major version.
    pub fn start(version: u32) -> Self {
        Self::with_settings(version, &[])
    }

    /// Starts a new server with these in its configuration file; `ALTER SYSTEM` wins over them.
    pub fn with_settings(version: u32, settings: &[(&str, &str)]) -> Self {
        Self(Server::start("postgres", &["--version".to_owned(), version.to_string()], settings))
    }

    /// A server with this one's data as they are now, on a port of its own: as if restored from a backup.
    pub fn copied(&mut self, settings: &[(&str, &str)]) -> Self {
        self.copied_with(&[], settings)
    }

    /// A server that follows this one.
    pub fn standby(&mut self, settings: &[(&str, &str)]) -> Self {
        let primary = format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port());
        let settings: Vec<_> =
            [("primary_conninfo", &*primary)].into_iter().chain(settings.iter().copied()).collect();
        self.copied_with(&["--standby"], &settings)
    }

    /// Copied while it stands still, and started again.
    fn copied_with(&mut self, arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        self.stop(Stop::Fast);
        let data = self.data_folder().display().to_string();
        let own = ["--version", self.0.fact("version"), "--copy-of", &data];
        let arguments: Vec<String> =
            own.iter().chain(arguments).map(|argument| (*argument).to_owned()).collect();
        let copy = Self(Server::start("postgres", &arguments, settings));
        self.start_again();
        copy
    }

    /// Where it is reached over TCP.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port())
    }

    /// The TCP port; it stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// The folder of its Unix socket.
    pub fn socket_folder(&self) -> &Path {
        Path::new(self.0.fact("socket"))
    }

    /// The data directory.
    pub fn data_folder(&self) -> &Path {
        Path::new(self.0.fact("data"))
    }

    /// Opens a session, driven by the test's own runtime.
    pub async fn connect(&self, database: &str) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url(database), NoTls).await.expect("connect to Postgres");
        // It ends with an error when a test stops the server: that is the test's to notice.
        tokio::spawn(async move { drop(connection.await) });
        client
    }

    /// Writes a file into the data directory, such as `pg_hba.conf` or a TLS key, as the server's own user, and
    /// returns its path. The server reads it at a reload.
    pub fn write_file(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.data_folder().join(name);
        let owner = fs::metadata(self.data_folder()).expect("the data directory");
        fs::write(&path, contents).expect("write into the data directory");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("set permissions");
        chown(&path, Some(owner.uid()), Some(owner.gid())).expect("hand the file to the server's user");
        path
    }

    /// Stops it.
    pub fn stop(&mut self, mode: Stop) {
        self.0.stop(mode);
    }

    /// Stops it by SIGKILL of its first process; the others follow, and recovery comes with the next start.
    pub fn kill(&mut self) {
        self.0.stop(Stop::Kill);
    }

    /// Starts it after a stop: same port, same data.
    pub fn start_again(&mut self) {
        self.0.start_again();
    }

    /// Stops it in order and starts it.
    pub fn restart(&mut self) {
        self.stop(Stop::Fast);
        self.start_again();
    }
}
