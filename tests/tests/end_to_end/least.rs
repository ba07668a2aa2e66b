//! The permissions that docs/security.md lists are enough: its statements are executed here, and every test of this
//! program connects as that role.

use std::sync::OnceLock;

use end_to_end::replay::{Delivered, Replay, source_rows};
use end_to_end::servers::{Kafka, Nats, unique};
use end_to_end::session::Session;

use crate::setup::{Setup, shared_postgres};

const DOCUMENT: &str = include_str!("../../../docs/security.md");

/// A role that may do what the documentation lists, and the one that owns the tables.
pub struct Role {
    pub name: String,
    owner: String,
}

impl Role {
    /// Makes both, for all tables that there are, and lets `cdc` publish them.
    pub fn create(session: &Session, database: &str) -> Self {
        let role = Self::that_reads(session, database);
        session.execute(&role.statements("GRANT CREATE ON DATABASE", database));
        role
    }

    /// Makes both, and leaves publishing to others.
    pub fn that_reads(session: &Session, database: &str) -> Self {
        let name = unique("reader");
        let role = Self { owner: format!("{name}-owner"), name };
        session.execute(&format!("CREATE ROLE \"{}\"", role.owner));
        role.hand_over(session);
        session.execute(&role.statements("CREATE ROLE", database));
        role
    }

    /// Gives all tables to their owner, also those that the superuser makes later.
    fn hand_over(&self, session: &Session) {
        let tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
                      WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
        for row in session.rows(tables) {
            let table = row[0].as_deref().unwrap();
            session.execute(&format!("ALTER TABLE {table} OWNER TO \"{}\"", self.owner));
        }
        session.execute(&format!(
            "DROP EVENT TRIGGER IF EXISTS hand_over; \
             CREATE OR REPLACE FUNCTION public.hand_over() RETURNS event_trigger LANGUAGE plpgsql AS $$ \
             DECLARE made record; \
             BEGIN \
               FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE object_type = 'table' \
                           AND schema_name <> 'pg_temp' LOOP \
                 EXECUTE format('ALTER TABLE %s OWNER TO %I', made.object_identity, '{}'); \
               END LOOP; \
             END $$; \
             CREATE EVENT TRIGGER hand_over ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS') \
             EXECUTE FUNCTION public.hand_over()",
            self.owner
        ));
    }

    /// A superuser's URL, as this role.
    pub fn url(&self, url: &str) -> String {
        url.replace("postgres@", &format!("{}@", self.name))
    }

    /// The documentation's block that begins so, for these roles.
    fn statements(&self, begin: &str, database: &str) -> String {
        let mut blocks = DOCUMENT.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
        let block = blocks.find(|block| block.starts_with(begin)).expect("the block in docs/security.md");
        block
            .replace("cdc_reader", &format!("\"{}\"", self.name))
            .replace("shop_owner", &format!("\"{}\"", self.owner))
            .replace("DATABASE shop", &format!("DATABASE \"{database}\""))
    }
}

#[test]
fn a_role_that_only_reads() {
    let mut setup = Setup::new("reads");
    let database = setup.session.value("SELECT current_database()").unwrap();
    setup.role = Role::that_reads(&setup.session, &database);
    setup.url = setup.role.url(&shared_postgres().url(&database));
    setup.configure("", &setup.file_sink());
    // What it may not do, the DBA is told to do.
    setup.assert_refused(1, &["CDC-PG-021", "CREATE PUBLICATION"]);
    let publication = setup.cdc.slot();
    setup.session.execute(&format!("CREATE PUBLICATION \"{publication}\" FOR TABLE orders"));
    setup.assert_works();
}

/// A broker whose users may do only what an ACL says. Passwords are `swordfish` with the user's name before it.
pub fn guarded_kafka() -> &'static Kafka {
    static SHARED: OnceLock<Kafka> = OnceLock::new();
    SHARED.get_or_init(|| {
        Kafka::secured(
            &[("LOGIN", "SASL_PLAINTEXT")],
            &[("least", "least-swordfish"), ("rotated", "first-swordfish"), ("secret", "swordfish")],
            &[
                ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
                ("super.users", "User:ANONYMOUS;User:rotated;User:secret"),
                ("listener.name.login.sasl.enabled.mechanisms", "SCRAM-SHA-512"),
                (
                    "listener.name.login.scram-sha-512.sasl.jaas.config",
                    "org.apache.kafka.common.security.scram.ScramLoginModule required;",
                ),
                // Asks who it is again and again, so that a changed password is noticed.
                ("listener.name.login.scram-sha-512.connections.max.reauth.ms", "3000"),
            ],
        )
    })
}

