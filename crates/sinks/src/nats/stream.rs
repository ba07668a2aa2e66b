use std::time::Duration;

use async_nats::jetstream::context::{
    CreateStreamError, CreateStreamErrorKind, GetStreamError, GetStreamErrorKind,
};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode, kv};

use super::NatsOptions;
use super::connecting::Place;
use super::subjects::{Subjects, covers};
use crate::Error;

/// The pipeline's stream: made if it is not there, checked if it is.
pub(super) async fn stream(
    context: &Context,
    name: &str,
    subjects: &Subjects,
    options: &NatsOptions,
    place: &Place,
) -> Result<Stream, Error> {
    let wanted = subjects.all();
    match context.get_stream(name).await {
        Ok(stream) => {
            check(&stream.cached_info().config, &wanted)?;
            Ok(stream)
        }
        Err(error) if is_absent(&error) => {
            let stream = context
                .create_stream(config(name, &wanted, options))
                .await
                .map_err(|error| creation_error(name, error, place))?;
            tracing::info!(stream = name, subjects = wanted.join(" "), "stream created");
            Ok(stream)
        }
        Err(error) => Err(place.unanswered(error)),
    }
}

/// A bucket of which the last values are wanted, made if it is not there.
pub(super) async fn bucket(
    context: &Context,
    name: &str,
    description: &str,
    options: &NatsOptions,
    place: &Place,
) -> Result<kv::Store, Error> {
    if let Some(existing) = existing_bucket(context, name, place).await? {
        return Ok(existing);
    }
    let config = kv::Config {
        bucket: name.to_owned(),
        description: description.to_owned(),
        history: 1,
        storage: StorageType::File,
        num_replicas: options.replicas.into(),
        ..kv::Config::default()
    };
    let created = context.create_key_value(config).await;
    created.map_err(|error| Error::Stream { stream: name.to_owned(), reason: error.to_string() })
}

/// A bucket, if it is there.
pub(super) async fn existing_bucket(
    context: &Context,
    name: &str,
    place: &Place,
) -> Result<Option<kv::Store>, Error> {
    match context.get_stream(format!("KV_{name}")).await {
        Ok(_) => {}
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(place.unanswered(error)),
    }
    context.get_key_value(name).await.map(Some).map_err(|error| place.unanswered(error))
}

fn is_absent(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

fn config(name: &str, subjects: &[String], options: &NatsOptions) -> Config {
    Config {
        name: name.to_owned(),
        description: Some("Row changes captured by cdc".to_owned()),
        subjects: subjects.to_vec(),
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        // A full stream must hold the pipeline up, not lose what nobody has read yet.
        discard: DiscardPolicy::New,
        max_bytes: options.max_bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        duplicate_window: Duration::from_secs(options.duplicate_window_s),
        num_replicas: options.replicas.into(),
        ..Config::default()
    }
}

/// Refuses a stream that cannot keep the promise, and warns of one that was told to forget.
fn check(config: &Config, wanted: &[String]) -> Result<(), Error> {
    let is_covered = |wanted: &&String| config.subjects.iter().any(|pattern| covers(pattern, wanted));
    let reason = if let Some(wanted) = wanted.iter().find(|wanted| !is_covered(wanted)) {
        format!(
            "it does not listen to all of {wanted}; add that to its subjects, or name another in sink.nats.stream"
        )
    } else if config.no_ack {
        "its no_ack is set, so that nobody learns what it has stored; unset it".to_owned()
    } else if config.sealed {
        "it is sealed; name another in sink.nats.stream".to_owned()
    } else if config.mirror.is_some() {
        "it is a mirror, which takes no events; name another in sink.nats.stream".to_owned()
    } else {
        for (holds, warning) in forgetting(config) {
            if holds {
                tracing::warn!(stream = config.name, "this stream can lose events: {warning}");
            }
        }
        return Ok(());
    };
    Err(Error::Stream { stream: config.name.clone(), reason })
}

fn forgetting(config: &Config) -> [(bool, &'static str); 6] {
    let limited = config.max_bytes > 0 || config.max_messages > 0;
    [
        (limited && config.discard == DiscardPolicy::Old, "discard is old, so the oldest go when it is full"),
        (config.max_messages_per_subject > 0, "max_msgs_per_subject keeps only the latest of each table"),
        (!config.max_age.is_zero(), "max_age removes events, read or not"),
        (config.storage == StorageType::Memory, "its storage is memory, which a restart empties"),
        (
            config.retention == RetentionPolicy::Interest,
            "retention is interest, so events without a consumer go at once",
        ),
        (
            config.retention == RetentionPolicy::WorkQueue,
            "retention is workqueue, so each event has one reader only",
        ),
    ]
}

fn creation_error(name: &str, error: CreateStreamError, place: &Place) -> Error {
    let stream = name.to_owned();
    match error.kind() {
        CreateStreamErrorKind::TimedOut | CreateStreamErrorKind::Response => match place.unanswered(&error) {
            Error::Unreachable { .. } => {
                Error::Undelivered { destination: format!("NATS stream {stream}"), reason: error.to_string() }
            }
            refusal => refusal,
        },
        _ => Error::Stream { stream, reason: format!("it could not be created: {error}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_cannot_hold_the_events_is_refused() {
        let good = Config { name: "S".to_owned(), subjects: vec!["cdc.>".to_owned()], ..Config::default() };
        assert!(check(&good, &["cdc.shop.>".to_owned()]).is_ok());
        for (bad, part) in [
            (Config { subjects: vec!["other.>".to_owned()], ..good.clone() }, "cdc.shop.>"),
            (Config { no_ack: true, ..good.clone() }, "no_ack"),
            (Config { sealed: true, ..good.clone() }, "sealed"),
            (Config { mirror: Some(Default::default()), ..good.clone() }, "mirror"),
        ] {
            let text = check(&bad, &["cdc.shop.>".to_owned()]).unwrap_err().to_string();
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn what_forgets_is_noticed() {
        let kept = Config { max_bytes: 1, discard: DiscardPolicy::New, ..Config::default() };
        assert!(forgetting(&kept).iter().all(|(holds, _)| !holds));
        for lossy in [
            Config { max_bytes: 1, ..Config::default() },
            Config { max_messages_per_subject: 1, ..Config::default() },
            Config { max_age: Duration::from_secs(1), ..Config::default() },
            Config { storage: StorageType::Memory, ..Config::default() },
            Config { retention: RetentionPolicy::Interest, ..Config::default() },
        ] {
            assert_eq!(forgetting(&lossy).iter().filter(|(holds, _)| *holds).count(), 1);
        }
    }
}
