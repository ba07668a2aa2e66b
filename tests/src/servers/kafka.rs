use std::sync::OnceLock;

use rustix::process::Signal;

use super::{Proxy, Server, Stop};

/// A Kafka broker that creates no topic by itself.
#[derive(Debug)]
pub struct Kafka(Server);

impl Kafka {
    /// Starts a new broker: five seconds and 360 MB, so [`Kafka::shared`] where the broker comes to no harm.
    pub fn start() -> Self {
        Self::with_settings(&[])
    }

    /// Starts a new broker with these in its `server.properties`.
    pub fn with_settings(settings: &[(&str, &str)]) -> Self {
        Self(Server::start("kafka", &[], settings))
    }

    /// Starts a new broker and points the proxy at a listener of it that sends clients back to the proxy; without
    /// that, clients would leave the proxy after their first request. [`Kafka::brokers`] stays the direct way.
    pub fn behind(proxy: &Proxy) -> Self {
        let kafka = Self(Server::start("kafka", &["--advertise".to_owned(), proxy.port().to_string()], &[]));
        proxy.aim(kafka.0.fact("proxied_port").parse().expect("a port"));
        kafka
    }

    /// The one broker that the tests of this process share; take topic names from [`unique`](super::unique).
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// For `bootstrap.servers`.
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port())
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

    /// Stops it in order and starts it.
    pub fn restart(&mut self) {
        self.stop(Stop::Fast);
        self.start_again();
    }

    /// Suspends the process: connections stay open, nothing answers.
    pub fn freeze(&mut self) {
        self.0.signal(Signal::STOP);
    }

    /// Lets a frozen process go on.
    pub fn thaw(&mut self) {
        self.0.signal(Signal::CONT);
    }
}