/// The sink's sections, with the password in a file.
pub fn kafka_sink(kafka: &Kafka, username: &str, password_file: &str) -> String {
    format!(
        "[sink.kafka]\nbrokers = [\"{}\"]\nproperties = {{ \"broker.address.family\" = \"v4\" }}\n\
         [sink.kafka.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"{username}\"\n\
         password_file = \"{password_file}\"\n",
        kafka.listener("LOGIN")
    )
}

#[test]
fn kafka_s_acls() {
    let kafka = guarded_kafka();
    let mut setup = Setup::new("acl");
    let name = setup.session.value("SELECT current_database()").unwrap();
    let password = setup.cdc.folder().join("password").display().to_string();
    std::fs::write(&password, "least-swordfish").unwrap();
    let stateless = "[checkpoint]\nstore = \"sink\"\n";
    setup.configure("", &(kafka_sink(kafka, "least", &password) + stateless));
    setup.assert_refused(1, &["CDC-SINK-0", "uthoriz"]);
    // The commands of docs/security.md.
    let blocks = DOCUMENT.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let commands = blocks.filter(|block| block.starts_with("kafka-acls.sh")).collect::<String>();
    for command in commands.replace("\\\n", " ").lines() {
        let words: Vec<String> = command
            .split_whitespace()
            .skip(3)
            .map(|word| match word {
                "User:cdc" => "User:least".to_owned(),
                "shop." => format!("{name}."),
                "shop.checkpoint" => format!("{name}.checkpoint"),
                "cdc.shop.checkpoint" => format!("cdc.{name}.checkpoint"),
                word => word.to_owned(),
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        kafka.administer("org.apache.kafka.tools.AclCommand", &words);
    }
    setup.start_streaming();
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let mut replay = Replay::default();
    Delivered::each_of_kafka(&kafka.brokers(), &name, |message| replay.take(&message));
    replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());
}

#[test]
fn nats_permissions() {
    let mut setup = Setup::new("subjects");
    let name = setup.session.value("SELECT current_database()").unwrap();
    let block = DOCUMENT.split("permissions: {").nth(1).unwrap().split("\n}").next().unwrap();
    let allowed = |after: &str| -> Vec<String> {
        let list = block.split(after).nth(1).unwrap().split(']').next().unwrap();
        let lines = list.lines().map(|line| line.split('#').next().unwrap());
        let subjects = lines.flat_map(|line| line.split('"').skip(1).step_by(2)).collect::<Vec<_>>();
        subjects.iter().map(|subject| subject.replace("shop", &name)).collect()
    };
    let publish = allowed("publish: {");
    assert!(publish.len() > 5, "{publish:?}");
    let users = |publish: &[String]| {
        serde_json::json!([
            {"user": "admin", "password": "admin"},
            {"user": "least", "password": "least-swordfish", "permissions": {
                "publish": {"allow": publish}, "subscribe": {"allow": allowed("subscribe: {")}}},
        ])
        .to_string()
    };
    let mut nats = Nats::with_settings(&[("authorization.users", &users(&publish[1..]))]);
    let password = setup.cdc.folder().join("password").display().to_string();
    std::fs::write(&password, "least-swordfish").unwrap();
    let sink = format!(
        "[sink.nats]\nservers = [\"{}\"]\nusername = \"least\"\npassword_file = \"{password}\"\n\
         [checkpoint]\nstore = \"sink\"\n",
        nats.url()
    );
    setup.configure("", &sink);
    // Without the subject of the events: it worked so far, so it tries again.
    setup.cdc.start();
    setup.cdc.wait_for_log("Permissions Violation");
    assert!(setup.cdc.log_text().contains("CDC-SINK-004"), "{}", setup.cdc.log_text());
    nats.stop(end_to_end::servers::Stop::Fast);
    nats.start_again_with(&[("authorization.users", &users(&publish))]);
    setup.cdc.wait_for_log("streaming");
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    let mut replay = Replay::default();
    let url = nats.url().replace("//", "//admin:admin@");
    Delivered::each_of_nats(&url, &format!("CDC_{name}"), |message| replay.take(&message));
    replay.assert_equals(&source_rows(&setup.session), &setup.cdc.log_text());
}
