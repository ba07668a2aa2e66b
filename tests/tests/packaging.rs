//! What is in deploy/: held against the schemas and linters of those who read it, and the image's file system run as a
//! container engine would run it, without one: another user, a root that can't be written to, a volume for the state.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use end_to_end::connector::binary;
use end_to_end::servers::{Kafka, Postgres};
use end_to_end::session::Session;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

#[test]
fn the_dockerfile_has_nothing_to_be_linted() {
    assert_done(Command::new(tools().join("bin/hadolint")).arg(deploy("Dockerfile")));
}

#[test]
fn the_compose_file_is_one() {
    let mut check = Command::new(tools().join("bin/compose-check"));
    let services = assert_done(check.arg(deploy("compose/docker-compose.yml")));
    assert_eq!(services.lines().collect::<Vec<_>>(), ["cdc", "cdc-nats", "kafka", "nats", "postgres"]);
}

/// Each configuration that the documentation or deploy/ shows is one for the program and its schema, and what the program
/// refuses as unknown is unknown to the schema.
#[test]
fn every_configuration_fits_the_schema() {
    let folder = tempfile::tempdir().expect("a folder");
    let schema = assert_done(Command::new(binary()).args(["config", "schema"]));
    fs::write(folder.path().join("schema.json"), schema).expect("write the schema");
    let mut shown = Vec::new();
    for file in [
        "README.md",
        "docs/configuration.md",
        "docs/deployment.md",
        "docs/http.md",
        "docs/security.md",
        "docs/operations.md",
    ] {
        let text = fs::read_to_string(repository().join(file)).expect(file);
        let blocks = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
        // Blocks within lists are indented.
        shown.extend(blocks.map(str::to_owned));
    }
    for file in ["compose/cdc-kafka.toml", "compose/cdc-nats.toml"] {
        shown.push(fs::read_to_string(deploy(file)).expect(file));
    }
    for file in ["kubernetes/deployment.yaml", "kubernetes/sidecar.yaml"] {
        let text = fs::read_to_string(deploy(file)).expect(file);
        let block = text.split("cdc.toml: |\n").nth(1).expect("a configuration");
        let lines = block.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
        shown.push(lines.collect::<Vec<_>>().join("\n"));
    }
    assert!(shown.len() > 6, "{shown:?}");
    for (number, text) in shown.iter().enumerate() {
        fs::write(folder.path().join(format!("shown-{number}.toml")), text).expect("write a configuration");
    }
    let wrong = [
        "[pipeline]\nnaem = \"shop\"",
        "[source.postgres]\ntabels = [\"public.*\"]",
        "[source.postgres]\npassword = \"swordfish\"",
        "[sink.kafka.sasl]\nmechanism = \"NONE\"",
        "[[table]]\nmatch = \"public.*\"\nmask = { email = \"md5\" }",
        "[load]\nworkers = \"two\"",
        "[sinks.file]\npath = \"x\"",
        "[sink.file]\npath = \"x\"\n[sink.null]",
    ];
    for (number, text) in wrong.iter().enumerate() {
        fs::write(folder.path().join(format!("wrong-{number}.toml")), text).expect("write a configuration");
    }
    let mut check = Command::new("python3");
    assert_done(
        check.env("PYTHONPATH", tools()).args(["-W", "error", "-c", HOLD_AGAINST_SCHEMA]).arg(folder.path()),
    );
}

const HOLD_AGAINST_SCHEMA: &str = r#"
import json, pathlib, sys, tomllib
from jsonschema import Draft7Validator
folder = pathlib.Path(sys.argv[1])
schema = json.loads((folder / "schema.json").read_text())
Draft7Validator.check_schema(schema)
validator = Draft7Validator(schema)
for file in sorted(folder.glob("*.toml")):
    text = file.read_text()
    errors = [error.message for error in validator.iter_errors(tomllib.loads(text))]
    if bool(errors) != file.name.startswith("wrong"):
        sys.exit(f"{file.name}: {errors}\n{text}")
"#;

