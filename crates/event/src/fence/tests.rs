use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::Lsn;

/// Full transaction ids as the server counts them, so that the model needs no circle.
const NEVER_USED: u64 = 3;

/// A snapshot near any place of the circle, and one transaction no further from it than the server allows.
fn any_snapshot_and_xid() -> impl Strategy<Value = (XidSnapshot, u64)> {
    let around_a_wrap = (0..4_u64, -200..200_i64)
        .prop_map(|(wraps, near)| ((wraps << 32) + 1000).saturating_add_signed(near).max(NEVER_USED));
    let anywhere = NEVER_USED..(1 << 40);
    (
        prop_oneof![around_a_wrap, anywhere],
        btree_set(0..100_u64, 0..20),
        prop_oneof![-150..150_i64, -2_147_483_648..2_147_483_648_i64],
    )
        .prop_map(|(xmin, running, distance)| {
            let xip: Vec<u64> = running.iter().map(|n| xmin + n).collect();
            let xmax = xip.last().map_or(xmin, |last| last + 1);
            let xid = xmax.saturating_add_signed(distance).max(NEVER_USED);
            (XidSnapshot { xmin: xip.first().copied().unwrap_or(xmax), xmax, xip }, xid)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn a_snapshot_sees_what_was_over_when_it_was_taken((snapshot, xid) in any_snapshot_and_xid()) {
        let was_over = xid < snapshot.xmax && !snapshot.xip.contains(&xid);
        prop_assert_eq!(snapshot.sees(xid as u32), was_over, "{:?} {}", snapshot, xid);
    }
}

#[test]
fn the_circle_is_crossed_in_both_directions() {
    let wrap = 5_u64 << 32;
    let snapshot = XidSnapshot { xmin: wrap - 10, xmax: wrap + 10, xip: vec![wrap - 10, wrap + 5] };
    assert!(snapshot.sees(u32::MAX) && snapshot.sees(u32::MAX - 10) && snapshot.sees(9));
    assert!(!snapshot.sees((wrap - 10) as u32), "in progress before the wrap");
    assert!(!snapshot.sees(5), "in progress after it");
    assert!(!snapshot.sees(10) && !snapshot.sees(1 << 30), "not yet begun");
}

fn orders() -> TableName {
    TableName::new("public", "orders")
}

fn fence(xmax: u64, limit: u64, range: Option<KeyRange>) -> Fence {
    let snapshot = XidSnapshot { xmin: xmax, xmax, xip: vec![] };
    Fence { snapshot: Some(snapshot), limit: Lsn::from(limit).into(), range, voided: None }
}

fn place(xid: u32, commit: u64) -> Place {
    Place { transaction: TransactionPlace { xid, commit: Lsn::from(commit).into() }, tx_seq: 1 }
}

fn range(from: Option<i64>, to: Option<i64>) -> KeyRange {
    KeyRange { from: from.map(KeyBound::Int), to: to.map(KeyBound::Int) }
}

#[test]
fn a_change_is_contained_if_seen_and_committed_before_the_limit() {
    let mut fences = Fences::default();
    assert!(!fences.contain(&orders(), place(99, 500), None), "no fence, no opinion");
    fences.add(orders(), fence(100, 1000, None));
    assert!(fences.contain(&orders(), place(99, 500), None));
    assert!(fences.contain(&orders(), place(99, 999), None));
    assert!(
        !fences.contain(&orders(), place(99, 1000), None),
        "the same xid, handed out again after a crash"
    );
    assert!(!fences.contain(&orders(), place(100, 500), None), "not seen");
    assert!(!fences.contain(&TableName::new("public", "order"), place(99, 500), None), "another table");
}

#[test]
fn a_change_is_judged_by_the_fence_of_its_own_keys() {
    let mut fences = Fences::default();
    fences.add(orders(), fence(100, 1000, Some(range(None, Some(10)))));
    fences.add(orders(), fence(200, 2000, Some(range(Some(10), None))));
    let contain = |key, place| fences.contain(&orders(), place, Some(&Cell::Int(key)));
    assert!(contain(9, place(99, 500)) && contain(10, place(99, 500)));
    assert!(!contain(9, place(150, 1500)) && contain(10, place(150, 1500)));
    assert!(!fences.contain(&orders(), place(99, 500), None), "a range says nothing of a row without a key");
}

#[test]
fn a_truncate_that_not_every_read_contains_goes_out_and_voids_them_all() {
    let mut fences = Fences::default();
    fences.add(orders(), fence(100, 1000, Some(range(None, Some(10)))));
    fences.add(orders(), fence(200, 2000, Some(range(Some(10), None))));
    assert!(fences.contain_truncate(&orders(), place(99, 500)), "in both");
    let truncate = Place { tx_seq: 5, ..place(150, 900) };
    assert!(!fences.contain_truncate(&orders(), truncate), "in the second alone");
    let key = Cell::Int(10);
    let at = |tx_seq| Place { tx_seq, ..place(150, 900) };
    assert!(fences.contain(&orders(), at(4), Some(&key)), "before it in its transaction: still contained");
    assert!(
        !fences.contain(&orders(), at(6), Some(&key)),
        "after it: the row it read went with the TRUNCATE"
    );
    assert!(!fences.contain(&orders(), place(160, 950), Some(&key)));
    assert!(fences.contain(&orders(), place(140, 800), Some(&key)), "an earlier transaction");
}

#[test]
fn a_truncate_is_contained_only_if_no_key_was_read_before_it() {
    let contained = |ranges: &[Option<KeyRange>]| {
        let mut fences = Fences::default();
        for range in ranges {
            fences.add(orders(), fence(100, 1000, range.clone()));
        }
        fences.contain_truncate(&orders(), place(99, 500))
    };
    assert!(contained(&[None]) && contained(&[Some(range(None, None))]));
    assert!(contained(&[Some(range(Some(10), None)), Some(range(None, Some(10)))]));
    assert!(contained(&[
        Some(range(None, Some(10))),
        Some(range(Some(3), Some(5))),
        Some(range(Some(7), None))
    ]));
    assert!(!contained(&[Some(range(Some(10), None))]), "the first range was read before, and is forgotten");
    assert!(!contained(&[Some(range(None, Some(10)))]), "the second");
    assert!(!contained(&[Some(range(None, Some(10))), Some(range(Some(11), None))]), "10");
    // A read of the whole table outdoes an older one, whose rows it has replaced.
    let mut fences = Fences::default();
    fences.add(orders(), fence(50, 300, None));
    fences.add(orders(), fence(100, 1000, None));
    assert!(fences.contain_truncate(&orders(), place(99, 500)));
}

#[test]
fn a_replay_decides_as_the_first_run_did() {
    let mut fences = Fences::default();
    fences.add(orders(), fence(100, 1000, Some(range(None, Some(10)))));
    fences.add(orders(), fence(200, 2000, Some(range(Some(10), None))));
    let log: Vec<Place> =
        (1..20).map(|n| Place { tx_seq: n, ..place(90 + 5 * n as u32, 800 + 10 * n) }).collect();
    let run = |fences: &mut Fences, log: &[Place]| -> Vec<bool> {
        let judge = |place: &Place| match place.tx_seq {
            12 | 15 => fences.contain_truncate(&orders(), *place),
            _ => fences.contain(&orders(), *place, Some(&Cell::Int(10))),
        };
        log.iter().map(judge).collect()
    };
    let first = run(&mut fences, &log);
    assert_eq!(
        first.iter().filter(|is_contained| **is_contained).count(),
        11,
        "all up to the first TRUNCATE"
    );
    // What is saved may know of a TRUNCATE that the saved position has not come to.
    for start in 0..log.len() {
        assert_eq!(run(&mut fences.clone(), &log[start..]), first[start..], "from {start}");
    }
}

#[test]
fn fences_are_forgotten_when_the_log_has_passed_them() {
    let mut fences = Fences::default();
    fences.add(orders(), fence(100, 1000, None));
    fences.add(orders(), fence(200, 2000, None));
    fences.add(TableName::new("public", "other"), fence(200, 1500, None));
    fences.forget_before(Lsn::from(999).into());
    assert_eq!(fences.len(), 3);
    fences.forget_before(Lsn::from(1000).into());
    assert_eq!(fences.len(), 2);
    fences.remove_table(&TableName::new("public", "other"));
    assert_eq!(fences.len(), 1);
    fences.forget_before(Lsn::from(2000).into());
    assert!(fences.is_empty());
}

#[test]
fn infinite_dates_belong_to_the_open_ends() {
    let infinity = |text: &'static str| Cell::Other { type_name: "date", text: text.into() };
    let day = KeyBound::DateDays(0);
    let low = KeyRange { from: None, to: Some(day) };
    let high = KeyRange { from: Some(day), to: None };
    assert!(low.holds(&infinity("-infinity")) && !high.holds(&infinity("-infinity")));
    assert!(!low.holds(&infinity("infinity")) && high.holds(&infinity("infinity")));
    assert!(
        low.holds(&Cell::DateDays(-1)) && !low.holds(&Cell::DateDays(0)) && high.holds(&Cell::DateDays(0))
    );
}

fn any_bound() -> impl Strategy<Value = KeyBound> {
    prop_oneof![
        any::<i64>().prop_map(KeyBound::Int),
        any::<i32>().prop_map(KeyBound::DateDays),
        any::<[u8; 16]>().prop_map(KeyBound::Uuid),
    ]
}

fn any_fence() -> impl Strategy<Value = Fence> {
    let range =
        (option::of(any_bound()), option::of(any_bound())).prop_map(|(from, to)| KeyRange { from, to });
    let voided = (any::<u64>(), any::<u64>()).prop_map(|(commit, seq)| (Lsn::from(commit).into(), seq));
    (any::<(u64, u64)>(), vec(any::<u64>(), 0..5), any::<u64>(), option::of(range), option::of(voided))
        .prop_map(|((xmin, xmax), xip, limit, range, voided)| Fence {
            snapshot: Some(XidSnapshot { xmin, xmax, xip }),
            limit: Lsn::from(limit).into(),
            range,
            voided,
        })
}

proptest! {
    #[test]
    fn what_is_saved_reads_back(all in vec((any::<String>(), any_fence()), 0..5)) {
        let mut fences = Fences::default();
        for (name, fence) in all {
            fences.add(TableName::new("public", name), fence);
        }
        let saved = serde_json::to_string(&fences).unwrap();
        prop_assert_eq!(serde_json::from_str::<Fences>(&saved).unwrap(), fences);
    }

    #[test]
    fn adjoining_ranges_hold_every_key_once(key in any_bound(), bounds in btree_set(any_bound(), 1..6)) {
        let bounds: Vec<_> = bounds.into_iter().filter(|b| std::mem::discriminant(b) == std::mem::discriminant(&key)).collect();
        let starts = std::iter::once(None).chain(bounds.iter().copied().map(Some));
        let ends = bounds.iter().copied().map(Some).chain([None]);
        let ranges: Vec<_> = starts.zip(ends).map(|(from, to)| KeyRange { from, to }).collect();
        for key in bounds.iter().chain([&key]) {
            prop_assert_eq!(ranges.iter().filter(|range| range.holds(&key.cell())).count(), 1);
        }
    }
}
