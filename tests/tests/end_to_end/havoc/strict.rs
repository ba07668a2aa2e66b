//! What was found right would have been found wrong had anything been lost, invented, altered or moved.

use std::thread::sleep;
use std::time::Duration;

use end_to_end::history::History;
use end_to_end::judge::Judge;
use end_to_end::random::{Random, seed};
use end_to_end::replay::Delivered;
use event::envelope::change_event::Position;
use event::envelope::{BeforeKind, ChangeEvent, Op, Value, value::Kind};
use prost::Message as _;

use super::round::World;
use super::source::Source;
use super::target::Target;

#[test]
fn the_judge_is_strict() {
    let seed = seed("havoc::the_judge_is_strict");
    let mut random = Random::new(seed);
    let (world, history) = loop {
        let mut world = World::start(Source::Postgres(17), Target::file(), &mut random);
        sleep(Duration::from_secs(6));
        match world.heal(seed) {
            Ok((history, _)) => break (world, history),
            Err(outcome) => println!("{outcome:?}"),
        }
    };
    let mut messages = Vec::new();
    world.target.read(&world.name, |message| messages.push(message));
    let mut run = Run { history, messages, random };
    assert_eq!(run.faults(&run.messages), [""; 0], "CDC_SEED={seed}");
    run.must_be_strict();
}

struct Run {
    history: History,
    messages: Vec<Delivered>,
    random: Random,
}

/// Changes an event; whether it could be changed in that way.
type Change = dyn Fn(&mut ChangeEvent) -> bool;

impl Run {
    fn faults(&self, messages: &[Delivered]) -> Vec<String> {
        let mut judge = Judge::default();
        messages.iter().for_each(|message| judge.take(message));
        judge.faults(&self.history)
    }

    fn must_be_strict(&mut self) {
        self.altered("another value", &|event| {
            is_change(event) && event.after.as_mut().is_some_and(|row| row.values.iter_mut().any(alter))
        });
        self.altered("another value in a load", &|event| {
            event.op() == Op::Read && event.after.as_mut().is_some_and(|row| row.values.iter_mut().any(alter))
        });
        self.altered("a value forgotten", &|event| {
            is_change(event)
                && event.after.as_mut().is_some_and(|row| {
                    let value = row.values.iter_mut().find(|value| is_told(value));
                    value.map(|value| value.kind = Some(Kind::Unchanged(Default::default()))).is_some()
                })
        });
        self.altered("another row before", &|event| {
            event.before_kind() == BeforeKind::Full
                && event.before.as_mut().is_some_and(|row| row.values.iter_mut().any(alter))
        });
        self.altered("no row before", &|event| {
            let is_full = event.op() == Op::Update && event.before_kind() == BeforeKind::Full;
            event.before = event.before.take().filter(|_| !is_full);
            event.set_before_kind(if is_full { BeforeKind::None } else { event.before_kind() });
            is_full
        });
        self.altered("another key", &|event| {
            is_change(event) && event.key.as_mut().is_some_and(|row| row.values.iter_mut().any(alter))
        });
        self.altered("another time of commit", &|event| {
            event.commit_time_us += 1;
            is_change(event)
        });
        self.altered("another transaction", &|event| {
            event.txid = "4000000000".to_owned();
            is_change(event)
        });
        self.altered("another place in the log", &|event| match &mut event.position {
            Some(Position::Postgres(position)) => {
                position.lsn += 8;
                event.table_schema.is_none() && is_row(event)
            }
            _ => false,
        });
        self.altered("another place in the transaction", &|event| {
            event.tx_seq += 1000;
            is_change(event)
        });
        self.altered("another operation", &|event| {
            let is_insert = event.op() == Op::Insert && event.part == 0;
            event.set_op(Op::Update);
            is_insert
        });
        self.altered("another number", &|event| {
            event.table_seq += 1;
            is_change(event)
        });
        self.altered("another message", &|event| {
            event.message.as_mut().is_some_and(|message| {
                message.content.push(b'!');
                message.prefix == "havoc"
            })
        });
        self.lost("a change", is_change);
        self.lost("a message", |event| {
            event.message.as_ref().is_some_and(|message| message.prefix == "havoc")
        });
        self.lost("a row of a load", |event| event.op() == Op::Read);
        self.lost("the end of a load", |event| event.op() == Op::LoadEnd);
        self.changed("a repetition out of its run", is_row, |messages, at| {
            messages.insert(at + 9, messages[at].clone());
        });
        self.changed("another order", is_row, |messages, at| {
            let message = messages.remove(at);
            messages.insert((at + 40).min(messages.len()), message);
        });
        self.changed("a lost end", is_row, |messages, at| messages.truncate(at));
        self.schemas_are_missed();
    }