/// For the oldest version of Kubernetes that has what is used, and for the newest.
#[test]
fn the_manifests_are_what_kubernetes_knows() {
    for version in ["1.29", "1.37"] {
        let mut check = Command::new("python3");
        check.env("PYTHONPATH", tools()).args(["-m", "kubernetes_validate", "--strict", "-k", version]);
        let said =
            run(check.args(["deployment.yaml", "sidecar.yaml"].map(|file| deploy("kubernetes").join(file))));
        let text = text(&said);
        assert!(said.status.success(), "{text}");
        assert_eq!(text.matches(" passed ").count(), 6, "{text}");
    }
}

#[test]
fn the_unit_is_sound_and_confined() {
    let folder = tempfile::tempdir().expect("a folder");
    let unit = folder.path().join("cdc@shop.service");
    let program = binary().to_str().expect("a path");
    let text = fs::read_to_string(deploy("systemd/cdc@.service")).expect("the unit");
    fs::write(&unit, text.replace("/usr/bin/cdc", program)).expect("write the unit");
    let said = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit));
    assert!(said.status.success() && said.stderr.is_empty(), "{}", self::text(&said));
    // 2.0 of 10; a unit without any confinement has 9.6.
    assert_done(
        Command::new("systemd-analyze").args(["security", "--offline=yes", "--threshold=20"]).arg(&unit),
    );
}

/// Into an image of another system: nothing of this one is touched, and nothing is started.
#[test]
fn a_pipeline_is_installed_as_a_service_and_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("a shop.toml");
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("a root");
    let pipeline = "[pipeline]\nname = \"shop\"\n[source.postgres]\nurl = \"postgres://h/d\"\n[sink.null]\n";
    fs::write(&config, pipeline).expect("write the configuration");
    fs::write(config.with_extension("password"), "").expect("write a password");
    let cdc = |arguments: &[&str]| {
        run(Command::new(binary()).arg("service").args(arguments).arg("--config").arg(&config))
    };
    let printed = cdc(&["install", "--print"]);
    assert!(printed.status.success(), "{}", text(&printed));
    let unit = folder.path().join("cdc-shop.service");
    fs::write(&unit, &printed.stdout).expect("write the unit");
    let said = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit));
    assert!(said.status.success() && said.stderr.is_empty(), "{}", text(&said));
    assert_done(
        Command::new("systemd-analyze").args(["security", "--offline=yes", "--threshold=20"]).arg(&unit),
    );

    let below = ["--root", root.to_str().expect("a path")];
    let installed = cdc(&[&["install"], &below[..]].concat());
    assert!(installed.status.success(), "{}", text(&installed));
    let units = root.join("etc/systemd/system");
    assert_eq!(fs::read(units.join("cdc-shop.service")).expect("the unit"), printed.stdout);
    let wanted = units.join("multi-user.target.wants/cdc-shop.service");
    assert!(fs::symlink_metadata(&wanted).is_ok(), "it is enabled");
    let removed = cdc(&[&["remove"], &below[..]].concat());
    assert!(removed.status.success(), "{}", text(&removed));
    assert!(!units.join("cdc-shop.service").exists() && fs::symlink_metadata(&wanted).is_err());
    let again = cdc(&[&["remove"], &below[..]].concat());
    assert!(text(&again).contains("CDC-SVC-003") && again.status.code() == Some(1), "{}", text(&again));

    fs::write(&config, format!("{pipeline}\n").replace("\"shop\"", "\"shop\"\nstate_dir = \"/elsewhere\""))
        .expect("write the configuration");
    let refused = cdc(&["install", "--print"]);
    assert!(text(&refused).contains("CDC-CLI-020") && refused.status.code() == Some(2), "{}", text(&refused));
}

