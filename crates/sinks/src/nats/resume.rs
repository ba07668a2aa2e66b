//! Where a stream's content ends, so that a pipeline that starts goes on right there.

use async_nats::HeaderMap;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageError, Stream};
use event::LogOrder;

use super::MESSAGE_ID;
use super::connecting::Place;
use crate::Error;

/// On an event without a place in the log (of a load): the ID of the last event before it that has one. Thus the
/// last message alone tells how far the log was stored.
pub(super) const AFTER: &str = "Cdc-After";

/// The second message with one ID, a tombstone, needs a name of its own.
pub(super) const TOMBSTONE_SUFFIX: &str = "+t";

/// What is stored already.
#[derive(Debug, Default)]
pub(super) struct Resume {
    /// The stream's last sequence.
    pub(super) sequence: u64,
    /// The last stored event that has a place in the log.
    pub(super) last: Option<LastEvent>,
}

/// An event's place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LastEvent {
    /// Its ID as it was sent.
    pub(super) id: String,
    epoch: u64,
    place: (LogOrder, bool),
}

/// How many messages of others are passed over on the way back to one of ours.
const LOOK_BACK_LIMIT: usize = 1000;

impl Resume {
    /// Reads the end of the stream.
    pub(super) async fn read(stream: &Stream, source: &str, place: &Place) -> Result<Self, Error> {
        let info = stream.get_info().await.map_err(|error| place.unanswered(error))?;
        let (name, state) = (&info.config.name, &info.state);
        let mut resume = Self { sequence: state.last_sequence, last: None };
        if state.messages == 0 {
            return Ok(resume);
        }
        let mut foreign = 0;
        let mut next = found(stream.get_last_raw_message_by_subject(">").await, place)?;
        while let Some(message) = next {
            if let Some(id) = message.headers.get(MESSAGE_ID) {
                let id = id.as_str();
                let found = id.split('/').next().unwrap_or_default();
                if id.split('/').count() > 2 && found != source {
                    return Err(Error::SharedStream { stream: name.clone(), found: found.to_owned() });
                }
                resume.last = last_event(id, &message.headers);
                if resume.last.is_some() || message.headers.get(AFTER).is_some() || is_load(id) {
                    break;
                }
            }
            foreign += 1;
            if foreign == LOOK_BACK_LIMIT || message.sequence <= state.first_sequence {
                break;
            }
            next = found(stream.get_raw_message(message.sequence - 1).await, place)?;
        }
        if foreign > 0 {
            tracing::warn!(stream = name, messages = foreign, "somebody else writes into this stream");
        }
        Ok(resume)
    }

    /// Whether an event with this ID is stored already. An older epoch's events say nothing of this one's.
    pub(super) fn holds(&self, id: &str, is_tombstone: bool) -> bool {
        let Some(last) = &self.last else { return false };
        LogOrder::of_id(id.as_bytes()).is_some_and(|order| (order, is_tombstone) <= last.place)
    }

    /// The last stored epoch, if it is newer than the one of this ID.
    pub(super) fn newer_epoch(&self, id: &str) -> Option<(u64, u64)> {
        let (last, epoch) = (self.last.as_ref()?, epoch_of(id)?);
        (last.epoch > epoch).then_some((last.epoch, epoch))
    }
}

fn found<T>(answer: Result<T, RawMessageError>, place: &Place) -> Result<Option<T>, Error> {
    match answer {
        Ok(message) => Ok(Some(message)),
        Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => Ok(None),
        Err(error) => Err(place.unanswered(error)),
    }
}

fn last_event(id: &str, headers: &HeaderMap) -> Option<LastEvent> {
    LastEvent::of_id(id).or_else(|| LastEvent::of_id(headers.get(AFTER)?.as_str()))
}

impl LastEvent {
    pub(super) fn of_id(id: &str) -> Option<Self> {
        let (plain, is_tombstone) = match id.strip_suffix(TOMBSTONE_SUFFIX) {
            Some(plain) => (plain, true),
            None => (id, false),
        };
        let order = LogOrder::of_id(plain.as_bytes())?;
        Some(Self { id: id.to_owned(), epoch: epoch_of(plain)?, place: (order, is_tombstone) })
    }
}

fn epoch_of(id: &str) -> Option<u64> {
    id.split('/').nth(1)?.parse().ok()
}

fn is_load(id: &str) -> bool {
    id.split('/').nth(2) == Some("load")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(id: &str) -> Resume {
        Resume { sequence: 1, last: LastEvent::of_id(id) }
    }

    #[test]
    fn what_is_stored_is_told_by_its_place() {
        let resume = after("shop/2/0000000000000020/4");
        for id in ["shop/2/0000000000000020/4", "shop/2/0000000000000020/4s", "shop/2/000000000000001F/9"] {
            assert!(resume.holds(id, false), "{id}");
        }
        for id in ["shop/2/0000000000000020/5", "shop/3/0000000000000001/1", "shop/2/load/7/key:1"] {
            assert!(!resume.holds(id, false), "{id}");
        }
        assert!(!resume.holds("shop/2/0000000000000020/4", true), "its tombstone is not");
        assert!(after("shop/2/0000000000000020/4+t").holds("shop/2/0000000000000020/4", true));
        assert!(!Resume::default().holds("shop/2/0000000000000020/4", false));
    }

    #[test]
    fn an_older_state_than_what_was_delivered_is_noticed() {
        let resume = after("shop/2/0000000000000020/4");
        assert_eq!(resume.newer_epoch("shop/1/load/7/begin"), Some((2, 1)));
        assert_eq!(resume.newer_epoch("shop/2/0000000000000001/1"), None);
        assert_eq!(resume.newer_epoch("shop/3/0000000000000001/1"), None);
    }

    #[test]
    fn a_load_event_tells_how_far_the_log_was() {
        let mut headers = HeaderMap::new();
        headers.insert(AFTER, "shop/2/0000000000000020/4");
        let last = last_event("shop/2/load/7/key:1", &headers);
        assert_eq!(last, LastEvent::of_id("shop/2/0000000000000020/4"));
        assert_eq!(last_event("shop/2/load/7/key:1", &HeaderMap::new()), None);
    }
}
