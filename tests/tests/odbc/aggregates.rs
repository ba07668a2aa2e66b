//! A root with what belongs to it, as one event.

use end_to_end::servers::Postgres;
use end_to_end::session::Session;
use serde_json::{Value, json};

use crate::world::{World, postgres};

const RESOURCES: &str = r#"
[[source.odbc.resource]]
name = "crm.customer"
root = "SELECT id, name FROM customer"
key = ["id"]
children = [
  { name = "managers", query = "SELECT customer_id, id, name FROM manager", parent = ["customer_id"], key = ["id"] },
  { name = "notes", query = "SELECT customer_id, n, day FROM note", parent = ["customer_id"], key = ["n"] },
]
"#;

#[test]
fn any_change_of_a_child_sends_its_root() {
    let server = Postgres::start(16);
    let session = Session::open(&server, "postgres");
    session.execute(
        "CREATE TABLE customer (id bigint PRIMARY KEY, name text);
         CREATE TABLE manager (id int PRIMARY KEY, customer_id int, name text);
         CREATE TABLE note (customer_id int, n int, day date);
         INSERT INTO customer VALUES (1, 'Ada'), (2, 'Bob \"B\"'), (3, 'Cy');
         INSERT INTO manager VALUES (10, 1, 'Mo'), (9, 1, 'Li'), (11, 2, 'Jo'), (12, NULL, 'nobody''s');
         INSERT INTO note VALUES (1, 1, '2026-01-01');",
    );
    let mut world = World::new("customers", &postgres(&server, "postgres"), RESOURCES);
    let connection = postgres(&server, "postgres");
    let replica = world.read_once(&connection, RESOURCES);
    let row = |replica: &crate::world::Replica, id: &str| -> Value {
        replica.rows("crm.customer").into_iter().find(|row| row["id"] == id).unwrap().clone()
    };
    let ada = json!({
        "id": "1", "name": "Ada",
        "managers": [{"customer_id": 1, "id": 9, "name": "Li"}, {"customer_id": 1, "id": 10, "name": "Mo"}],
        "notes": [{"customer_id": 1, "n": 1, "day": "2026-01-01"}],
    });
    assert_eq!(row(&replica, "1"), ada);
    assert_eq!(row(&replica, "3"), json!({"id": "3", "name": "Cy", "managers": [], "notes": []}));
    assert_eq!(replica.events.len(), 3);

    // Nothing happened: nothing is sent.
    assert_eq!(world.read_once(&connection, RESOURCES).events.len(), 3);

    // A change, a move to another root, a deletion.
    let mut expected = 3;
    for (statement, roots) in [
        ("UPDATE manager SET name = 'Moe' WHERE id = 10", &["1"][..]),
        ("UPDATE manager SET customer_id = 3 WHERE id = 10", &["1", "3"]),
        ("DELETE FROM manager WHERE id = 11", &["2"]),
        ("DELETE FROM manager WHERE id = 12", &[]),
        ("INSERT INTO note VALUES (3, 1, NULL)", &["3"]),
    ] {
        session.execute(statement);
        let replica = world.read_once(&connection, RESOURCES);
        let new = &replica.events[expected..];
        let ids: Vec<&str> = new.iter().map(|event| event["key"]["id"].as_str().unwrap()).collect();
        assert_eq!(ids, roots, "{statement}");
        assert!(new.iter().all(|event| event["op"] == "update"), "{new:?}");
        expected += roots.len();
    }
    let replica = world.read_once(&connection, RESOURCES);
    assert_eq!(row(&replica, "3")["managers"], json!([{"customer_id": 3, "id": 10, "name": "Moe"}]));
    let changed: Vec<&Value> = replica.events.iter().map(|event| &event["changed"]).collect();
    assert_eq!(*changed[3], json!(["managers"]));
    assert_eq!(**changed.last().unwrap(), json!(["notes"]));
}

#[test]
fn a_child_that_is_there_twice_is_refused() {
    let server = Postgres::start(16);
    let session = Session::open(&server, "postgres");
    session.execute(
        "CREATE TABLE customer (id int, name text); CREATE TABLE manager (id int, customer_id int, name text);
         CREATE TABLE note (customer_id int, n int, day date);
         INSERT INTO customer VALUES (1, 'Ada'); INSERT INTO manager VALUES (9, 1, 'Li'), (9, 1, 'Mo');",
    );
    let mut world = World::new("twice", &postgres(&server, "postgres"), RESOURCES);
    world.cdc.start();
    assert_ne!(world.cdc.wait(), Some(0));
    assert!(world.cdc.log_text().contains("CDC-OD-005"), "{}", world.cdc.log_text());
}
