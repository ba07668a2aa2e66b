//! What `[[table]]` says: columns that are left out or masked, keys and topics of one's own.

use std::fs;

use end_to_end::connector::Connector;
use end_to_end::replay::Delivered;
use end_to_end::servers::{Kafka, Nats};
use event::envelope::{ChangeEvent, Op};
use prost::Message as _;
use serde_json::{Value, json};

use crate::setup::{Setup, assert_done, assert_says};

#[test]
fn columns_are_left_out_and_masked_everywhere() {
    let mut setup = Setup::new("masked");
    setup.session.execute(
        "CREATE TABLE people (tenant int, email text, card text, age int, note text, PRIMARY KEY (tenant, email)); \
         ALTER TABLE people ALTER note SET STORAGE EXTERNAL; \
         INSERT INTO people VALUES (1, 'a@example.com', 'CARD-1', 1414141414, 'x')",
    );
    let rules = "[[table]]\nmatch = \"public.people\"\nexclude_columns = [\"card\"]\n\
                 mask = { email = \"sha256\", age = \"null\" }\n";
    setup.configure("", &format!("{rules}{}[format]\nkind = \"json\"\n", setup.file_sink()));
    setup.start_streaming();
    setup.session.execute(
        "INSERT INTO people VALUES (1, 'b@example.com', 'CARD-2', 1424242424, repeat('y', 5000)); \
         UPDATE people SET age = 1434343434 WHERE email = 'a@example.com'; \
         UPDATE people SET email = 'c@example.com' WHERE email = 'b@example.com'; \
         DELETE FROM people WHERE email = 'a@example.com'; \
         ALTER TABLE people REPLICA IDENTITY FULL; \
         UPDATE people SET card = 'CARD-3' WHERE email = 'c@example.com'",
    );
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());

    let text = fs::read_to_string(setup.events_file()).unwrap();
    for secret in ["CARD-", "example.com", "card\"", "1414141414", "1424242424", "1434343434"] {
        assert!(!text.contains(secret), "{secret} was sent");
    }
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |op: &str| events.iter().find(|event| event["op"] == op && event["table"] == "people").unwrap();
    let hash = of("read")["key"]["email"].as_str().unwrap().to_owned();
    assert_eq!(hash.len(), 64);
    assert_eq!(of("read")["after"], json!({"tenant": 1, "email": hash, "age": null, "note": "x"}));
    assert_eq!(of("update")["key"], json!({"tenant": 1, "email": hash}), "equal values stay equal");
    let moved =
        events.iter().filter(|event| event["table"] == "people" && event["op"] == "insert").nth(1).unwrap();
    assert_eq!(moved["after"]["note"].as_str().unwrap().len(), 5000, "fetched under the real key");
    let whole = events.iter().rfind(|event| event["op"] == "update").unwrap();
    assert_eq!(whole["before"].as_object().unwrap().len(), 4, "{whole}");
    assert_eq!(whole["before"]["age"], Value::Null);
}

