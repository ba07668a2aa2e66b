use std::sync::OnceLock;

use super::{Server, Stop};

/// A NATS server with JetStream on files.
#[derive(Debug)]
pub struct Nats(Server);

impl Nats {
    /// Starts a new server.
    pub fn start() -> Self {
        Self::with_settings(&[])
    }

    /// Starts a new server with these in its configuration, such as `("jetstream.sync_interval", "always")`.
    pub fn with_settings(settings: &[(&str, &str)]) -> Self {
        Self(Server::start("nats", &[], settings))
    }

    /// The one server that the tests of this process share; take stream and subject names from
    /// [`unique`](super::unique).
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Nats> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port())
    }

    /// The TCP port; it stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Stops it.
    pub fn stop(&mut self, mode: Stop) {
        self.0.stop(mode);
    }

    /// Stops it by SIGKILL.
    pub fn kill(&mut self) {
        self.0.stop(Stop::Kill);
    }

    /// Starts it after a stop: same port, same data.
    pub fn start_again(&mut self) {
        self.0.start_again();
    }

    /// Starts it after a stop with these settings changed.
    pub fn start_again_with(&mut self, settings: &[(&str, &str)]) {
        self.0.start_again_with(settings);
    }

    /// Stops it in order and starts it.
    pub fn restart(&mut self) {
        self.stop(Stop::Fast);
        self.start_again();
    }

    /// Suspends the process: connections stay open, nothing answers.
    pub fn freeze(&mut self) {
        self.0.freeze();
    }

    /// Lets a frozen process go on.
    pub fn thaw(&mut self) {
        self.0.thaw();
    }
}
