use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use end_to_end::random::Random;
use end_to_end::replay::Delivered;
use end_to_end::servers::{Kafka, Nats};
use tempfile::TempDir;

/// Where events go: a server of its own, to be killed.
pub(super) enum Target {
    File(TempDir),
    Kafka(Kafka),
    Nats(Nats),
}

impl Target {
    pub(super) fn any(random: &mut Random) -> Self {
        match random.within(0..3) {
            0 => Self::file(),
            1 => Self::Kafka(Kafka::start()),
            _ => Self::Nats(Nats::start()),
        }
    }

    pub(super) fn file() -> Self {
        Self::File(tempfile::tempdir().unwrap())
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Kafka(_) => "Kafka",
            Self::Nats(_) => "NATS",
        }
    }

    pub(super) fn config(&self) -> String {
        match self {
            Self::File(folder) => format!("[sink.file]\npath = \"{}\"\n", file(folder).display()),
            Self::Kafka(kafka) => {
                format!("[sink.kafka]\nbrokers = [\"{}\"]\npartitions = 3\n", kafka.brokers())
            }
            Self::Nats(nats) => format!("[sink.nats]\nservers = [\"{}\"]\n", nats.url()),
        }
    }

    /// Kills it, and starts it again after a while. A file is always there.
    pub(super) fn kill(&mut self, random: &mut Random) {
        let away = Duration::from_millis(random.within(0..1500));
        match self {
            Self::File(_) => {}
            Self::Kafka(kafka) => {
                kafka.kill();
                sleep(away);
                kafka.start_again();
            }
            Self::Nats(nats) => {
                nats.kill();
                sleep(away);
                nats.start_again();
            }
        }
    }

    /// Keeps it from answering for a while.
    pub(super) fn freeze(&mut self, random: &mut Random) {
        let still = Duration::from_millis(random.within(0..1500));
        match self {
            Self::File(_) => {}
            Self::Kafka(kafka) => {
                kafka.freeze();
                sleep(still);
                kafka.thaw();
            }
            Self::Nats(nats) => {
                nats.freeze();
                sleep(still);
                nats.thaw();
            }
        }
    }

    /// All that is in it.
    pub(super) fn read(&self, pipeline: &str, take: impl FnMut(Delivered)) {
        match self {
            Self::File(folder) => Delivered::each_of_file(&file(folder), take),
            Self::Kafka(kafka) => Delivered::each_of_kafka(&kafka.brokers(), pipeline, take),
            Self::Nats(nats) => Delivered::each_of_nats(&nats.url(), &format!("CDC_{pipeline}"), take),
        }
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("events")
}
