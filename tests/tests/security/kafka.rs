//! One broker with a listener for each way in.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use end_to_end::servers::{Authority, Kafka as Broker, unique};
use sinks::{Error, Kafka, KafkaOptions};

use crate::{assert_refused, pipeline, start_log, store};

/// A broker and what it trusts.
pub struct Secured {
    pub broker: Broker,
    pub files: Authority,
}

/// Passwords are `swordfish` with the user's name before it.
pub fn secured() -> &'static Secured {
    static SHARED: OnceLock<Secured> = OnceLock::new();
    SHARED.get_or_init(start)
}

const LISTENERS: [(&str, &str); 5] = [
    ("TLS", "SSL"),
    ("MUTUAL", "SSL"),
    ("EXPIRED", "SSL"),
    ("LOGIN", "SASL_SSL"),
    ("OPEN", "SASL_PLAINTEXT"),
];

fn start() -> Secured {
    start_log();
    let files = Authority::new();
    files.server("server", "localhost");
    files.expired_server("expired", "localhost");
    files.client("cdc-client");
    let module = "org.apache.kafka.common.security";
    let plain = format!("{module}.plain.PlainLoginModule required user_plain=\"plain-swordfish\";");
    let scram = format!("{module}.scram.ScramLoginModule required;");
    let bearer = format!(
        "{module}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";"
    );
    let (ca, server, expired) =
        (files.file("ca.pem"), files.file("server.both.pem"), files.file("expired.both.pem"));
    let mut settings = vec![
        (
            "authorizer.class.name".to_owned(),
            "org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned(),
        ),
        (
            "super.users".to_owned(),
            "User:ANONYMOUS;User:plain;User:scram;User:bearer;User:rotated;User:CN=cdc-client".to_owned(),
        ),
        ("ssl.keystore.type".to_owned(), "PEM".to_owned()),
        ("ssl.keystore.location".to_owned(), server),
        ("ssl.truststore.type".to_owned(), "PEM".to_owned()),
        ("ssl.truststore.location".to_owned(), ca),
        ("listener.name.mutual.ssl.client.auth".to_owned(), "required".to_owned()),
        ("listener.name.expired.ssl.keystore.type".to_owned(), "PEM".to_owned()),
        ("listener.name.expired.ssl.keystore.location".to_owned(), expired),
    ];
    for listener in ["login", "open"] {
        let mechanisms = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER";
        settings.push((format!("listener.name.{listener}.sasl.enabled.mechanisms"), mechanisms.to_owned()));
        for (mechanism, module) in [
            ("plain", &plain),
            ("scram-sha-256", &scram),
            ("scram-sha-512", &scram),
            ("oauthbearer", &bearer),
        ] {
            settings.push((format!("listener.name.{listener}.{mechanism}.sasl.jaas.config"), module.clone()));
        }
        // So that a changed secret is asked for while a connection is open.
        for mechanism in ["scram-sha-256", "oauthbearer"] {
            let name = format!("listener.name.{listener}.{mechanism}.connections.max.reauth.ms");
            settings.push((name, "4000".to_owned()));
        }
    }
    let settings: Vec<(&str, &str)> =
        settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let users = [
        ("scram", "scram-swordfish"),
        ("rotated", "first-swordfish"),
        ("least", "least-swordfish"),
        ("stranger", "stranger-swordfish"),
    ];
    Secured { broker: Broker::secured(&LISTENERS, &users, &settings), files }
}

impl Secured {
    pub fn options(&self, listener: &str, tls: &str, sasl: &str) -> KafkaOptions {
        let brokers = self.broker.listener(listener);
        // The broker listens on IPv4 alone, and `localhost` may be more.
        let text = format!("brokers = ['{brokers}']\nproperties = {{ 'broker.address.family' = 'v4' }}");
        let mut options: KafkaOptions = toml::from_str(&text).unwrap();
        options.tls = (tls != "off").then(|| toml::from_str(tls).unwrap());
        options.sasl = (sasl != "off").then(|| toml::from_str(sasl).unwrap());
        options
    }

