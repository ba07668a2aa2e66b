//! docs/envelope.md says what the code does: its examples are the golden ones, its table of IDs is the code's, and
//! its recipe for a fingerprint gives the fingerprint.

use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::golden::{order_event, payload, updating};
use super::spec::BodySpec;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/envelope.md")
}

/// An example stands in the code block after a comment like `<!-- example: json/update -->`.
#[test]
fn its_examples_are_what_is_written() {
    const OPEN: &str = "<!-- example: ";
    let found = fs::read_to_string(path()).unwrap();
    let mut expected = String::new();
    let mut lines = found.lines();
    let mut examples = 0;
    while let Some(line) = lines.next() {
        expected += line;
        expected.push('\n');
        let Some(name) = line.strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(" -->")) else { continue };
        let (format, event) = name.split_once('/').unwrap();
        let example = payload(format, event).unwrap_or_else(|| panic!("there is no event {name}"));
        assert_eq!(lines.next(), Some("```json"), "after the comment of {name}");
        assert_eq!(lines.by_ref().find(|line| *line == "```"), Some("```"));
        expected += &format!("```json\n{example}\n```\n");
        examples += 1;
    }
    assert!(examples >= 10, "only {examples} examples");
    if updating() {
        fs::write(path(), expected).unwrap();
    } else {
        assert!(found == expected, "UPDATE_GOLDEN=1 writes the examples in docs/envelope.md anew");
    }
}

#[test]
fn its_table_of_ids_is_the_code_s() {
    let found = fs::read_to_string(path()).unwrap();
    let table = include_str!("../../src/id.rs").lines().filter_map(|line| line.strip_prefix("//! |"));
    assert!(table.clone().count() > 5);
    for row in table {
        assert!(found.contains(&format!("\n|{row}\n")), "not in docs/envelope.md: |{row}");
    }
}

/// The fingerprint by its written-down recipe, every length and number spelled out.
#[test]
fn its_recipe_gives_the_fingerprint() {
    let spec = order_event(4, BodySpec::Schema { load: None, part: 0 });
    let mut canonical = b"cdc.v1.TableSchema".to_vec();
    canonical.extend(b"\0\0\0\x06public\0\0\0\x06orders");
    canonical.extend(b"\0\0\0\x05");
    canonical.extend(b"\0\0\0\x02id\0\0\0\x04int4\0\0\0\x17\xFF\xFF\xFF\xFF");
    canonical.extend(b"\0\0\0\x05total\0\0\0\x07numeric\0\0\x06\xA4\0\x0A\0\x06");
    canonical.extend(b"\0\0\0\x04note\0\0\0\x04text\0\0\0\x19\xFF\xFF\xFF\xFF");
    canonical.extend(b"\0\0\0\x04tags\0\0\0\x05_text\0\0\x03\xF1\xFF\xFF\xFF\xFF");
    canonical.extend(b"\0\0\0\x08document\0\0\0\x05jsonb\0\0\x0E\xDA\xFF\xFF\xFF\xFF");
    canonical.extend(b"\0\0\0\x01\0\0\0\0");
    let digest: String =
        Sha256::digest(&canonical).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, spec.table.fingerprint.to_string());
    assert!(fs::read_to_string(path()).unwrap().contains(&digest));
}
