use super::*;

fn parsed(url: &str) -> Config {
    parse(url).unwrap()
}

fn refused(url: &str) -> String {
    parse(url).unwrap_err().to_string()
}

fn tcp(name: &str, port: u16) -> Host {
    Host { place: Place::Tcp(name.to_owned()), port }
}

fn unix(folder: &str, port: u16) -> Host {
    Host { place: Place::Unix(folder.into()), port }
}

#[test]
fn the_plain_form() {
    let config = parsed("postgresql://me:p%40ss%3Aword@db.example:6000/shop%20one?application_name=a%26b");
    assert_eq!(config.hosts, [tcp("db.example", 6000)]);
    assert!(
        matches!(&parsed("postgres://u:a?b=c@h/d").password, Password::Given(password) if password == "a?b=c")
    );
    assert_eq!((config.user(), config.database()), ("me", "shop one"));
    assert!(matches!(&config.password, Password::Given(password) if password == "p@ss:word"));
    assert_eq!(config.application_name, "a&b");
}

#[test]
fn defaults() {
    let config = parsed("postgres://me@");
    assert_eq!(config.hosts, [tcp("localhost", 5432)]);
    assert_eq!(config.database(), "me");
    assert_eq!(config.application_name, "cdc");
    assert_eq!(config.tls, TlsConfig { mode: SslMode::Prefer, root: None, client: None });
    assert_eq!(config.connect_timeout, Some(CONNECT_TIMEOUT));
    assert!(matches!(config.password, Password::None));
}

#[test]
fn hosts_in_every_form() {
    for (url, hosts) in [
        ("postgres://u@a:1,b,c:3/d", vec![tcp("a", 1), tcp("b", 5432), tcp("c", 3)]),
        ("postgres://u@a,b/d?port=7", vec![tcp("a", 7), tcp("b", 7)]),
        ("postgres://u@/d?host=a,b&port=7,8", vec![tcp("a", 7), tcp("b", 8)]),
        ("postgres://u@[::1]:7,[fe80::1]/d", vec![tcp("::1", 7), tcp("fe80::1", 5432)]),
        ("postgres://u@%2Frun%2Fpostgresql/d", vec![unix("/run/postgresql", 5432)]),
        ("postgres://u@%2Ftmp:6000,h/d", vec![unix("/tmp", 6000), tcp("h", 5432)]),
        ("postgres:///d?host=/tmp&user=u", vec![unix("/tmp", 5432)]),
        ("postgres://u@ignored/d?host=real", vec![tcp("real", 5432)]),
    ] {
        assert_eq!(parsed(url).hosts, hosts, "{url}");
    }
}

#[test]
fn parameters_in_the_query() {
    let config = parsed(
        "postgres://h/?user=u&password=p%3D&dbname=d&sslmode=verify-ca&sslrootcert=/ca.pem&sslcert=/c&sslkey=/k\
         &connect_timeout=0&target_session_attrs=prefer-standby&options=-c%20geqo%3Doff&channel_binding=require\
         &keepalives=0&keepalives_idle=0&keepalives_count=9&tcp_user_timeout=1500",
    );
    assert_eq!((config.user(), config.database()), ("u", "d"));
    assert!(matches!(&config.password, Password::Given(password) if password == "p="));
    assert_eq!(
        config.tls,
        TlsConfig {
            mode: SslMode::VerifyCa,
            root: Some(RootCertificates::File("/ca.pem".into())),
            client: Some(("/c".into(), "/k".into())),
        }
    );
    assert_eq!(config.connect_timeout, None);
    assert_eq!(config.target_session, TargetSession::PreferStandby);
    assert_eq!(config.options.as_deref(), Some("-c geqo=off"));
    assert_eq!(config.channel_binding, ChannelBinding::Require);
    assert_eq!(
        config.liveness,
        Liveness {
            keepalives: false,
            idle: None,
            interval: Some(Duration::from_secs(10)),
            count: Some(9),
            user_timeout: Some(Duration::from_millis(1500)),
        }
    );
}

#[test]
fn sslrootcert_system_means_verify_full() {
    assert_eq!(parsed("postgres://u@h/?sslrootcert=system").tls.mode, SslMode::VerifyFull);
    assert!(refused("postgres://u@h/?sslrootcert=system&sslmode=require").contains("verify-full"));
}

#[test]
fn refusals_name_the_thing_and_the_remedy() {
    for (url, part) in [
        ("host=/tmp user=u", "postgres://"),
        ("mysql://u@h/d", "postgres://"),
        ("postgres://h/d", "names no user"),
        ("postgres://u@h/d?sslmod=require", "did you mean \"sslmode\""),
        ("postgres://u@h/d?aplication_name=x", "did you mean \"application_name\""),
        ("postgres://u@h/d?sslmode=on", "verify-full"),
        ("postgres://u@h/d?sslmode", "name=value"),
        ("postgres://u@h/d?connect_timeout=-1", "connect_timeout"),
        ("postgres://u@h/d?sslcert=/c", "sslkey"),
        ("postgres://u@h/d?sslmode=verify-ca", "sslrootcert"),
        ("postgres://u:100%@h/d", "%25"),
        ("postgres://u:a%00b@h/d", "zero byte"),
        ("postgres://u@[::1/d", "[::1]"),
        ("postgres://u@h:0/d", "65535"),
        ("postgres://u@a,b,c/d?port=1,2", "3 hosts and 2 ports"),
    ] {
        let text = refused(url);
        assert!(text.contains(part), "{url}: {text}");
    }
}

#[test]
fn no_message_shows_a_part_of_the_password() {
    for url in [
        "postgres://u:hun@ter2@h/d",
        "postgres://u:hun/ter2@h/d",
        "postgres://u:hunter2%@h/d",
        "postgres://u:hun:ter2@h:x/d",
        "postgres://u:hunter2@h/d?sslmode=x",
    ] {
        let text = refused(url);
        assert!(!text.contains("hun") && !text.contains("ter2"), "{text}");
    }
    assert!(!format!("{:?}", parsed("postgres://u:hunter2@h/d")).contains("hunter2"));
}

proptest::proptest! {
    #[test]
    fn any_text_is_an_answer(text in "(postgres://)?[a-z@:/?=&%,\\[\\]0-9é]{0,40}") {
        let _ = parse(&text);
    }

    #[test]
    fn any_password_survives(password in "[^\\x00]{1,20}") {
        let encoded: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let config = parsed(&format!("postgres://u:{encoded}@h/d"));
        proptest::prop_assert!(matches!(config.password, Password::Given(given) if given == password));
    }
}
