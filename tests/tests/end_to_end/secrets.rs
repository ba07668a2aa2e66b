//! Nothing that was ever printed or served holds a secret: every kind of secret, in success and in every kind of failure,
//! with all log lines that can be asked for.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use end_to_end::connector::binary;
use end_to_end::servers::{Authority, Nats, Postgres, Receiver, Reply};
use rustix::process::{Pid, Signal, kill_process};

use crate::least::guarded_kafka;
use crate::setup::Setup;

/// Part of every secret here, right or wrong.
const SECRET: &str = "swordfish";
const ALL_LINES: &str = "trace,async_nats=trace,async_nats::connection=trace,rustls=trace,tokio=trace";

/// One run: what is configured, what is in the environment, and what must be said for the run to have been what it was
/// meant to be.
struct Run {
    source: String,
    sink: String,
    variables: &'static [(&'static str, &'static str)],
    says: &'static str,
}

#[test]
fn are_told_nobody() {
    let postgres = Postgres::start(17);
    let setup = Setup::on(&postgres, "secrets");
    let role = setup.role.name.clone();
    setup.session.execute(&format!("ALTER ROLE \"{role}\" PASSWORD 'swordfish'"));
    postgres.write_file(
        "pg_hba.conf",
        &format!("host all \"{role}\" 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"),
    );
    setup.session.execute("SELECT pg_reload_conf()");
    let nats = Nats::with_settings(&[("authorization.token", "swordfish")]);
    let kafka = guarded_kafka();
    let files = Authority::new();
    files.write("right", "swordfish\n");
    files.write("wrong", "wrong-swordfish\n");
    let (right, wrong) = (files.file("right"), files.file("wrong"));

    let url = |login: &str, place: &str| {
        let database = setup.session.value("SELECT current_database()").unwrap();
        format!("url = \"postgres://{role}{login}@{place}/{database}\"\n")
    };
    let here = format!("127.0.0.1:{}", postgres.port());
    let good = url(":swordfish", &here);
    let file = setup.file_sink();
    let to_nats = |keys: &str| format!("[sink.nats]\n{keys}");
    let to_kafka = |broker: &str, password: &str, more: &str| {
        format!(
            "[sink.kafka]\nbrokers = [\"{broker}\"]\n\
             properties = {{ \"debug\" = \"all\", \"broker.address.family\" = \"v4\" }}\n\
             [sink.kafka.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"secret\"\n{password}\n{more}"
        )
    };
    let receiver = Receiver::start(|post| {
        let is_right = post.header("authorization") == Some("Bearer swordfish");
        Reply::Status(if is_right && post.path.starts_with("/changes?") { 200 } else { 401 })
    });
    let to_http = |keys: &str| {
        let url = format!("url = \"{}?key=swordfish&more\"\n", receiver.url());
        format!("[sink.http]\n{url}{keys}\n[format]\nkind = \"json\"\n")
    };
    let nats_at = |login: &str| nats.url().replace("//", &format!("//{login}"));
    let run = |source: &str, sink: &str, says: &'static str| Run {
        source: source.to_owned(),
        sink: sink.to_owned(),
        variables: &[],
        says,
    };
    const OF_SOURCE: &[(&str, &str)] = &[("CDC__SOURCE__POSTGRES__PASSWORD", "swordfish")];
    const OF_KAFKA: &[(&str, &str)] = &[("CDC__SINK__KAFKA__SASL__PASSWORD", "swordfish")];
    const OF_HTTP: &[(&str, &str)] = &[
        ("CDC__SINK__HTTP__TOKEN", "swordfish"),
        ("CDC__SINK__HTTP__HMAC_SECRET", "swordfish of a signature"),
    ];
    const OF_NATS: &[(&str, &str)] = &[("CDC__SINK__NATS__TOKEN", "swordfish")];
    let broker = kafka.listener("LOGIN");
    let password_file = |file: &str| format!("password_file = \"{file}\"");
    let runs = [
        run(&good, &file, "streaming"),
        run(
            &(url("", &here) + &password_file(&right)),
            &to_nats(&format!("servers = [\"{}\"]\ntoken_file = \"{right}\"\n", nats.url())),
            "streaming",
        ),
        Run {
            variables: OF_SOURCE,
            ..run(
                &url("", &here),
                &to_nats(&format!("servers = [\"{}\"]\n", nats_at("swordfish@"))),
                "streaming",
            )
        },
        run(&good, &to_kafka(&broker, &password_file(&right), ""), "streaming"),
        Run { variables: OF_KAFKA, ..run(&good, &to_kafka(&broker, "", ""), "streaming") },
        Run {
            variables: OF_NATS,
            ..run(&good, &to_nats(&format!("servers = [\"{}\"]\n", nats.url())), "streaming")
        },
        run(
            &good,
            &to_http(&format!("token_file = \"{right}\"\nheader_files = {{ X-Key = \"{right}\" }}")),
            "streaming",
        ),
        Run { variables: OF_HTTP, ..run(&good, &to_http(""), "streaming") },
        // Refused.
        run(&url(":wrong-swordfish", &here), &file, "CDC-PG-005"),
        run(&(url("", &here) + &password_file(&wrong)), &file, "CDC-PG-005"),
        run(&good, &to_nats(&format!("servers = [\"{}\"]\n", nats_at("wrong-swordfish@"))), "CDC-SINK-004"),
        run(&good, &to_nats(&format!("servers = [\"{}\"]\n", nats_at("u:wrong-swordfish@"))), "CDC-SINK-004"),
        run(
            &good,
            &to_nats(&format!("servers = [\"{}\"]\nnkey_seed_file = \"{wrong}\"\n", nats.url())),
            "CDC-SINK-009",
        ),
        run(&good, &to_kafka(&broker, &password_file(&wrong), ""), "CDC-SINK-004"),
        run(&good, &to_http(&format!("token_file = \"{wrong}\"")), "CDC-SINK-004"),
        // Out of reach.
        run(&url(":swordfish", "127.0.0.1:1"), &file, "CDC-PG-003"),
        run(&good, &to_nats("servers = [\"nats://swordfish@127.0.0.1:1\"]\n"), "CDC-SINK-003"),
        run(&good, &to_kafka("127.0.0.1:1", &password_file(&right), ""), "CDC-SINK-003"),
        run(&good, "[sink.http]\nurl = \"http://127.0.0.1:1/?key=swordfish\"\n", "CDC-SINK-003"),
        // TLS where there is none.
        run(&url(":swordfish", &here).replace("\"\n", "?sslmode=require\"\n"), &file, "CDC-PG-004"),
        run(
            &good,
            &format!("{}[sink.nats.tls]\n", to_nats(&format!("servers = [\"{}\"]\n", nats_at("swordfish@")))),
            "CDC-SINK-0",
        ),
        run(&good, &to_kafka(&broker, &password_file(&right), "[sink.kafka.tls]\n"), "CDC-SINK-0"),
        run(
            &good,
            &to_http(&format!("token_file = \"{right}\"")).replace("http://", "https://"),
            "CDC-SINK-008",
        ),
        // Not even read.
        run(&good, "[sink.http]\nurl = \"ftp://h/?key=swordfish\"\n", "CDC-CONFIG-"),
        run(
            &good,
            "[sink.http]\nurl = \"https://h/?key=swordfish\"\ntimeout_ms = \"soon\"\n",
            "CDC-CONFIG-004",
        ),
        run("url = [\"postgres://u:swordfish@h/d\"]\n", &file, "CDC-CONFIG-004"),
        run(&good, &to_kafka(&broker, "password = \"swordfish\"", ""), "CDC-CONFIG-004"),
        run(&good, &to_nats("servers = [\"nats://h\"]\ntoken = \"swordfish\"\n"), "CDC-CONFIG-004"),
    ];
    for (number, run) in runs.iter().enumerate() {
        // Each into another sink: a new history.
        _ = fs::remove_dir_all(setup.cdc.state_folder());
        // The server may not have noticed yet that its reader has left.
        let drop = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots";
        while setup.session.try_execute(drop).is_err() {
            thread::sleep(Duration::from_millis(20));
        }
        setup.cdc.configure(&format!(
            "[source.postgres]\n{}\n{}\n[admin]\nlisten = \"127.0.0.1:0\"\n",
            run.source, run.sink
        ));
        let said = everything(&setup, run);
        assert!(said.contains(run.says), "{number}: `{}` is missing:\n{said}", run.says);
        if let Some(line) = said.lines().find(|line| line.contains(SECRET)) {
            panic!("{number}: {}{}\ntells: {line}", run.source, run.sink);
        }
    }
    for arguments in [&["--help"][..], &["run", "--help"], &["check", "--help"], &["config", "--help"]] {
        let output = Command::new(binary()).args(arguments).envs(OF_SOURCE.iter().copied()).output().unwrap();
        assert!(!String::from_utf8_lossy(&output.stdout).contains(SECRET), "{arguments:?}");
    }
}

