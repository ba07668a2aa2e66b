//! The ledger against a model: whatever the order of sending and arriving, the safe position is the last transaction
//! end whose batches, and all before them, are durable.

use checkpoint::Ledger;
use event::{Batch, BatchLimits, BatchPool, Body, Encoder, Event, EventPosition, Lsn, Position};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// A batch goes out; whether a transaction ends in it.
    Send { ends: bool },
    /// The log moves on without a message.
    Pass,
    /// The sink has this share (in percent) of what is on its way.
    Arrive(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        any::<bool>().prop_map(|ends| Step::Send { ends }),
        Just(Step::Pass),
        (0..=100_u64).prop_map(Step::Arrive),
    ];
    proptest::collection::vec(step, 1..60)
}

fn batch(pool: &BatchPool, ends_at: Option<u64>) -> Batch {
    let mut batch = pool.batch();
    if let Some(lsn) = ends_at {
        batch.mark(Position::Postgres(Lsn::from(lsn)), []);
    }
    batch.push(&Event {
        position: EventPosition::Postgres { commit: Lsn::from(1), own: Lsn::from(1) },
        transaction: None,
        captured_time_us: 0,
        body: Body::Heartbeat,
    });
    batch
}

proptest! {
    #[test]
    fn safe_is_what_the_model_says(steps in steps()) {
        let pool = BatchPool::new(Encoder::json("shop", 1), BatchLimits::default());
        let mut ledger = Ledger::default();
        // (batches needed before it is safe, position)
        let mut ends: Vec<(u64, u64)> = Vec::new();
        let (mut sent, mut durable, mut lsn, mut safe) = (0, 0, 0, 0);
        for step in steps {
            match step {
                Step::Send { ends: ended } => {
                    sent += 1;
                    lsn += 1;
                    ledger.sent(&batch(&pool, ended.then_some(lsn)));
                    if ended {
                        ends.push((sent, lsn));
                    }
                }
                Step::Pass => {
                    lsn += 1;
                    let mut idle = pool.batch();
                    idle.mark(Position::Postgres(Lsn::from(lsn)), []);
                    ledger.passed(idle.reached().cloned().unwrap());
                    ends.push((sent, lsn));
                }
                Step::Arrive(percent) => {
                    durable += (sent - durable) * percent / 100;
                    if let Some(now) = ledger.durable(durable) {
                        let Position::Postgres(position) = now.position else { panic!("a binary log") };
                        safe = u64::from(position);
                    }
                    let expected =
                        ends.iter().filter(|(needed, _)| *needed <= durable).map(|(_, lsn)| *lsn).max();
                    prop_assert_eq!(safe, expected.unwrap_or(0));
                    prop_assert_eq!(ledger.len() as u64, sent - durable);
                }
            }
        }
    }
}
