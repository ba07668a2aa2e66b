use event::Route;

use crate::own_names::OwnTemplates;
use crate::template::{Escape, Template};
use crate::{Error, OwnNames};

/// Which subject a route is.
#[derive(Clone, Debug)]
pub(super) struct Subjects {
    template: Template,
    own: OwnTemplates,
    bucket: String,
}

/// A subject's tokens are separated by dots, `*` and `>` are wildcards, and a space ends it.
const ESCAPE: Escape = Escape { mark: '=', kept: b"_-" };

const CONTROL: &str = "_control";

impl Subjects {
    pub(super) fn new(pattern: &str, own: &OwnNames, source: &str) -> Result<Self, Error> {
        let option = |reason| Error::Option { option: "sink.nats.subject", reason };
        let template = read(pattern, source).map_err(option)?;
        if !pattern.contains("{table}") {
            return Err(option(format!("`{pattern}` needs {{table}}")));
        }
        if !template.prefix().ends_with('.') {
            return Err(option(format!(
                "`{pattern}` needs something before the table, such as `cdc.{{source}}.`"
            )));
        }
        let own = own.read(|pattern| {
            let template = read(pattern, source)?;
            if template.prefix().is_empty() {
                return Err(format!(
                    "`{pattern}` needs something before its placeholders, such as `cdc.{{source}}.`"
                ));
            }
            Ok(template)
        })?;
        Ok(Self { template, own, bucket: format!("cdc_schemas_{source}") })
    }

    pub(super) fn subject(&self, route: &Route) -> String {
        match route {
            Route::Control => self.control(),
            // All schemas are in the bucket: its subject is completed with the fingerprint.
            Route::Schemas => format!("$KV.{}.", self.bucket),
            Route::Table(table) => {
                let subject = self.own.of(table).unwrap_or(&self.template).fill(table, ESCAPE);
                // `_` is never escaped elsewhere, so no other table gets this name.
                if subject == self.control() { subject.replace(CONTROL, "=5Fcontrol") } else { subject }
            }
        }
    }

    /// What the stream must listen to. No two of these overlap: a server refuses that.
    pub(super) fn all(&self) -> Vec<String> {
        let mut all = vec![format!("{}>", self.template.prefix())];
        for own in self.own.iter() {
            let wanted =
                if own.is_constant() { own.prefix().to_owned() } else { format!("{}>", own.prefix()) };
            if !all.iter().any(|other| covers(other, &wanted)) {
                all.retain(|other| !covers(&wanted, other));
                all.push(wanted);
            }
        }
        all
    }

    /// The key-value bucket of all schemas.
    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    fn control(&self) -> String {
        format!("{}{CONTROL}", self.template.prefix())
    }
}

fn read(pattern: &str, source: &str) -> Result<Template, String> {
    let is_literal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let template = Template::parse(pattern, source, is_literal)?;
    let tokens: Vec<&str> = pattern.split('.').collect();
    if tokens.contains(&"") {
        return Err(format!("`{pattern}` has an empty part between its dots"));
    }
    let is_whole =
        |token: &&str| !token.contains(['{', '}']) || ["{source}", "{schema}", "{table}"].contains(token);
    if !tokens.iter().all(is_whole) {
        return Err(format!("`{pattern}` needs a dot before and after each placeholder"));
    }
    Ok(template)
}

/// Whether a stream that listens to `pattern` gets all that `wanted` (which may end in `>`) stands for.
pub(super) fn covers(pattern: &str, wanted: &str) -> bool {
    let (mut pattern, mut wanted) = (pattern.split('.'), wanted.split('.'));
    loop {
        match (pattern.next(), wanted.next()) {
            (Some(">"), Some(_)) => return true,
            (Some("*"), Some(token)) if token != ">" => {}
            (Some(token), Some(other)) if token == other => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use event::TableName;

    use super::*;

    fn subject(pattern: &str, schema: &str, table: &str) -> String {
        Subjects::new(pattern, &OwnNames::default(), "shop")
            .unwrap()
            .subject(&Route::Table(TableName::new(schema, table)))
    }

    #[test]
    fn subjects_are_legal_and_differ() {
        let pattern = "cdc.{source}.{schema}.{table}";
        assert_eq!(subject(pattern, "public", "order-lines_2"), "cdc.shop.public.order-lines_2");
        assert_eq!(subject(pattern, "a.b", "*>c d"), "cdc.shop.a=2Eb.=2A=3Ec=20d");
        assert_eq!(subject(pattern, "public", "_control"), "cdc.shop.public._control");
        assert_eq!(subject("cdc.{source}.{table}", "public", "_control"), "cdc.shop.=5Fcontrol");
        let subjects = Subjects::new(pattern, &OwnNames::default(), "shop").unwrap();
        assert_eq!(subjects.all(), ["cdc.shop.>"]);
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
            let error = Subjects::new(pattern, &OwnNames::default(), "shop").unwrap_err();
            assert!(error.to_string().starts_with("sink.nats.subject: "), "{error}");
        }
    }

    #[test]
    fn a_table_can_have_a_subject_of_its_own() {
        let own = |pattern: &str| OwnNames::new(vec![pattern.to_owned()], |_| Some(0));
        let all = |pattern: &str| {
            Subjects::new("cdc.{source}.{table}", &own(pattern), "shop").map(|subjects| subjects.all())
        };
        assert_eq!(all("orders").unwrap(), ["cdc.shop.>", "orders"]);
        assert_eq!(all("other.{table}").unwrap(), ["cdc.shop.>", "other.>"]);
        assert_eq!(all("cdc.{table}").unwrap(), ["cdc.>"]);
        assert_eq!(all("cdc.shop.x").unwrap(), ["cdc.shop.>"]);
        assert!(all("{table}").unwrap_err().to_string().starts_with("[[table]] topic: "));
        let subjects = Subjects::new("cdc.{source}.{table}", &own("orders"), "shop").unwrap();
        assert_eq!(subjects.subject(&Route::Table(TableName::new("public", "x"))), "orders");
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
