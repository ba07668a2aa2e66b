//! What the documentation promises to list, it lists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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
