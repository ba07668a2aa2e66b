//! Sets of GTIDs: what the server makes of two of them, and how it writes them.

use end_to_end::random::{Random, seed};
use end_to_end::servers::{Mysql, Release};
use event::GtidSet;

#[test]
fn sets_are_the_server_s_own() {
    let mut random = Random::new(seed("gtids"));
    let server = Mysql::start(Release::Mysql);
    for _ in 0..40 {
        let [a, b] = [set(&mut random), set(&mut random)];
        let rows = server.query(&format!(
            "SELECT replace(gtid_subtract('{a}', ''), '\\n', ''), replace(gtid_subtract('{a}', '{b}'), '\\n', ''), \
             gtid_subset('{a}', '{b}')"
        ));
        let [own, difference, is_subset] = &rows[0][..] else { panic!("{rows:?}") };
        let [a, b]: [GtidSet; 2] = [a, b].map(|text| text.parse().expect("a set"));
        assert_eq!(a.to_string(), *own);
        assert_eq!(a.minus(&b).to_string(), *difference, "{a} minus {b}");
        assert_eq!(b.contains_all(&a), is_subset == "1", "{a} in {b}");
    }
}

/// In no order, and with what overlaps.
fn set(random: &mut Random) -> String {
    let uuids = ["3E11FA47-71CA-11E1-9E33-C80AA9429562", "00000000-0000-0000-0000-00000000000a"];
    let mut parts = Vec::new();
    for _ in 0..random.within(0..4) {
        let mut part = (*random.pick(&uuids)).to_owned();
        for _ in 0..random.within(1..4) {
            part += *random.pick(&["", ":branch_7", ":A"]);
            for _ in 0..random.within(1..4) {
                let first = random.within(1..30);
                part += &format!(":{first}-{}", first + random.within(0..6));
            }
        }
        parts.push(part);
    }
    parts.join(",")
}