/// What a run writes and serves, and what the other commands say of it.
fn everything(setup: &Setup, run: &Run) -> String {
    let command = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--config").arg(setup.cdc.config_file());
        command
            .args(["--log-level", ALL_LINES])
            .envs(run.variables.iter().copied())
            .env("RUST_BACKTRACE", "full");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut said = String::new();
    for arguments in [&["config", "show"][..], &["check"]] {
        let output = command(arguments).output().unwrap();
        said += &(String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr));
    }
    let mut process = command(&["run"]).spawn().unwrap();
    let log = follow(&mut process);
    let has_said = || {
        let log = log.lock().unwrap();
        log.contains(run.says) || log.contains("error[")
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !has_said() && Instant::now() < deadline && process.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(20));
    }
    let address = log.lock().unwrap().lines().find_map(|line| {
        Some(
            line.split("admin pages")
                .nth(1)?
                .split("address")
                .nth(1)?
                .trim_matches(|c: char| !c.is_ascii_digit())
                .to_owned(),
        )
    });
    if let Some(address) = address.filter(|_| process.try_wait().unwrap().is_none()) {
        for page in ["/status", "/metrics", "/health", "/ready"] {
            said += &get(address.split_whitespace().next().unwrap_or_default(), page).unwrap_or_default();
        }
        let output = command(&["status", "--json"]).output().unwrap();
        said += &(String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr));
    }
    if process.try_wait().unwrap().is_none() {
        kill_process(Pid::from_raw(process.id() as i32).unwrap(), Signal::TERM).unwrap();
    }
    process.wait().unwrap();
    // The readers end with the process.
    thread::sleep(Duration::from_millis(100));
    said + &log.lock().unwrap()
}

fn follow(process: &mut Child) -> std::sync::Arc<std::sync::Mutex<String>> {
    let log = std::sync::Arc::<std::sync::Mutex<String>>::default();
    let streams: [Box<dyn std::io::Read + Send>; 2] =
        [Box::new(process.stdout.take().unwrap()), Box::new(process.stderr.take().unwrap())];
    for mut stream in streams {
        let log = std::sync::Arc::clone(&log);
        thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                log.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
    }
    log
}

fn get(address: &str, page: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {page} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
