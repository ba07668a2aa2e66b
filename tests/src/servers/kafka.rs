use std::process::Command;
use std::sync::OnceLock;

use super::{Proxy, Server, Stop, state_folder};

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

    /// Starts a new broker with further listeners, by name and protocol (`("TLS", "SSL")`), users for SCRAM with their
    /// passwords, and settings. Plain text stays open beside them.
    pub fn secured(listeners: &[(&str, &str)], users: &[(&str, &str)], settings: &[(&str, &str)]) -> Self {
        let mut arguments = Vec::new();
        for (option, pairs) in [("--listener", listeners), ("--scram", users)] {
            arguments.extend(pairs.iter().map(|(name, value)| format!("{option}={name}={value}")));
        }
        Self(Server::start("kafka", &arguments, settings))
    }

    /// Where one of its further listeners is, at `localhost`.
    pub fn listener(&self, name: &str) -> String {
        format!("localhost:{}", self.listener_port(name))
    }

    /// Its port.
    pub fn listener_port(&self, name: &str) -> u16 {
        self.0.fact(&format!("{name}_port")).parse().expect("a port")
    }

    /// Runs one of Kafka's own tools against it, as the superuser that plain text is.
    pub fn administer(&self, class: &str, arguments: &[&str]) {
        let jars = ["kafka", "kafka-tools"]
            .map(|name| state_folder().join(name).join("libs/*").display().to_string());
        let mut command = Command::new("java");
        command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", &jars.join(":"), class]);
        command.args(["--bootstrap-server", &self.brokers()]).args(arguments);
        let output = command.output().expect("run java");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{class} {arguments:?}: {said}");
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
        self.0.freeze();
    }

    /// Lets a frozen process go on.
    pub fn thaw(&mut self) {
        self.0.thaw();
    }
}
