//! HTTP receivers that fail half the time, hang, break off, and refuse rows or us: every event arrives, in the order of its
//! key, or is put aside where somebody finds it.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use end_to_end::connector::Connector;
use end_to_end::database::Database;
use end_to_end::random::{Random, is_torture, seed};
use end_to_end::replay::{Delivered, Replay, source_rows};
use end_to_end::servers::{Authority, Post, Receiver, Reply, unique};
use end_to_end::workload::{Amount, Workload, create_tables};
use serde_json::Value;

use crate::setup::{Setup, assert_done, assert_says, source, wait_until_caught_up};

#[test]
fn a_receiver_that_fails_half_the_time_gets_everything_in_order_over_kills() {
    let seed = seed("http::half");
    let mut random = Random::new(seed);
    let receiver = Receiver::moody(random.fork());
    let database = Database::any_postgres(&mut random);
    let session = database.session();
    create_tables(&session, 100, seed);
    let sink = format!("[sink.http]\nurl = \"{}\"\ntimeout_ms = 300\nbatch_events = 200", receiver.url());
    let mut cdc =
        Connector::new(&unique("http-half"), &format!("{}{sink}", source(&session, &database.url())));
    let (rows, kills) = if is_torture() { (200_000, 20) } else { (6_000, 4) };
    cdc.start();
    cdc.wait_for_log("streaming");
    let amount = Amount { rows, pause: Duration::from_millis(8) };
    let workload = Workload::start(database.url(), amount, random.number());
    for _ in 0..kills {
        sleep(Duration::from_millis(random.within(300..1500)));
        cdc.kill();
        let lines = cdc.log().len();
        cdc.start();
        cdc.wait_for_log_after(lines, "streaming");
    }
    let changed = workload.finish();
    wait_until_caught_up(&mut cdc, &session);
    assert_eq!(cdc.terminate(), Some(0), "{}", cdc.log_text());
    let mut replay = Replay::default();
    for post in receiver.taken() {
        Delivered::each_of_body(&post.body, |message| replay.take(&message));
    }
    let about = format!("CDC_SEED={seed}, {changed} rows changed, {} requests", receiver.asked());
    let summary = replay.assert_equals(&source_rows(&session), &about);
    println!("{about}: {summary:?}");
}

/// Keys go beside each other, and what concerns a whole table between them.
#[test]
fn several_requests_at_once_keep_the_order_of_each_key() {
    let seed = seed("http::lanes");
    let receiver = Receiver::moody(Random::new(seed));
    let mut setup = Setup::new("http-lanes");
    setup.configure("", &json(&receiver, "concurrency = 4\nbatch_events = 10\ntimeout_ms = 300"));
    setup.start_streaming();
    for round in 0..4 {
        for _ in 0..20 {
            setup.write_some();
        }
        if round == 2 {
            setup.session.execute(
                "TRUNCATE orders; INSERT INTO orders SELECT g, 'again' FROM generate_series(1, 50) g",
            );
        }
        setup.cdc.kill();
        setup.start_streaming();
    }
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let (rows, about) = (replica(&receiver.taken()), format!("CDC_SEED={seed}"));
    assert_eq!(rows, source_of(&setup), "{about}");
}

/// A consumer that drops what it has seen by the events' IDs, and has the rows by the last write of each key.
fn replica(posts: &[Post]) -> BTreeMap<i64, String> {
    let mut rows = BTreeMap::new();
    let (mut seen, mut last) = (HashSet::new(), BTreeMap::new());
    for event in posts.iter().flat_map(Post::json) {
        if !seen.insert(event["id"].as_str().unwrap().to_owned()) {
            continue;
        }
        let key = event["key"]["id"].as_i64();
        if let (Some(key), Some(seq)) = (key, event["table_seq"].as_u64().filter(|_| event["op"] != "read")) {
            let before = last.insert(key, seq).unwrap_or(0);
            assert!(before < seq, "{key}: {seq} after {before}");
        }
        match event["op"].as_str().unwrap() {
            "insert" | "update" | "read" => {
                _ = rows.insert(key.unwrap(), event["after"]["note"].as_str().unwrap_or_default().to_owned());
            }
            "delete" => _ = rows.remove(&key.unwrap()),
            "truncate" => rows.clear(),
            _ => {}
        }
    }
    rows
}

fn source_of(setup: &Setup) -> BTreeMap<i64, String> {
    let rows = setup.session.rows("SELECT id::text, note FROM orders");
    rows.into_iter().map(|row| (row[0].as_ref().unwrap().parse().unwrap(), row[1].clone().unwrap())).collect()
}