/// With the database, the role and the configuration of the compose file.
#[test]
fn the_image_runs_confined_and_tells_its_health() {
    let image = Image::assemble();
    let bytes = image.bytes();
    println!("the image has {} kB", bytes / 1000);
    assert!(bytes < 60_000_000, "{bytes} bytes");

    let postgres = Postgres::start(18);
    prepare(&postgres);
    let config = fs::read_to_string(deploy("compose/cdc-kafka.toml")).expect("the configuration");
    let config = config
        .replace("postgres:5432", &format!("127.0.0.1:{}", postgres.port()))
        .replace("kafka:19092", &Kafka::shared().brokers())
        .replace("0.0.0.0:8088", "127.0.0.1:0");
    fs::write(image.volume("config").join("cdc.toml"), config).expect("write the configuration");

    assert_eq!(image.health(), Some(4), "nothing runs yet");
    let mut cdc = image.start();
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let told = run(&mut image.command(&["status", "--json"]));
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap_or_default();
        if told["state"]["name"] == "streaming" {
            assert_eq!(told["tables"][0]["events"]["read"], 100, "{told}");
            break;
        }
        assert!(cdc.0.try_wait().expect("look after it").is_none() && Instant::now() < deadline, "{told}");
        sleep(Duration::from_millis(50));
    }
    assert_eq!(image.health(), Some(0));
    let status = fs::read_to_string(format!("/proc/{}/status", cdc.0.id())).expect("its process");
    assert!(status.contains("Uid:\t65532\t65532\t65532\t65532"), "{status}");
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");

    kill_process(Pid::from_child(&cdc.0), Signal::TERM).expect("ask it to end");
    assert_eq!(cdc.0.wait().expect("its end").code(), Some(0));
    assert_eq!(image.health(), Some(4));
    assert!(image.volume("state").join("shop/checkpoint").exists(), "the checkpoint is in the volume");
}

/// The database `shop`, by the script that the compose file mounts.
fn prepare(postgres: &Postgres) {
    Session::open(postgres, "postgres").execute("CREATE DATABASE shop");
    let script = fs::read_to_string(deploy("compose/postgres/shop.sh")).expect("the script");
    let script = script.replace("$(cat /run/secrets/password)", "change-me");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env("PGHOST", "127.0.0.1").env("PGPORT", postgres.port().to_string());
    assert_done(&mut shell);
}

/// The image's root, and what is mounted into it.
struct Image(TempDir);

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Image {
    /// By the script that the Dockerfile calls.
    fn assemble() -> Self {
        let image = Self(tempfile::tempdir().expect("a folder"));
        // Without what only a debugger reads, as a release build is.
        let program = image.0.path().join("cdc");
        assert_done(Command::new("strip").arg("-o").args([&program, binary()].map(|path| path.as_os_str())));
        assert_done(Command::new(deploy("image/assemble")).arg(program).arg(image.root()));
        for volume in ["config", "state", "secrets"] {
            fs::create_dir(image.volume(volume)).expect("a folder");
        }
        chown(image.volume("state"), Some(65532), Some(65532)).expect("give it away");
        fs::write(image.volume("secrets").join("password"), "change-me").expect("write the password");
        fs::set_permissions(image.0.path(), fs::Permissions::from_mode(0o755)).expect("open the folder");
        image
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }

    fn volume(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn bytes(&self) -> u64 {
        let said = assert_done(Command::new("du").args(["--summarize", "--bytes"]).arg(self.root()));
        said.split_whitespace().next().and_then(|bytes| bytes.parse().ok()).expect("a size")
    }

    /// A command in it, in mounts of its own: the root read-only, the state writable.
    fn command(&self, arguments: &[&str]) -> Command {
        let script = "set -e; cd \"$0\"; mkdir -p root/run/secrets; mount --bind root root; \
                      mount --bind config root/etc/cdc; mount --bind secrets root/run/secrets; \
                      mount --bind state root/var/lib/cdc; mount -o remount,bind,ro root; \
                      exec chroot --userspec=65532:65532 root /usr/bin/cdc \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script]).arg(self.0.path()).args(arguments);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("CDC_CONFIG", "/etc/cdc/cdc.toml");
        command
    }

    fn start(&self) -> Running {
        Running(self.command(&["run"]).stdin(Stdio::null()).spawn().expect("start the image"))
    }

    /// The image's health check; its exit code.
    fn health(&self) -> Option<i32> {
        let dockerfile = fs::read_to_string(deploy("Dockerfile")).expect("the Dockerfile");
        assert!(
            dockerfile.contains(r#"CMD ["/usr/bin/cdc", "status", "--healthy"]"#),
            "another health check"
        );
        run(&mut self.command(&["status", "--healthy"])).status.code()
    }
}

fn assert_done(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Where they are installed; once a test process.
fn tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| {
        assert_done(Command::new(repository().join("dev/install")).arg("packaging"));
        let state = || repository().join(".state");
        std::env::var_os("CDC_STATE").map_or_else(state, PathBuf::from).join("packaging")
    })
}

fn deploy(file: &str) -> PathBuf {
    repository().join("deploy").join(file)
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository")
}
