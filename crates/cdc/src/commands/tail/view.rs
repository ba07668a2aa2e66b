//! One event, one line.

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;

use crate::diagnostics::Colour;

/// How much of a value is shown.
const LONGEST_VALUE: usize = 60;

/// For machines: the `json` format.
pub(super) fn as_it_is(event: &[u8]) -> String {
    String::from_utf8_lossy(event).into_owned()
}

/// For people: when, what, which table, which row.
pub(super) fn line(event: &[u8], colour: Colour) -> String {
    // Our own encoder wrote it; should the two ever differ, what is there is better than nothing.
    serde_json::from_slice::<Event>(event).map_or_else(|_| as_it_is(event), |event| event.line(colour))
}

/// What is shown of the `json` format.
#[derive(Deserialize)]
struct Event {
    op: String,
    #[serde(default)]
    schema: Option<String>,
    #[serde(default)]
    table: Option<String>,
    #[serde(default)]
    commit_time: Option<String>,
    #[serde(default)]
    key: Option<Columns>,
    #[serde(default)]
    before: Option<Columns>,
    #[serde(default)]
    after: Option<Columns>,
    #[serde(default)]
    unchanged: Vec<String>,
    #[serde(default)]
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    prefix: String,
    content: Value,
}

/// In the table's order, which a map would lose.
#[derive(Default)]
struct Columns(Vec<(String, Value)>);

impl Event {
    fn line(&self, colour: Colour) -> String {
        let time = self.commit_time.as_deref().and_then(|time| time.get(11..23)).unwrap_or("-");
        let codes = match self.op.as_str() {
            "insert" => "32",
            "update" => "33",
            "delete" | "truncate" => "31",
            _ => "35",
        };
        let mut words = vec![colour.paint("2", time), colour.paint(codes, &format!("{:<8}", self.op))];
        if let (Some(schema), Some(table)) = (&self.schema, &self.table) {
            words.push(colour.paint("1", &shown(&format!("{schema}.{table}"))));
        }
        let key = self.key.as_ref().map_or(&[][..], |key| &key.0);
        words.extend(
            key.iter().map(|(name, value)| format!("{}={}", colour.paint("36", &shown(name)), short(value))),
        );
        let row = self.after.as_ref().or(self.before.as_ref()).map_or(&[][..], |row| &row.0);
        for (name, value) in row.iter().filter(|(name, _)| key.iter().all(|(key, _)| key != name)) {
            let old = self.after.as_ref().and(self.before.as_ref()).and_then(|before| before.value(name));
            let value = match old {
                Some(old) if old != value => format!("{} → {}", short(old), short(value)),
                _ => short(value),
            };
            words.push(format!("{}={value}", colour.paint("2", &shown(name))));
        }
        for name in &self.unchanged {
            words.push(colour.paint("2", &format!("{}=(unchanged)", shown(name))));
        }
        if let Some(Message { prefix, content }) = &self.message {
            words.push(format!("{} {}", colour.paint("1", &shown(prefix)), short(content)));
        }
        words.join(" ")
    }
}

impl Columns {
    fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(column, _)| column == name).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Columns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("columns")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Columns, A::Error> {
                let mut columns = Columns::default();
                while let Some(column) = map.next_entry()? {
                    columns.0.push(column);
                }
                Ok(columns)
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

fn short(value: &Value) -> String {
    // JSON escapes what a terminal would obey.
    let text = shown(&value.to_string());
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// A terminal obeys control characters, and these texts are other people's.
fn shown(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{FFFD}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPDATE: &str = r#"{"id":"shop/1/2/3","op":"update","source":"shop","epoch":1,"schema":"public","table":"orders","table_seq":7,
        "commit_time":"2026-11-20T10:15:00.123456Z","key":{"id":7},"before":{"id":7,"total":"1.50","note":null},
        "after":{"id":7,"total":"12.50","note":null},"unchanged":["document"],"omitted":[],"fetched":[]}"#;

    #[test]
    fn a_line_says_when_what_and_which_row() {
        assert_eq!(
            line(UPDATE.as_bytes(), Colour::No),
            "10:15:00.123 update   public.orders id=7 total=\"1.50\" → \"12.50\" note=null document=(unchanged)"
        );
        assert!(line(UPDATE.as_bytes(), Colour::Yes).contains("\x1b[33mupdate"));
    }

    #[test]
    fn no_value_reaches_the_terminal_as_a_command() {
        let event = format!(
            r#"{{"op":"insert","schema":"a\u001b[2J","table":"b","after":{{"c\u0007":"\u001b[31m{}"}}}}"#,
            "x".repeat(99)
        );
        let line = line(event.as_bytes(), Colour::No);
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.ends_with("xxx…") && line.len() < 120, "{line}");
    }
}
