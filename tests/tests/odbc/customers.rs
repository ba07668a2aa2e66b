//! A root with its children, by a real driver into a receiver that fails half the time, over kills: every change arrives,
//! in the order of its customer, none twice.

use std::collections::{BTreeSet, HashSet};
use std::thread;
use std::time::Duration;

use end_to_end::connector::Connector;
use end_to_end::random::{Random, is_torture, seed};
use end_to_end::servers::{Mysql, Postgres, Receiver, Release};
use end_to_end::session::Session;
use serde_json::Value;

use crate::crm::{Crm, RESOURCE};
use crate::world::{mysql, postgres};

#[test]
fn of_postgres_arrive() {
    let server = Postgres::start(17);
    arrive("of_postgres_arrive", Session::open(&server, "postgres"), &postgres(&server, "postgres"), 1);
}

#[test]
fn of_mariadb_arrive_by_several_requests_at_once() {
    let server = Mysql::start(Release::Mariadb("10.11"));
    server.query("CREATE DATABASE crm CHARACTER SET utf8mb4");
    let connection = format!("{};DATABASE=crm", mysql(&server));
    let session = Session::open_mysql(&server, "crm");
    arrive("of_mariadb_arrive_by_several_requests_at_once", session, &connection, 4);
}

fn arrive(name: &str, session: Session, connection: &str, concurrency: u32) {
    let seed = seed(name);
    let mut random = Random::new(seed);
    let mut crm = Crm::new(session, random.fork());
    let receiver = Receiver::moody(random.fork());
    let mut cdc = Connector::new(
        "customers",
        &format!(
            "[source.odbc]\nconnection_string = \"{connection}\"\n{RESOURCE}\n\
             [sink.http]\nurl = \"{}\"\ntimeout_ms = 300\nbatch_events = 7\nconcurrency = {concurrency}\n\
             [format]\nkind = \"json\"\n",
            receiver.url()
        ),
    );
    cdc.start();
    arrived(&mut cdc, &receiver, &crm);

    // Each branch of change alone: the customers that it concerns come, and no other.
    for branch in [Crm::change_root, Crm::change_child, Crm::delete_child, Crm::move_child] {
        let before: HashSet<String> = events(&receiver).iter().map(|event| event["id"].to_string()).collect();
        let concerned = branch(&mut crm);
        arrived(&mut cdc, &receiver, &crm);
        let new = events(&receiver).into_iter().filter(|event| !before.contains(&event["id"].to_string()));
        let told: BTreeSet<i64> = new.filter_map(|event| event["key"]["id"].as_i64()).collect();
        assert_eq!(told, concerned, "CDC_SEED={seed}");
    }

    // All of them at once, while it dies.
    for _ in 0..if is_torture() { 40 } else { 5 } {
        for _ in 0..random.within(5..60) {
            crm.write();
            thread::sleep(Duration::from_millis(random.within(0..60)));
        }
        cdc.kill();
        for _ in 0..random.within(0..5) {
            crm.write();
        }
        cdc.start();
    }
    arrived(&mut cdc, &receiver, &crm);
    assert_eq!(cdc.terminate(), Some(0), "{}", cdc.log_text());
    let taken = events(&receiver);
    assert_eq!(crm.judge(taken.clone()), crm.rows(), "CDC_SEED={seed}");
    println!("CDC_SEED={seed}, {} events in {} requests", taken.len(), receiver.asked());
}

/// Waits until the receiver has what the database has, and judges how it came to that.
fn arrived(cdc: &mut Connector, receiver: &Receiver, crm: &Crm) {
    cdc.wait_until("every customer is as in the database", || crm.judge(events(receiver)) == crm.rows());
}

fn events(receiver: &Receiver) -> Vec<Value> {
    receiver.taken().iter().flat_map(|post| post.json()).collect()
}