    pub fn trusting(&self) -> String {
        format!("ca_file = '{}'\n", self.files.file("ca.pem"))
    }

    /// Keys of `[sink.kafka.sasl]`, with the password in a file.
    pub fn password(&self, mechanism: &str, username: &str, password: &str) -> String {
        let file = unique(&format!("{username}-{mechanism}"));
        self.files.write(&file, &format!("{password}\n"));
        format!(
            "mechanism = '{mechanism}'\nusername = '{username}'\npassword_file = '{}'",
            self.files.file(&file)
        )
    }

    async fn assert_taken(&self, listener: &str, tls: &str, sasl: &str) {
        let source = unique("secured");
        let options = self.options(listener, tls, sasl);
        let mut kafka = Kafka::open(&options, &pipeline(&source)).await.expect(sasl);
        store(&mut kafka, &source, 0).await;
    }

    async fn refusal(&self, options: &KafkaOptions) -> Error {
        Kafka::open(options, &pipeline(&unique("refused"))).await.err().expect("a refusal")
    }
}

fn jwt(subject: &str, lifetime: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = format!("{{\"sub\":\"{subject}\",\"iat\":{now},\"exp\":{}}}", now + lifetime.as_secs());
    format!("{}.{}.", URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}"), URL_SAFE_NO_PAD.encode(claims))
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_whom_to_trust() {
    let secured = secured();
    let trusting = secured.trusting();
    secured.assert_taken("TLS", &trusting, "off").await;

    // An authority that did not sign the broker's certificate, here the system's.
    let error = secured.refusal(&secured.options("TLS", "", "off")).await;
    assert_refused(
        &error,
        "CDC-SINK-008",
        &["not signed by an authority that is trusted", "sink.kafka.tls.ca_file"],
    );
    // Another host name.
    let mut elsewhere = secured.options("TLS", &trusting, "off");
    elsewhere.brokers = vec![format!("127.0.0.1:{}", secured.broker.listener_port("TLS"))];
    let error = secured.refusal(&elsewhere).await;
    assert_refused(&error, "CDC-SINK-008", &["another host name", "localhost"]);
    let error = secured.refusal(&secured.options("EXPIRED", &trusting, "off")).await;
    assert_refused(&error, "CDC-SINK-008", &["has expired", "give the server a new one"]);
    let error = secured.refusal(&secured.options("TLS", "ca_file = '/no/such/file'", "off")).await;
    assert_refused(&error, "CDC-SINK-009", &["certificate authority", "/no/such/file"]);
    // TLS where there is none.
    let mut plain = secured.options("TLS", &trusting, "off");
    plain.brokers = vec![secured.broker.brokers()];
    let error = secured.refusal(&plain).await;
    assert!(error.to_string().contains("TLS") || error.to_string().contains("SSL"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_both_sides() {
    let secured = secured();
    let files = &secured.files;
    let (certificate, key) = (files.file("cdc-client.pem"), files.file("cdc-client.key"));
    let mine = format!("{}certificate_file = '{certificate}'\nkey_file = '{key}'\n", secured.trusting());
    secured.assert_taken("MUTUAL", &mine, "off").await;

    let error = secured.refusal(&secured.options("MUTUAL", &secured.trusting(), "off")).await;
    assert_refused(&error, "CDC-SINK-008", &["wants a certificate", "sink.kafka.tls.certificate_file"]);

    // A key that only a password opens.
    let locked = files.path("locked.key");
    let locking = std::process::Command::new("openssl")
        .args(["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:swordfish", "-in", &key, "-out"])
        .arg(&locked)
        .output()
        .unwrap();
    assert!(locking.status.success(), "{locking:?}");
    files.write("locked.password", "swordfish\n");
    let locked = format!(
        "{}certificate_file = '{certificate}'\nkey_file = '{}'\n",
        secured.trusting(),
        locked.display()
    );
    let password = format!("{locked}key_password_file = '{}'\n", files.file("locked.password"));
    secured.assert_taken("MUTUAL", &password, "off").await;
    files.write("wrong.password", "swordfish2\n");
    let wrong = format!("{locked}key_password_file = '{}'\n", files.file("wrong.password"));
    let error = secured.refusal(&secured.options("MUTUAL", &wrong, "off")).await;
    assert_refused(&error, "CDC-SINK-009", &["private key", "locked.key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords() {
    let secured = secured();
    let trusting = secured.trusting();
    for (mechanism, user) in [("PLAIN", "plain"), ("SCRAM-SHA-256", "scram"), ("SCRAM-SHA-512", "scram")] {
        let right = secured.password(mechanism, user, &format!("{user}-swordfish"));
        secured.assert_taken("LOGIN", &trusting, &right).await;
        let wrong = secured.password(mechanism, user, "swordfish");
        let error = secured.refusal(&secured.options("LOGIN", &trusting, &wrong)).await;
        let file = secured.files.file(&format!("{user}-{mechanism}"));
        assert_refused(&error, "CDC-SINK-004", &[mechanism, &format!("\"{user}\""), &file]);
    }
    let open = secured.password("SCRAM-SHA-512", "scram", "scram-swordfish");
    secured.assert_taken("OPEN", "off", &open).await;
    let missing = "mechanism = 'PLAIN'\nusername = 'plain'\npassword_file = '/no/such/password'";
    let error = secured.refusal(&secured.options("LOGIN", &trusting, missing)).await;
    assert_refused(&error, "CDC-SINK-009", &["password", "/no/such/password"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_read_again_before_they_expire() {
    let secured = secured();
    let source = unique("bearer");
    let topics = ["control", "schemas", "public.orders"].map(|topic| format!("{source}.{topic}"));
    secured.assert_taken("OPEN", "off", &secured.password("SCRAM-SHA-512", "scram", "scram-swordfish")).await;
    create_topics(&secured.broker, &topics).await;
    let file = format!("{source}.token");
    let sasl = format!("mechanism = 'OAUTHBEARER'\ntoken_file = '{}'", secured.files.file(&file));
    let mut options = secured.options("LOGIN", &secured.trusting(), &sasl);

    secured.files.write(&file, &jwt("bearer", Duration::from_secs(12)));
    let error = secured.refusal(&options).await;
    assert_refused(&error, "CDC-SINK-001", &["sink.kafka.create_topics", "OAUTHBEARER"]);
    options.create_topics = false;
    secured.files.write(&file, &jwt("bearer", Duration::from_secs(12)));
    let mut kafka = Kafka::open(&options, &pipeline(&source)).await.unwrap();
    store(&mut kafka, &source, 0).await;
    secured.files.write(&file, &jwt("bearer", Duration::from_secs(3600)));
    // Beyond the first one's end, and the broker asks again every four seconds.
    tokio::time::sleep(Duration::from_secs(14)).await;
    store(&mut kafka, &source, 1).await;

    secured.files.write(&file, "opaque-swordfish");
    let error = secured.refusal(&options).await;
    assert_refused(&error, "CDC-SINK-004", &["OAUTHBEARER", &file]);
    secured.files.write(&file, &jwt("bearer", Duration::ZERO));
    let error = secured.refusal(&options).await;
    assert_refused(&error, "CDC-SINK-009", &["token", "expired", &file]);
}

pub async fn create_topics(broker: &Broker, topics: &[String]) {
    use rdkafka::ClientConfig;
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    use rdkafka::client::DefaultClientContext;
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", broker.brokers()).create().unwrap();
    let topics: Vec<_> =
        topics.iter().map(|topic| NewTopic::new(topic, 1, TopicReplication::Fixed(1))).collect();
    for created in admin.create_topics(&topics, &AdminOptions::new()).await.unwrap() {
        created.unwrap();
    }
}
