//! What people and machines ask a pipeline.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use end_to_end::connector::Connector;
use serde_json::Value;

use crate::setup::{Setup, assert_done, assert_says};

#[test]
fn status_and_the_admin_pages_tell_what_is_going_on() {
    let mut setup = Setup::new("status");
    let sink = format!("{}\n[admin]\nlisten = \"127.0.0.1:0\"", setup.file_sink());
    setup.configure("", &sink);
    assert_not_running(&setup);
    setup.start_streaming();
    setup.write_some();
    setup.catch_up();

    let told: Value = serde_json::from_str(&assert_done(&setup.cdc.run(&["status", "--json"]))).unwrap();
    assert_eq!(told["state"]["name"], "streaming", "{told}");
    assert_eq!(told["is_ready"], true, "{told}");
    let orders = told["tables"].as_array().unwrap().iter().find(|table| table["table"] == "public.orders");
    let events = &orders.unwrap()["events"];
    assert_eq!(events["read"], 100, "{told}");
    assert!(events["insert"].as_u64().unwrap() >= 3 && events["delete"].as_u64().unwrap() >= 2, "{told}");
    assert_says(&assert_done(&setup.cdc.run(&["status", "--healthy"])), &["streaming", "public.orders"]);

    let address = admin_address(&setup.cdc);
    assert_eq!(get(&address, "/health").0, 200);
    assert_eq!(get(&address, "/ready").0, 200);
    let (code, metrics) = get(&address, "/metrics");
    assert_eq!(code, 200);
    assert_says(&metrics, &["cdc_ready", "public.orders"]);
    let (_, page) = get(&address, "/status");
    assert_eq!(serde_json::from_str::<Value>(&page).unwrap()["state"]["name"], "streaming");

    assert_eq!(setup.cdc.terminate(), Some(0));
    assert_not_running(&setup);
    setup.assert_nothing_lost();
}

fn assert_not_running(setup: &Setup) {
    let told = setup.cdc.run(&["status"]);
    assert_eq!(told.status.code(), Some(4));
    assert_says(&String::from_utf8_lossy(&told.stdout), &["not running"]);
}

#[test]
fn slots_are_created_listed_and_dropped() {
    let mut setup = Setup::new("slots");
    let slot = setup.cdc.slot();
    assert_done(&setup.cdc.run(&["slot", "create"]));
    assert_says(&assert_done(&setup.cdc.run(&["slot", "list"])), &[&slot]);
    // What was written since the slot was created is in it.
    setup.write_some();
    setup.assert_works();
    let refused = setup.cdc.run(&["slot", "drop"]);
    assert_eq!(refused.status.code(), Some(2));
    assert_says(&String::from_utf8_lossy(&refused.stderr), &["--yes", &slot]);
    assert_done(&setup.cdc.run(&["slot", "drop", "--yes"]));
    let count = format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{slot}'");
    assert_eq!(setup.session.value(&count).as_deref(), Some("0"));
    setup.assert_refused(1, &["CDC-PG-024", &slot, "--new-epoch"]);
}

/// Where the admin pages are: with port 0 the system chooses.
pub fn admin_address(cdc: &Connector) -> String {
    let line = cdc.log().into_iter().find(|line| line.contains("admin pages")).unwrap();
    line.split("address=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

pub fn get(address: &str, page: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {page} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
