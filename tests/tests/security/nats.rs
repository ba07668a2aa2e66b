//! Servers that ask for each kind of login, in clear text and over TLS.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use end_to_end::servers::{Authority, Nats as Server, unique};
use nkeys::KeyPair;
use sinks::{Error, Nats, NatsOptions};

use crate::{assert_refused, pipeline, store};

fn options(url: &str, keys: &str, tls: &str) -> NatsOptions {
    let mut options: NatsOptions = toml::from_str(&format!("servers = ['{url}']\n{keys}")).unwrap();
    options.tls = (tls != "off").then(|| toml::from_str(tls).unwrap());
    options
}

async fn assert_taken(url: &str, keys: &str, tls: &str) {
    let source = unique("secured");
    let mut nats = Nats::open(&options(url, keys, tls), &pipeline(&source)).await.expect(keys);
    store(&mut nats, &source, 0).await;
}

async fn refusal(url: &str, keys: &str, tls: &str) -> Error {
    Nats::open(&options(url, keys, tls), &pipeline(&unique("refused"))).await.err().expect("a refusal")
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_and_nkeys() {
    let files = Authority::new();
    let pair = KeyPair::new_user();
    let users = format!(
        "[{{\"user\": \"cdc\", \"password\": \"swordfish%/@\"}}, {{\"nkey\": \"{}\"}}]",
        pair.public_key()
    );
    let server = Server::with_settings(&[("authorization.users", &users)]);
    let url = server.url();

    files.write("password", "swordfish%/@\n");
    let password = |name: &str| format!("username = 'cdc'\npassword_file = '{}'", files.file(name));
    assert_taken(&url, &password("password"), "off").await;
    assert_taken(&url.replace("//", "//cdc:swordfish%25%2F%40@"), "", "off").await;
    files.write("wrong", "swordfish");
    let error = refusal(&url, &password("wrong"), "off").await;
    assert_refused(&error, "CDC-SINK-004", &["\"cdc\"", &files.file("wrong"), "authorization violation"]);
    let error = refusal(&url, &password("missing"), "off").await;
    assert_refused(&error, "CDC-SINK-009", &["password", &files.file("missing")]);
    let error = refusal(&url, "", "off").await;
    assert_refused(&error, "CDC-SINK-004", &["without saying who it is"]);

    files.write("seed", &pair.seed().unwrap());
    let seed = |name: &str| format!("nkey_seed_file = '{}'", files.file(name));
    assert_taken(&url, &seed("seed"), "off").await;
    files.write("other", &KeyPair::new_user().seed().unwrap());
    let error = refusal(&url, &seed("other"), "off").await;
    assert_refused(&error, "CDC-SINK-004", &["nkey seed", &files.file("other")]);
    let error = refusal(&url, &seed("password"), "off").await;
    assert_refused(&error, "CDC-SINK-009", &["nkey seed", &files.file("password")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens() {
    let files = Authority::new();
    let server = Server::with_settings(&[("authorization.token", "token-swordfish")]);
    files.write("token", "token-swordfish\n");
    files.write("wrong", "swordfish");
    let token = |name: &str| format!("token_file = '{}'", files.file(name));
    assert_taken(&server.url(), &token("token"), "off").await;
    assert_taken(&server.url().replace("//", "//token-swordfish@"), "", "off").await;
    let error = refusal(&server.url(), &token("wrong"), "off").await;
    assert_refused(&error, "CDC-SINK-004", &["token", &files.file("wrong")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_files() {
    let files = Authority::new();
    let (operator, system, account, user) =
        (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account(), KeyPair::new_user());
    let unlimited = "\"subs\":-1,\"data\":-1,\"payload\":-1,\"imports\":-1,\"exports\":-1,\"wildcards\":true,\
                     \"conn\":-1,\"leaf\":-1";
    let storage = "\"mem_storage\":-1,\"disk_storage\":-1,\"streams\":-1,\"consumer\":-1";
    let of_account = |limits: &str| format!("{{\"limits\":{{{limits}}},\"type\":\"account\",\"version\":2}}");
    let operator_jwt = jwt(
        &operator,
        &operator,
        &format!("{{\"system_account\":\"{}\",\"type\":\"operator\",\"version\":2}}", system.public_key()),
    );
    let preload = format!(
        "{{\"{}\": \"{}\", \"{}\": \"{}\"}}",
        system.public_key(),
        jwt(&operator, &system, &of_account(unlimited)),
        account.public_key(),
        jwt(&operator, &account, &of_account(&format!("{unlimited},{storage}"))),
    );
    let server = Server::with_settings(&[
        ("operator", &operator_jwt),
        ("system_account", &system.public_key()),
        ("resolver", "MEMORY"),
        ("resolver_preload", &preload),
    ]);
    let of_user =
        "{\"pub\":{},\"sub\":{},\"subs\":-1,\"data\":-1,\"payload\":-1,\"type\":\"user\",\"version\":2}";
    let credentials = |user_jwt: &str, seed: &str| {
        format!(
            "-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    };
    let user_jwt = jwt(&account, &user, of_user);
    files.write("user.creds", &credentials(&user_jwt, &user.seed().unwrap()));
    files.write("wrong.creds", &credentials(&user_jwt, &KeyPair::new_user().seed().unwrap()));
    files.write("broken.creds", &user_jwt);
    let keys = |name: &str| format!("credentials_file = '{}'", files.file(name));
    assert_taken(&server.url(), &keys("user.creds"), "off").await;
    let error = refusal(&server.url(), &keys("wrong.creds"), "off").await;
    assert_refused(&error, "CDC-SINK-004", &["credentials", &files.file("wrong.creds")]);
    let error = refusal(&server.url(), &keys("broken.creds"), "off").await;
    assert_refused(&error, "CDC-SINK-009", &["credentials", &files.file("broken.creds"), "nsc"]);
    assert!(!error.to_string().contains(&user_jwt), "{error}");
}

/// As `nsc` makes them (<https://docs.nats.io/running-a-nats-service/nats_admin/security/jwt>).
fn jwt(issuer: &KeyPair, subject: &KeyPair, nats: &str) -> String {
    let issued_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = format!(
        "{{\"jti\":\"x\",\"iat\":{issued_at},\"iss\":\"{}\",\"name\":\"test\",\"sub\":\"{}\",\"nats\":{nats}}}",
        issuer.public_key(),
        subject.public_key()
    );
    let header = URL_SAFE_NO_PAD.encode("{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}");
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_whom_to_trust() {
    let files = Authority::new();
    files.server("server", "localhost");
    files.expired_server("expired", "localhost");
    files.client("cdc-client");
    let start = |name: &str, verify: &str| {
        Server::with_settings(&[
            ("tls.cert_file", &files.file(&format!("{name}.pem"))),
            ("tls.key_file", &files.file(&format!("{name}.key"))),
            ("tls.ca_file", &files.file("ca.pem")),
            ("tls.verify", verify),
        ])
    };
    let named = |server: &Server| server.url().replace("127.0.0.1", "localhost");
    let trusting = format!("ca_file = '{}'\n", files.file("ca.pem"));

    let server = start("server", "false");
    assert_taken(&named(&server), "", &trusting).await;
    assert_taken(&named(&server), "", &format!("required = false\n{trusting}")).await;
    let error = refusal(&named(&server), "", "").await;
    assert_refused(
        &error,
        "CDC-SINK-008",
        &["not signed by an authority that is trusted", "sink.nats.tls.ca_file"],
    );
    let error = refusal(&server.url(), "", &trusting).await;
    assert_refused(&error, "CDC-SINK-008", &["another host name", "localhost"]);
    let error = refusal(&named(&server), "", "ca_file = '/no/such/file'").await;
    assert_refused(&error, "CDC-SINK-009", &["certificate authority", "/no/such/file"]);

    let expired = start("expired", "false");
    let error = refusal(&named(&expired), "", &trusting).await;
    assert_refused(&error, "CDC-SINK-008", &["has expired", "give the server a new one"]);

    let mutual = start("server", "true");
    let (certificate, key) = (files.file("cdc-client.pem"), files.file("cdc-client.key"));
    let mine = format!("{trusting}certificate_file = '{certificate}'\nkey_file = '{key}'\n");
    assert_taken(&named(&mutual), "", &mine).await;
    let error = refusal(&named(&mutual), "", &trusting).await;
    assert_refused(&error, "CDC-SINK-008", &["sink.nats.tls.certificate_file"]);

    // Where TLS is asked for and the server has none.
    let plain = Server::start();
    let error = refusal(&named(&plain), "", &trusting).await;
    assert!(error.to_string().contains("TLS") || error.to_string().contains("tls"), "{error}");
}