fn json(receiver: &Receiver, keys: &str) -> String {
    format!("[sink.http]\nurl = \"{}\"\n{keys}\n[format]\nkind = \"json\"\n", receiver.url())
}

/// Takes no more than ten events at once, and none that is poisoned.
fn squeamish(post: &Post) -> Reply {
    if post.header("cdc-events").unwrap().parse::<usize>().unwrap() > 10 {
        return Reply::Status(413);
    }
    let is_poisoned = String::from_utf8_lossy(&post.body).contains("poison");
    Reply::Status(if is_poisoned { 422 } else { 200 })
}

#[test]
fn what_a_receiver_refuses_for_good_is_put_aside_and_all_else_arrives() {
    let receiver = Receiver::start(squeamish);
    let mut setup = Setup::new("http-aside");
    let aside = setup.cdc.folder().join("refused.ndjson");
    let (secret, token) = (setup.cdc.folder().join("secret"), setup.cdc.folder().join("token"));
    fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    fs::write(&token, "swordfish\n").unwrap();
    let keys = format!(
        "dead_letter = {aside:?}\ntoken_file = {token:?}\nhmac_secret_file = {secret:?}\nheaders = {{ X-Tenant = \"7\" }}"
    );
    setup.configure("", &json(&receiver, &keys));
    setup.start_streaming();
    setup.session.execute(
        "INSERT INTO orders SELECT g, CASE WHEN g IN (1005, 1030) THEN 'poison' ELSE 'fine' END \
         FROM generate_series(1001, 1060) g; UPDATE orders SET note = 'cured' WHERE id = 1005",
    );
    setup.catch_up();
    let status = assert_done(&setup.cdc.run(&["status"]));
    assert_says(&status, &["dead letters 2"]);
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());

    let letters: Vec<Value> =
        fs::read_to_string(&aside).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let keys: Vec<_> = letters.iter().map(|letter| letter["event"]["key"]["id"].as_i64().unwrap()).collect();
    assert_eq!(keys, [1005, 1030]);
    for letter in &letters {
        assert_eq!((&letter["status"], &letter["table"]), (&Value::from(422), &Value::from("public.orders")));
        assert_eq!(letter["id"], letter["event"]["id"]);
    }
    let posts = receiver.taken();
    let mut rows = replica(&posts);
    assert_eq!(rows.insert(1030, "poison".to_owned()), None);
    assert_eq!(rows, source_of(&setup));
    for post in &posts {
        assert_eq!(post.path, "/changes");
        assert_eq!(post.header("authorization"), Some("Bearer swordfish"));
        assert_eq!(post.header("x-tenant"), Some("7"));
        assert_eq!(post.header("webhook-id"), post.header("idempotency-key"));
        assert!(post.header("webhook-signature").unwrap().starts_with("v1,"));
        assert_eq!(post.json().len().to_string(), post.header("cdc-events").unwrap());
    }
    assert!(!setup.cdc.log_text().contains("swordfish") && !setup.cdc.log_text().contains("poison"));
}

#[test]
fn without_a_place_to_put_it_the_pipeline_stops_at_what_is_refused() {
    let receiver = Receiver::start(squeamish);
    let mut setup = Setup::new("http-refused");
    setup.configure("", &json(&receiver, ""));
    setup.start_streaming();
    setup.session.execute("INSERT INTO orders VALUES (1001, 'fine'), (1002, 'poison'), (1003, 'fine')");
    assert_eq!(setup.cdc.wait(), Some(1));
    assert_says(&setup.cdc.log_text(), &["CDC-SINK-006", "public.orders", "422", "dead_letter"]);
    assert!(!replica(&receiver.taken()).contains_key(&1003), "nothing is skipped");

    // A full disk for the file: nothing is taken for put aside.
    setup.configure("", &json(&receiver, "dead_letter = \"/dev/full\""));
    let lines = setup.cdc.log().len();
    setup.cdc.start();
    setup.cdc.wait_for_log_after(lines, "CDC-SINK-011");
    assert!(!replica(&receiver.taken()).contains_key(&1003), "nothing is skipped");
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());

    // The receiver is mended.
    receiver.answer(|_| Reply::Status(200));
    setup.start_streaming();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    assert_eq!(replica(&receiver.taken()), source_of(&setup));
}