/// A key that is not unique: rows keep IDs of their own, and deletes find their way.
#[test]
fn a_key_and_a_topic_of_ones_own() {
    let (kafka, nats) = (Kafka::start(), Nats::start());
    for sink in [
        format!("[sink.kafka]\nbrokers = [\"{}\"]\npartitions = 3", kafka.brokers()),
        format!("[sink.nats]\nservers = [\"{}\"]", nats.url()),
    ] {
        let mut setup = Setup::new("own-key");
        setup.session.execute(
            "CREATE TABLE lines (tenant int, id int, note text, PRIMARY KEY (tenant, id)); \
             INSERT INTO lines SELECT g % 2, g, 'loaded' FROM generate_series(1, 10) g",
        );
        let database = setup.session.value("SELECT current_database()").unwrap();
        let rules = format!(
            "[[table]]\nmatch = \"public.lines\"\nkey = [\"tenant\"]\ntopic = \"{database}.own\"\n{sink}\n"
        );
        setup.configure("", &rules);
        setup.start_streaming();
        setup.session.execute(
            "UPDATE lines SET note = 'changed' WHERE id = 1; UPDATE lines SET tenant = 2 WHERE id = 3; \
             UPDATE lines SET id = 100 WHERE id = 5; DELETE FROM lines WHERE id = 7",
        );
        setup.catch_up();
        assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());

        let mut events = Vec::new();
        let mut take = |message: Delivered| {
            let event = ChangeEvent::decode(&message.payload[..]).unwrap();
            if event.table == "lines" && event.op() != Op::Schema {
                events.push((message.partition, event));
            }
        };
        if sink.contains("kafka") {
            Delivered::each_of_kafka(&kafka.brokers(), &database, &mut take);
            assert!(events.iter().all(|(partition, _)| partition.starts_with(&format!("{database}.own/"))));
        } else {
            Delivered::each_of_nats(&nats.url(), &format!("CDC_{database}"), &mut take);
        }
        let count = |op: Op| events.iter().filter(|(_, event)| event.op() == op).count();
        assert_eq!(count(Op::Read), 10, "none is taken for another");
        // The change of the key is a delete and an insert, the change of the other column of the old key is not.
        assert_eq!((count(Op::Update), count(Op::Delete), count(Op::Insert)), (2, 2, 1));
        for (_, event) in &events {
            let width = event.key.as_ref().map(|key| key.values.len());
            assert!(width == Some(1) || matches!(event.op(), Op::LoadBegin | Op::LoadEnd), "{event:?}");
        }
    }
}

#[test]
fn other_rules_are_another_epoch_with_a_load() {
    let mut setup = Setup::new("other-rules");
    let with = |rules: &str| format!("{rules}\n{}[format]\nkind = \"json\"\n", setup.file_sink());
    let (before, after) = (with("[[table]]\nmatch = \"public.*\"\nexclude_columns = [\"note\"]"), with(""));
    setup.configure("", &before);
    setup.start_streaming();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.configure("", &after);
    setup.start_streaming();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let text = fs::read_to_string(setup.events_file()).unwrap();
    let reads: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reads: Vec<&Value> = reads.iter().filter(|event| event["op"] == "read").collect();
    assert_eq!(reads.len(), 200);
    assert_eq!(reads[0]["after"], json!({"id": reads[0]["after"]["id"]}));
    assert_eq!(reads[199]["after"]["note"], "loaded");
    assert!(reads[199]["epoch"].as_u64() > reads[0]["epoch"].as_u64());
}

#[test]
fn what_can_not_be_sent_so_is_refused_before_anything_is() {
    let mut setup = Setup::new("bad-rules");
    let sink = setup.file_sink();
    for (rules, words) in [
        ("mask = { emial = \"sha256\" }", ["emial", "id, note"]),
        ("exclude_columns = [\"id\"]", ["id", "can't be left out"]),
        ("key = [\"note\"]", ["note", "REPLICA IDENTITY FULL"]),
    ] {
        setup.configure("", &format!("[[table]]\nmatch = \"public.orders\"\n{rules}\n{sink}"));
        let slot = setup.cdc.slot();
        setup.assert_refused(1, &[&["CDC-PG-040", "public.orders"][..], &words[..]].concat());
        assert!(!assert_done(&setup.cdc.run(&["slot", "list"])).contains(&slot), "nothing was begun");
    }
    setup.configure("", &format!("[[table]]\nmatch = \"public.orders\"\nmasks = {{}}\n{sink}"));
    setup.assert_refused(2, &["masks", "did you mean `mask`"]);
    setup.configure("", &format!("[table]\nmatch = \"public.orders\"\n{sink}"));
    setup.assert_refused(2, &["[[table]]"]);
    setup.configure("", &sink);
    setup.assert_works();
    let checked: &Connector = &setup.cdc;
    setup.configure("", &format!("[[table]]\nmatch = \"public.orders\"\nkey = [\"note\"]\n{sink}"));
    let output = checked.run(&["check"]);
    assert_says(&String::from_utf8_lossy(&output.stdout), &["CDC-PG-040"]);
}
