use event::Route;

use crate::Error;
use crate::template::{Escape, Template};

/// Which subject a route is.
#[derive(Clone, Debug)]
pub(super) struct Subjects {
    template: Template,
    bucket: String,
}

/// A subject's tokens are separated by dots, `*` and `>` are wildcards, and a space ends it.
const ESCAPE: Escape = Escape { mark: '=', kept: b"_-" };

const CONTROL: &str = "_control";

impl Subjects {
    pub(super) fn new(pattern: &str, source: &str) -> Result<Self, Error> {
        let option = |reason| Error::Option { option: "sink.nats.subject", reason };
        let is_literal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let template = Template::parse(pattern, source, is_literal).map_err(option)?;
        let tokens: Vec<&str> = pattern.split('.').collect();
        if tokens.contains(&"") {
            return Err(option(format!("`{pattern}` has an empty part between its dots")));
        }
        let is_whole =
            |token: &&str| !token.contains(['{', '}']) || ["{source}", "{schema}", "{table}"].contains(token);
        if !tokens.iter().all(is_whole) {
            return Err(option(format!("`{pattern}` needs a dot before and after each placeholder")));
        }
        if !pattern.contains("{table}") {
            return Err(option(format!("`{pattern}` needs {{table}}")));
        }
        if !template.prefix().ends_with('.') {
            return Err(option(format!(
                "`{pattern}` needs something before the table, such as `cdc.{{source}}.`"
            )));
        }
        Ok(Self { template, bucket: format!("cdc_schemas_{source}") })
    }

    pub(super) fn subject(&self, route: &Route) -> String {
        match route {
            Route::Control => self.control(),
            // All schemas are in the bucket: its subject is completed with the fingerprint.
            Route::Schemas => format!("$KV.{}.", self.bucket),
            Route::Table(table) => {
                let subject = self.template.fill(table, ESCAPE);
                // `_` is never escaped elsewhere, so no other table gets this name.
                if subject == self.control() { subject.replace(CONTROL, "=5Fcontrol") } else { subject }
            }
        }
    }

    /// What the stream must listen to.
    pub(super) fn all(&self) -> String {
        format!("{}>", self.template.prefix())
    }

    /// The key-value bucket of all schemas.
    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    fn control(&self) -> String {
        format!("{}{CONTROL}", self.template.prefix())
    }
}

/// Whether a stream that listens to `pattern` gets all that `wanted` (which ends in `>`) stands for.
pub(super) fn covers(pattern: &str, wanted: &str) -> bool {
    let (mut pattern, mut wanted) = (pattern.split('.'), wanted.split('.'));
    loop {
        match (pattern.next(), wanted.next()) {
            (Some(">"), Some(_)) => return true,
            (Some("*"), Some(token)) if token != ">" => {}
            (Some(token), Some(other)) if token == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use event::TableName;

    use super::*;

    fn subject(pattern: &str, schema: &str, table: &str) -> String {
        Subjects::new(pattern, "shop").unwrap().subject(&Route::Table(TableName::new(schema, table)))
    }

    #[test]
    fn subjects_are_legal_and_differ() {
        let pattern = "cdc.{source}.{schema}.{table}";
        assert_eq!(subject(pattern, "public", "order-lines_2"), "cdc.shop.public.order-lines_2");
        assert_eq!(subject(pattern, "a.b", "*>c d"), "cdc.shop.a=2Eb.=2A=3Ec=20d");
        assert_eq!(subject(pattern, "public", "_control"), "cdc.shop.public._control");
        assert_eq!(subject("cdc.{source}.{table}", "public", "_control"), "cdc.shop.=5Fcontrol");
        let subjects = Subjects::new(pattern, "shop").unwrap();
        assert_eq!(subjects.all(), "cdc.shop.>");
        assert_eq!(subjects.subject(&Route::Control), "cdc.shop._control");
    }

    #[test]
    fn patterns_that_cannot_work_are_refused() {
        for pattern in [
            "cdc.{source}",
            "{schema}.{table}",
            "cdc..{table}",
            "cdc.{table}.",
            "cdc.x-{table}",
            "cdc.*.{table}",
        ] {
            let error = Subjects::new(pattern, "shop").unwrap_err();
            assert!(error.to_string().starts_with("sink.nats.subject: "), "{error}");
        }
    }

    #[test]
    fn covering() {
        for (pattern, covered) in [
            ("cdc.shop.>", true),
            ("cdc.>", true),
            (">", true),
            ("cdc.*.>", true),
            ("*.shop.>", true),
            ("cdc.shop.*", false),
            ("cdc.shop.*.*", false),
            ("cdc.shop.public.>", false),
            ("cdc.shopping.>", false),
            ("cdc.shop", false),
        ] {
            assert_eq!(covers(pattern, "cdc.shop.>"), covered, "{pattern}");
        }
    }
}
