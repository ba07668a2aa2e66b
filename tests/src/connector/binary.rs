use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The program, built from the sources as they are now; once a test process. Cargo builds a test's own package, not
/// the programs of others. For the whole workspace, so that dependencies have the features that they have in
/// `cargo test --workspace`, and need not be built twice.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(build)
}

fn build() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--workspace", "--bin", "cdc", "--message-format", "json-render-diagnostics"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", target_folder())
        .stderr(Stdio::inherit());
    // What cargo tells this test of its own package. Build scripts that look at it would run again, and all that
    // depends on them would be built anew, at every turn from one cargo to the other.
    let is_of_test = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars().filter(|(name, _)| is_of_test(name)) {
        command.env_remove(name);
    }
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.output().expect("run cargo");
    assert!(output.status.success(), "cdc does not build");
    let messages = String::from_utf8(output.stdout).expect("text");
    let mut executable = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    executable.next_back().expect("cargo names the program")
}

/// Two above `<target>/<profile>/deps/<this test>`.
fn target_folder() -> PathBuf {
    let test = env::current_exe().expect("this program's path");
    test.ancestors().nth(3).expect("a target folder").to_owned()
}
