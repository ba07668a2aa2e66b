//! What the tests share.

#![allow(dead_code)] // Not every test needs all of it.

pub(crate) mod render;

use std::path::PathBuf;

use decoder::ColumnType;
use event::Cell;

use render::server_text;

/// The recorded files.
pub(crate) fn corpus_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// The messages of a recording.
pub(crate) fn recorded(name: &str) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(corpus_folder().join(name)).unwrap();
    text.lines().map(|line| unhex(line.split_once(' ').unwrap().1)).collect()
}

/// Whether a recording is rendered as it was before; `CORPUS=record` writes down how it is.
pub(crate) fn assert_rendered(recording: &str, golden: &str, rendered: &str) {
    let golden = corpus_folder().join(format!("{golden}.txt"));
    if std::env::var("CORPUS").is_ok_and(|value| value == "record") {
        std::fs::write(&golden, rendered).unwrap();
    }
    let golden = std::fs::read_to_string(&golden).unwrap();
    for (number, (got, expected)) in rendered.lines().zip(golden.lines()).enumerate() {
        assert_eq!(got, expected, "{recording}, line {}", number + 1);
    }
    assert_eq!(rendered.len(), golden.len(), "{recording}");
}

/// The bytes that hexadecimal digits stand for.
pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    assert_eq!(digits.len() % 2, 0, "{digits}");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// Whatever a text is, its cell says the same: the text itself is in it, or what the server would write for it is read
/// as the same cell again.
pub(crate) fn assert_held(column_type: &ColumnType, text: &[u8]) {
    match column_type.cell(text) {
        Cell::Other { text: kept, type_name } => {
            assert_eq!((kept.as_bytes(), type_name), (text, column_type.name()));
        }
        Cell::Text(kept) | Cell::Json(kept) | Cell::Decimal(kept) => assert_eq!(kept.as_bytes(), text),
        Cell::Bytes(event::Bytes::Raw(kept)) => assert_eq!(&*kept, text),
        // An array's elements that are not UTF-8 are bytes, each by itself, which are written in another form.
        Cell::Array(_) if str::from_utf8(text).is_err() => {}
        cell => {
            let written = server_text(&cell, column_type.name());
            let again = column_type.cell(written.as_bytes());
            // Bytes are the same in either case of their digits, and not-a-number has no equal.
            assert!(
                again == cell || format!("{again:?}") == format!("{cell:?}"),
                "{written}: {again:?}, {cell:?}"
            );
        }
    }
}