    fn altered(&mut self, what: &str, change: &Change) {
        let can_be = |event: &ChangeEvent| change(&mut event.clone());
        self.changed(what, can_be, |messages, at| {
            let mut event = ChangeEvent::decode(&messages[at].payload[..]).unwrap();
            assert!(change(&mut event));
            messages[at].payload = event.encode_to_vec();
        });
    }

    fn lost(&mut self, what: &str, can_be: impl Fn(&ChangeEvent) -> bool) {
        self.changed(what, can_be, |messages, at| _ = messages.remove(at));
    }

    fn changed(
        &mut self,
        what: &str,
        can_be: impl Fn(&ChangeEvent) -> bool,
        change: impl Fn(&mut Vec<Delivered>, usize),
    ) {
        // Near the end, little follows that could show it.
        let places: Vec<usize> = (0..self.messages.len() * 9 / 10)
            .filter(|at| can_be(&ChangeEvent::decode(&self.messages[*at].payload[..]).unwrap()))
            .collect();
        assert!(!places.is_empty(), "{what}: nothing to change");
        let at = *self.random.pick(&places);
        let mut messages = self.messages.clone();
        change(&mut messages, at);
        assert!(!self.faults(&messages).is_empty(), "{what} at {at} of {} was not noticed", messages.len());
    }

    /// Without the first SCHEMA of any table, its rows mean nothing.
    fn schemas_are_missed(&self) {
        let is_schema = |message: &Delivered| {
            let event = ChangeEvent::decode(&message.payload[..]).unwrap();
            event.op() == Op::Schema && event.table == self.first_table()
        };
        let messages: Vec<Delivered> =
            self.messages.iter().filter(|message| !is_schema(message)).cloned().collect();
        assert!(!self.faults(&messages).is_empty(), "lost schemas were not noticed");
    }

    fn first_table(&self) -> String {
        let mut rows = self.messages.iter().map(|message| ChangeEvent::decode(&message.payload[..]).unwrap());
        rows.find(is_row).expect("a row").table
    }
}

/// A change of a row that stands in the log.
fn is_change(event: &ChangeEvent) -> bool {
    matches!(event.op(), Op::Insert | Op::Update | Op::Delete)
}

fn is_row(event: &ChangeEvent) -> bool {
    is_change(event) && !event.table.is_empty()
}

fn is_told(value: &Value) -> bool {
    !matches!(value.kind, None | Some(Kind::Null(_) | Kind::Unchanged(_) | Kind::Omitted(_)))
}

/// Makes it another value of its kind; whether it is of a kind that can be.
fn alter(value: &mut Value) -> bool {
    match &mut value.kind {
        Some(Kind::Int64(value) | Kind::TimestampUs(value) | Kind::TimeUs(value)) => *value ^= 1,
        Some(Kind::DateDays(value)) => *value += 1,
        Some(Kind::Bool(value)) => *value = !*value,
        Some(Kind::String(text) | Kind::Json(text)) => text.push('!'),
        Some(Kind::Bytes(bytes) | Kind::Uuid(bytes)) if !bytes.is_empty() => bytes[0] ^= 1,
        Some(Kind::Other(other)) => other.text.push('!'),
        _ => return false,
    }
    true
}