#[test]
fn who_does_not_take_us_is_told_with_the_remedy() {
    let receiver = Receiver::start(|post| match post.header("authorization") {
        Some("Bearer right") if post.path == "/changes" => Reply::Status(200),
        Some("Bearer right") if post.path == "/moved" => Reply::With(308, "location", "/changes"),
        Some("Bearer right") => Reply::Status(404),
        _ => Reply::Status(401),
    });
    let mut setup = Setup::new("http-strangers");
    let token = setup.cdc.folder().join("token");
    let at = |path: &str, keys: &str| {
        format!(
            "[sink.http]\nurl = \"http://127.0.0.1:{}{path}\"\ntoken_file = {token:?}\n{keys}\n",
            receiver.port()
        )
    };
    setup.configure("", &at("/changes", ""));
    setup.assert_refused(1, &["CDC-SINK-009", "token"]);
    fs::write(&token, "wrong-swordfish").unwrap();
    setup.assert_refused(1, &["CDC-SINK-004", "401", &token.display().to_string()]);
    let check = setup.cdc.run(&["check"]);
    assert_says(&String::from_utf8_lossy(&check.stdout), &["CDC-SINK-004"]);
    fs::write(&token, "right").unwrap();
    setup.configure("", &at("/elsewhere", ""));
    setup.assert_refused(1, &["CDC-SINK-040", "404", "sink.http.url"]);
    setup.configure("", &at("/moved", ""));
    setup.assert_refused(1, &["CDC-SINK-040", "308", "redirects"]);
    setup.configure("", &at("/changes", "dead_letter = \"/no/such/folder/file\""));
    setup.assert_refused(1, &["CDC-SINK-010", "/no/such/folder/file"]);
    for (keys, words) in [
        ("[checkpoint]\nstore = \"sink\"", ["checkpoint.store", "Kafka or NATS"]),
        ("headers = { Authorization = \"Bearer swordfish\" }", ["sink.http.headers", "authorization"]),
        ("hmac_secret = \"swordfish\"", ["hmac_secret_file", "CDC__SINK__HTTP__HMAC_SECRET"]),
        ("concurrency = 0", ["sink.http.concurrency", "1 to 64"]),
        ("[sink.http.tls]\nca_file = \"x\"", ["sink.http.url", "https"]),
    ] {
        setup.configure("", &at("/changes", keys));
        setup.assert_refused(2, &words);
    }

    // A token that is changed at both ends, and not at once.
    setup.configure("", &at("/changes", ""));
    setup.start_streaming();
    receiver.answer(|post| {
        Reply::Status(if post.header("authorization") == Some("Bearer new") { 200 } else { 401 })
    });
    let lines = setup.cdc.log().len();
    setup.write_some();
    setup.cdc.wait_for_log_after(lines, "CDC-SINK-004");
    fs::write(&token, "new").unwrap();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let mut replay = Replay::default();
    for post in receiver.taken() {
        Delivered::each_of_body(&post.body, |message| replay.take(&message));
    }
    replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());
    assert!(!setup.cdc.log_text().contains("swordfish"));
}

#[test]
fn a_receiver_proves_who_it_is_and_one_that_is_away_is_waited_for() {
    let authority = Authority::new();
    authority.server("receiver", "localhost");
    let (certificate, key) = (authority.path("receiver.pem"), authority.path("receiver.key"));
    let receiver = Receiver::with_tls(&certificate, &key, |_| Reply::Status(202));
    let mut setup = Setup::new("http-tls");
    let bare = |url: &str| format!("[sink.http]\nurl = \"{url}\"\n");
    let sink =
        |url: &str| format!("{}[sink.http.tls]\nca_file = \"{}\"\n", bare(url), authority.file("ca.pem"));
    let at = |host: &str| format!("https://{host}:{}/changes", receiver.port());
    for (sink, words) in [
        (bare(&at("localhost")), ["CDC-SINK-008", "sink.http.tls.ca_file"]),
        (sink(&at("127.0.0.1")), ["CDC-SINK-008", "another host name"]),
    ] {
        setup.configure("", &sink);
        setup.assert_refused(1, &words);
    }
    // One that speaks no TLS.
    let plain = Receiver::start(|_| Reply::Status(200));
    setup.configure("", &sink(&format!("https://127.0.0.1:{}/", plain.port())));
    setup.assert_refused(1, &["CDC-SINK-008", "does not speak TLS"]);

    // Nobody there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    setup.configure("", &bare(&format!("http://127.0.0.1:{free}/")));
    let check = setup.cdc.run(&["check"]);
    assert_eq!(check.status.code(), Some(3));
    assert_says(&String::from_utf8_lossy(&check.stdout), &["CDC-SINK-003"]);
    let lines = setup.cdc.log().len();
    setup.cdc.start();
    setup.cdc.wait_for_log_after(lines, "CDC-SINK-003");
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());

    setup.configure("", &sink(&at("localhost")));
    assert_done(&setup.cdc.run(&["check"]));
    setup.start_streaming();
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let mut replay = Replay::default();
    for post in receiver.taken() {
        Delivered::each_of_body(&post.body, |message| replay.take(&message));
    }
    replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());
}
