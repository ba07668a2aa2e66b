//! What the documentation promises to list, it lists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every code in the sources has a section in docs/errors.md, and no section is about a code that is gone.
#[test]
fn every_error_code_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for krate in fs::read_dir(root.join("crates")).unwrap() {
        rust_files(&krate.unwrap().path().join("src"), &mut files);
    }
    let sources = files.iter().flat_map(|file| codes(&fs::read_to_string(file).unwrap(), "\"CDC-")).collect();
    let explained: BTreeSet<String> =
        codes(&fs::read_to_string(root.join("docs/errors.md")).unwrap(), "### CDC-");
    let in_sources: BTreeSet<String> = sources;
    let missing: Vec<_> = in_sources.difference(&explained).collect();
    let gone: Vec<_> = explained.difference(&in_sources).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "not in docs/errors.md: {missing:?}; no longer in use: {gone:?}"
    );
}

/// What the benchmarks print is what was measured: their arithmetic, their list and their report have tests of their own.
#[test]
fn the_benchmarks_report_what_was_measured() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut tests = Command::new("python3");
    tests.args(["-B", "-m", "unittest", "discover", "-s", "bench/tests"]).current_dir(root);
    let done = tests.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && !said.contains("Ran 0 tests"), "{said}");
}

/// Every test that docs/guarantees.md names is one, by the name that the page gives it.
#[test]
fn every_guarantee_has_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in ["crates", "tests/tests"] {
        rust_files(&root.join(folder), &mut files);
    }
    let tests: BTreeSet<String> = files.iter().flat_map(|file| tests_of(&root, file)).collect();
    let page = fs::read_to_string(root.join("docs/guarantees.md")).unwrap();
    let tables: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| ") && line.ends_with(" |")).collect();
    let named: BTreeSet<&str> = tables
        .iter()
        .filter_map(|line| line.trim_matches('|').rsplit('|').next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(named.len() > 100, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !tests.contains(**name)).collect();
    assert!(missing.is_empty(), "no tests: {missing:?}");
}

/// Its tests, each as `program::module::name`, or `crate::module::name`.
fn tests_of(root: &Path, file: &Path) -> Vec<String> {
    let path = file.strip_prefix(root).unwrap().with_extension("");
    let words: Vec<&str> = path.iter().map(|word| word.to_str().unwrap()).collect();
    let module: Vec<&str> = match words[..] {
        ["tests", "tests", ref rest @ ..] => rest.to_vec(),
        ["crates", krate, "src" | "tests", ref rest @ ..] => [&[krate], rest].concat(),
        _ => return Vec::new(),
    };
    let module: Vec<&str> =
        module.into_iter().filter(|word| !["main", "lib", "mod"].contains(word)).collect();
    let text = fs::read_to_string(file).unwrap();
    let mut is_test = false;
    let mut tests = Vec::new();
    for line in text.lines().map(str::trim) {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, name)) = line.split_once("fn ").filter(|_| is_test) {
            let name = name.split('(').next().unwrap();
            tests.push(format!("{}::{name}", module.join("::")));
            is_test = false;
        }
    }
    tests
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The codes that follow this mark. `CDC-TEST` ones are made up by unit tests.
fn codes(text: &str, mark: &str) -> BTreeSet<String> {
    text.match_indices(mark)
        .map(|(at, _)| {
            let from = &text[at + mark.len() - "CDC-".len()..];
            from.chars().take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '-').collect()
        })
        .filter(|code: &String| !code.starts_with("CDC-TEST") && code.len() > "CDC-".len())
        .collect()
}
