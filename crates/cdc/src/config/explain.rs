use super::document::{Origin, Table};
use super::error::Fault;
use super::section::SectionFault;
use super::{layout, secret};

/// What is wrong in a section, in the file's words.
pub(super) fn explain(path: &str, table: &Table, section_at: Option<&Origin>, fault: SectionFault) -> Fault {
    match fault {
        SectionFault::Value { key, message } => {
            let entry = table.get(&key);
            let (must, example) = wanted(&message);
            // What serde says repeats the value, which here may be a secret.
            let message = match (secret::is_secret_key(&key) || key.ends_with("url"), must) {
                (true, _) => format!("`{path}.{key}` must be a text"),
                (false, Some(must)) => format!("`{path}.{key}` must be {must}"),
                (false, None) => {
                    format!("`{path}.{key}`: {}", message.replacen("unknown variant", "unknown value", 1))
                }
            };
            let fault = Fault::value(message, entry.map(|entry| &entry.value_at));
            match example {
                Some(example) => fault.with_help(format!("write it as {example}")),
                None => fault,
            }
        }
        SectionFault::Missing { key } => {
            let help = format!(
                "add `{key} = {}` to [{path}], or set {}",
                example(path, key),
                layout::variable_of(path, key)
            );
            Fault::missing(format!("[{path}] needs `{key}`"), section_at, help)
        }
        SectionFault::Whole { message } => Fault::value(format!("[{path}]: {message}"), section_at),
    }
}

/// What serde expected in place of a wrong type, in the file's words, and how that is written.
fn wanted(message: &str) -> (Option<&str>, Option<&'static str>) {
    let Some((_, expected)) =
        message.strip_prefix("invalid ").and_then(|rest| rest.rsplit_once(", expected "))
    else {
        return (None, None);
    };
    match expected {
        "a sequence" => (Some("a list"), Some("[\"a\", \"b\"]")),
        "a map" => (Some("a table"), Some("{ key = \"value\" }")),
        "a string" | "string only" => (Some("a text"), Some("\"text\"")),
        "a boolean" => (Some("true or false"), None),
        "a nonzero u16" | "a nonzero u32" | "a nonzero u64" | "a nonzero i32" => {
            (Some("a whole number, at least 1"), None)
        }
        "u8" | "u16" | "u32" | "u64" | "i64" => (Some("a whole number"), None),
        other => (Some(other), None),
    }
}

/// What a key without a default may look like.
fn example(path: &str, key: &str) -> &'static str {
    match key {
        "name" => "\"shop\"",
        "url" if path == "sink.http" => "\"https://crm.example/changes\"",
        "url" => "\"postgres://cdc@127.0.0.1:5432/shop\"",
        "brokers" => "[\"127.0.0.1:9092\"]",
        "servers" => "[\"nats://127.0.0.1:4222\"]",
        "mechanism" => "\"SCRAM-SHA-512\"",
        "path" => "\"/var/lib/cdc/events\"",
        _ => "…",
    }
}
