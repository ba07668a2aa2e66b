use std::cmp::Ordering;

use super::{Budget, MAX_DEPTH, Value, write_scalar, write_text};
use crate::binlog::cursor::Cursor;

/// A document with its scalars as text already.
enum Node {
    Scalar(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// One step into a document.
enum Leg {
    Member(String),
    Element(usize),
}

/// The text of what the differences make of a base (`apply_json_diffs` in json_diff.cc); none if they do not fit it.
///
/// Each is an operation, a path and, but for a removal, a document.
pub(in crate::binlog) fn applied(base: &[u8], differences: &[u8]) -> Option<String> {
    const REPLACE: u8 = 0;
    const INSERT: u8 = 1;
    const REMOVE: u8 = 2;
    let mut document = Node::of(base)?;
    let mut cursor = Cursor::new(differences, "JSON difference");
    while !cursor.is_at_end() {
        let operation = cursor.u8("an operation").ok()?;
        let legs = parse_path(cursor.packed_str("a path").ok()?)?;
        let mut value = || cursor.packed_bytes("a document").ok().and_then(Node::of);
        match operation {
            REPLACE => *document.at(&legs)? = value()?,
            INSERT => {
                let (last, parents) = legs.split_last()?;
                document.at(parents)?.insert(last, value()?)?;
            }
            REMOVE => {
                let (last, parents) = legs.split_last()?;
                document.at(parents)?.remove(last)?;
            }
            _ => return None,
        }
    }
    let mut out = String::with_capacity(base.len());
    document.write(&mut out);
    Some(out)
}

impl Node {
    fn of(document: &[u8]) -> Option<Self> {
        let mut budget = Budget { bytes: document.len() + 1, depth: MAX_DEPTH };
        Self::of_value(Value::of_document(document)?, &mut budget)
    }

    fn of_value(value: Value<'_>, budget: &mut Budget) -> Option<Self> {
        budget.take(1)?;
        let Value::Container(container) = value else {
            let mut text = String::new();
            write_scalar(value, budget, &mut text)?;
            return Some(Self::Scalar(text));
        };
        budget.depth = budget.depth.checked_sub(1)?;
        let node = if container.is_object {
            let mut members = Vec::with_capacity(container.count);
            for place in 0..container.count {
                let key = container.key(place)?;
                budget.take(key.len())?;
                members.push((key.to_owned(), Self::of_value(container.value(place)?, budget)?));
            }
            Self::Object(members)
        } else {
            let mut elements = Vec::with_capacity(container.count);
            for place in 0..container.count {
                elements.push(Self::of_value(container.value(place)?, budget)?);
            }
            Self::Array(elements)
        };
        budget.depth += 1;
        Some(node)
    }

    fn at(&mut self, legs: &[Leg]) -> Option<&mut Self> {
        legs.iter().try_fold(self, |node, leg| match (node, leg) {
            (Self::Array(elements), Leg::Element(place)) => elements.get_mut(*place),
            (Self::Object(members), Leg::Member(name)) => {
                members.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value)
            }
            _ => None,
        })
    }

    /// Beyond an array's end is at its end.
    fn insert(&mut self, leg: &Leg, value: Self) -> Option<()> {
        match (self, leg) {
            (Self::Array(elements), Leg::Element(place)) => {
                let place = elements.len().min(*place);
                elements.insert(place, value);
            }
            (Self::Object(members), Leg::Member(name)) => {
                match members.binary_search_by(|(key, _)| key_order(key, name)) {
                    Ok(_) => return None,
                    Err(place) => members.insert(place, (name.clone(), value)),
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn remove(&mut self, leg: &Leg) -> Option<()> {
        match (self, leg) {
            (Self::Array(elements), Leg::Element(place)) if *place < elements.len() => {
                drop(elements.remove(*place))
            }
            (Self::Object(members), Leg::Member(name)) => {
                let place = members.iter().position(|(key, _)| key == name)?;
                members.remove(place);
            }
            _ => return None,
        }
        Some(())
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Scalar(text) => out.push_str(text),
            Self::Array(elements) => {
                out.push('[');
                for (place, element) in elements.iter().enumerate() {
                    out.push_str(if place > 0 { ", " } else { "" });
                    element.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (place, (key, value)) in members.iter().enumerate() {
                    out.push_str(if place > 0 { ", " } else { "" });
                    write_text(key, out);
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// Members are stored by their length first (`Json_key_comparator`).
fn key_order(key: &str, other: &str) -> Ordering {
    key.len().cmp(&other.len()).then_with(|| key.as_bytes().cmp(other.as_bytes()))
}

/// `$.name."any name"[3]`, as `Json_path::to_string` writes it.
fn parse_path(path: &str) -> Option<Vec<Leg>> {
    let mut rest = path.strip_prefix('$')?;
    let mut legs = Vec::new();
    while let Some(first) = rest.chars().next() {
        match first {
            '.' => {
                let (name, after) = match rest.strip_prefix(".\"") {
                    Some(quoted) => unquoted(quoted)?,
                    None => {
                        let name = rest.get(1..)?;
                        let end = name.find(['.', '[']).unwrap_or(name.len());
                        let (name, after) = name.split_at_checked(end)?;
                        (name.to_owned(), after)
                    }
                };
                legs.push(Leg::Member(name));
                rest = after;
            }
            '[' => {
                let (place, after) = rest.get(1..)?.split_once(']')?;
                legs.push(Leg::Element(place.parse().ok()?));
                rest = after;
            }
            _ => return None,
        }
    }
    // So that no number of differences makes a document that is deeper than a stack.
    (legs.len() <= MAX_DEPTH).then_some(legs)
}

/// What `write_text` quotes, without the quotes, and what stands behind them.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut characters = text.chars();
    loop {
        name.push(match characters.next()? {
            '"' => return Some((name, characters.as_str())),
            '\\' => match characters.next()? {
                'b' => '\x08',
                't' => '\t',
                'n' => '\n',
                'f' => '\x0C',
                'r' => '\r',
                'u' => {
                    let (digits, after) = characters.as_str().split_at_checked(4)?;
                    characters = after.chars();
                    char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
                }
                escaped => escaped,
            },
            plain => plain,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_are_written() {
        let legs = |path: &str| {
            let legs = parse_path(path)?;
            let text = |leg: &Leg| match leg {
                Leg::Member(name) => format!("m{name}"),
                Leg::Element(place) => format!("e{place}"),
            };
            Some(legs.iter().map(text).collect::<Vec<_>>().join("|"))
        };
        assert_eq!(legs("$").as_deref(), Some(""));
        assert_eq!(legs(r#"$.a[12]."b ].\"\\\u0001é".c"#).as_deref(), Some("ma|e12|mb ].\"\\\u{1}é|mc"));
        for wrong in ["", "a", "$a", "$[", "$[x]", "$.\"a", "$.\"\\u00\""] {
            assert_eq!(legs(wrong), None, "{wrong}");
        }
    }
}
