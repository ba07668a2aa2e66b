//! What the integration tests share.

pub(crate) mod render;

use std::path::PathBuf;

/// The recorded files.
pub(crate) fn corpus_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// The messages of a recording.
#[allow(dead_code)] // Not every test reads them.
pub(crate) fn recorded(name: &str) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(corpus_folder().join(name)).unwrap();
    text.lines().map(|line| unhex(line.split_once(' ').unwrap().1)).collect()
}

/// The bytes that hexadecimal digits stand for.
pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    assert_eq!(digits.len() % 2, 0, "{digits}");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
