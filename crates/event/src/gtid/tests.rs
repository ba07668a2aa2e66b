use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const UUIDS: [&str; 2] = ["3e11fa47-71ca-11e1-9e33-c80aa9429562", "00000000-0000-0000-0000-00000000000a"];
const TAGS: [&str; 3] = ["", "a", "branch_7"];

/// What a set is by its definition.
type Model = BTreeSet<(usize, usize, u64)>;

fn source(uuid: usize, tag: usize) -> GtidSource {
    GtidSource::new(parse_uuid(UUIDS[uuid]).unwrap(), TAGS[tag]).unwrap()
}

fn set(model: &Model) -> GtidSet {
    let mut set = GtidSet::default();
    for (uuid, tag, number) in model {
        set.add(&Gtid { source: source(*uuid, *tag), number: *number });
    }
    set
}

fn model() -> impl Strategy<Value = Model> {
    prop::collection::btree_set((0..UUIDS.len(), 0..TAGS.len(), 1_u64..12), 0..40)
}

proptest! {
    #[test]
    fn sets_are_sets(a in model(), b in model(), (uuid, tag, first, last) in (0..2_usize, 0..3_usize, 1_u64..12, 1_u64..12)) {
        let (set_a, set_b) = (set(&a), set(&b));
        prop_assert_eq!(set_a == set_b, a == b);
        prop_assert_eq!(set_a.contains_all(&set_b), a.is_superset(&b));
        prop_assert_eq!(set_a.minus(&set_b), set(&a.difference(&b).copied().collect()));
        let mut union = set_a.clone();
        union.add_all(&set_b);
        prop_assert_eq!(union, set(&a.union(&b).copied().collect()));
        let gtid = Gtid { source: source(uuid, tag), number: first };
        prop_assert_eq!(set_a.contains(&gtid), a.contains(&(uuid, tag, first)));
        let mut grown = set_a.clone();
        grown.add_interval(&gtid.source, first, last);
        let added = (first..=last).map(|number| (uuid, tag, number));
        prop_assert_eq!(&grown, &set(&a.iter().copied().chain(added).collect()));
        // Never two intervals where there can be one.
        let runs: Vec<_> = grown.intervals().collect();
        let separate = |pair: &[(&GtidSource, u64, u64)]| pair[0].0 != pair[1].0 || pair[0].2 + 1 < pair[1].1;
        prop_assert!(runs.windows(2).all(separate), "{}", grown);
        prop_assert_eq!(set_a.to_string().parse::<GtidSet>().unwrap(), set_a);
    }

    #[test]
    fn positions_hold_the_last_of_each_domain(a in position(), b in position(), domain in 0_u32..4, sequence in 1_u64..9) {
        let (position_a, position_b) = (mariadb(&a), mariadb(&b));
        let ahead = |domain: &u32, sequence: u64| a.get(domain).is_none_or(|last| sequence > *last);
        prop_assert_eq!(position_a.contains(&MariadbGtid { domain, server: 9, sequence }), !ahead(&domain, sequence));
        prop_assert_eq!(position_a.contains_all(&position_b), !b.iter().any(|(domain, last)| ahead(domain, *last)));
        let mut union = position_a.clone();
        union.add_all(&position_b);
        prop_assert!(union.contains_all(&position_a) && union.contains_all(&position_b));
        prop_assert!(union.gtids().all(|gtid| position_a.gtids().chain(position_b.gtids()).any(|of| of == gtid)));
        let difference = position_b.minus(&position_a);
        prop_assert!(difference.gtids().all(|gtid| ahead(&gtid.domain, gtid.sequence)));
        prop_assert_eq!(difference.is_empty(), position_a.contains_all(&position_b));
        prop_assert_eq!(position_a.to_string().parse::<MariadbPosition>().unwrap(), position_a);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-9a-f:,_ -]{0,60}|\\PC{0,20}") {
        let text = format!("{}:{text}", UUIDS[0]);
        if let Ok(set) = text.parse::<GtidSet>() {
            prop_assert_eq!(set.to_string().parse::<GtidSet>().unwrap(), set);
        }
        let _ = text.parse::<Gtid>();
        let _ = text.parse::<MariadbPosition>();
    }
}

fn position() -> impl Strategy<Value = BTreeMap<u32, u64>> {
    prop::collection::btree_map(0_u32..4, 1_u64..9, 0..4)
}

fn mariadb(model: &BTreeMap<u32, u64>) -> MariadbPosition {
    let mut position = MariadbPosition::default();
    for (domain, sequence) in model {
        position.add(MariadbGtid { domain: *domain, server: 1, sequence: *sequence });
    }
    position
}

#[test]
fn a_set_is_read_as_the_server_writes_it() {
    let uuid = UUIDS[0];
    let text = format!("{uuid}:1-5:7:branch_7:2:a:1-3,\n{}:1", UUIDS[1]);
    let set: GtidSet = text.parse().unwrap();
    assert_eq!(set.to_string(), format!("{}:1,{uuid}:1-5:7:a:1-3:branch_7:2", UUIDS[1]));
    let upper: GtidSet = text.to_uppercase().parse().unwrap();
    assert_eq!(upper, set);
    assert_eq!("".parse::<GtidSet>().unwrap(), GtidSet::default());
    // A tag without the server's own transactions.
    assert_eq!(format!("{uuid}:a:1").parse::<GtidSet>().unwrap().to_string(), format!("{uuid}:a:1"));
    let all = format!("{uuid}:1-{}", Gtid::MAX);
    assert_eq!(all.parse::<GtidSet>().unwrap().minus(&set).to_string(), format!("{uuid}:6:8-{}", Gtid::MAX));
    for wrong in [
        "x",
        uuid,
        &format!("{uuid}:"),
        &format!("{uuid}:0"),
        &format!("{uuid}:3-2"),
        &format!("{uuid}:a"),
        &format!("{uuid}:1:a"),
        &format!("{uuid}:{}", Gtid::MAX + 1),
        &format!("{uuid}:7a:1"),
        &format!("{uuid}:{}:1", "t".repeat(33)),
        &format!("{}:1", &uuid[1..]),
        &format!("{uuid}:+1"),
        &format!("{uuid}:a-b:1"),
    ] {
        wrong.parse::<GtidSet>().unwrap_err();
    }
    let error = format!("{uuid}:0").parse::<GtidSet>().unwrap_err().to_string();
    assert_eq!(error, format!("`{uuid}:0` is not a part of a GTID set like UUID:1-5:7 or UUID:1-5:tag:1-2"));
}

#[test]
fn one_transaction_is_read_as_the_server_writes_it() {
    let uuid = UUIDS[0];
    for text in [format!("{uuid}:1"), format!("{uuid}:a:23")] {
        assert_eq!(text.parse::<Gtid>().unwrap().to_string(), text);
    }
    for wrong in [
        "",
        uuid,
        &format!("{uuid}::1"),
        &format!("{uuid}:1-2"),
        &format!("{uuid}:a"),
        &format!("{uuid}:a:b:1"),
    ] {
        wrong.parse::<Gtid>().unwrap_err();
    }
    for wrong in ["", "0-1", "0-1-2-3", "a-1-2", "0-1-+2", "0-1-2,", "4294967296-1-1"] {
        wrong.parse::<MariadbGtid>().unwrap_err();
    }
    "0-1-2,0-1-3".parse::<MariadbPosition>().unwrap_err();
}
