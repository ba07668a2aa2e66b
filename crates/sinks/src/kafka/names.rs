use event::{Route, TableName};
use sha2::{Digest, Sha256};

use crate::own_names::OwnTemplates;
use crate::template::{Escape, Template};
use crate::{Error, OwnNames};

/// Which topic a route is.
#[derive(Clone, Debug)]
pub(super) struct Names {
    template: Template,
    own: OwnTemplates,
    control: String,
    schemas: String,
    checkpoint: String,
}

/// What Kafka allows in a topic's name, the dot left out because it separates schema and table, and the dash because
/// it marks what had to be escaped.
const ESCAPE: Escape = Escape { mark: '-', kept: b"_" };

/// `Topic.MAX_NAME_LENGTH` in Kafka.
const LIMIT_BYTES: usize = 249;

impl Names {
    pub(super) fn new(pattern: &str, own: &OwnNames, source: &str) -> Result<Self, Error> {
        let option = |reason| Error::Option { option: "sink.kafka.topic", reason };
        let template = read(pattern, source).map_err(option)?;
        let own = own.read(|pattern| read(pattern, source))?;
        let [control, schemas, checkpoint] =
            ["control", "schemas", "checkpoint"].map(|name| format!("{source}.{name}"));
        Ok(Self { template, own, control, schemas, checkpoint })
    }

    pub(super) fn topic(&self, route: &Route) -> String {
        match route {
            Route::Control => self.control.clone(),
            Route::Schemas => self.schemas.clone(),
            Route::Table(table) => self.table_topic(table),
        }
    }

    /// The topic of the checkpoint, where that is kept in Kafka.
    pub(super) fn checkpoint(&self) -> &str {
        &self.checkpoint
    }

    fn table_topic(&self, table: &TableName) -> String {
        let mut topic = self.own.of(table).unwrap_or(&self.template).fill(table, ESCAPE);
        if topic.len() > LIMIT_BYTES {
            // No escaped name holds two dashes in a row.
            let digest = Sha256::digest(topic.as_bytes());
            let mut suffix = "--".to_owned();
            digest.iter().take(8).for_each(|byte| suffix.push_str(&format!("{byte:02x}")));
            topic.truncate(LIMIT_BYTES - suffix.len());
            topic.push_str(&suffix);
        }
        if [&self.control, &self.schemas, &self.checkpoint].contains(&&topic) {
            // A dash without digits: no table's name gives that either.
            topic.push('-');
        }
        topic
    }
}

fn read(pattern: &str, source: &str) -> Result<Template, String> {
    let is_literal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let template = Template::parse(pattern, source, is_literal)?;
    if template.prefix().len() > LIMIT_BYTES / 2 {
        return Err(format!("`{pattern}` leaves no room for the table's name in {LIMIT_BYTES} bytes"));
    }
    if template.is_constant() && [".", ".."].contains(&template.prefix()) {
        return Err(format!("`{pattern}` is not allowed as a topic's name"));
    }
    Ok(template)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(pattern: &str, schema: &str, table: &str) -> String {
        Names::new(pattern, &OwnNames::default(), "shop")
            .unwrap()
            .topic(&Route::Table(TableName::new(schema, table)))
    }

    #[test]
    fn names_are_legal_and_differ() {
        let pattern = "{source}.{schema}.{table}";
        assert_eq!(topic(pattern, "public", "order_lines"), "shop.public.order_lines");
        assert_eq!(topic(pattern, "public", "Größe"), "shop.public.Gr-C3-B6-C3-9Fe");
        assert_ne!(topic(pattern, "a.b", "c"), topic(pattern, "a", "b.c"));
        assert_eq!(topic("{source}.{table}", "public", "control"), "shop.control-");
        assert_eq!(topic("{source}.{table}", "public", "schemas"), "shop.schemas-");
        assert_eq!(topic("{source}.{table}", "public", "checkpoint"), "shop.checkpoint-");
        let long = |last: &str| topic(pattern, &"é".repeat(60), &format!("{}{last}", "ö".repeat(60)));
        assert_eq!(long("a").len(), LIMIT_BYTES);
        assert_ne!(long("a"), long("b"));
        assert!(long("a").bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)));
    }

    #[test]
    fn patterns_that_cannot_work_are_refused() {
        for pattern in ["{source}.{tabel}", "shop orders", "", "..", &"x".repeat(200)] {
            let error = Names::new(pattern, &OwnNames::default(), "shop").unwrap_err();
            assert!(error.to_string().starts_with("sink.kafka.topic: "), "{error}");
        }
    }

    #[test]
    fn a_table_can_have_a_topic_of_its_own() {
        let own = |pattern: &str| {
            OwnNames::new(vec![pattern.to_owned()], |table| (table.table == "orders").then_some(0))
        };
        let names = Names::new("{source}.{schema}.{table}", &own("all-{table}"), "shop").unwrap();
        let topic = |table: &str| names.topic(&Route::Table(TableName::new("public", table)));
        assert_eq!(
            (topic("orders"), topic("items")),
            ("all-orders".to_owned(), "shop.public.items".to_owned())
        );
        let error = Names::new("{table}", &own("a b"), "shop").unwrap_err();
        assert!(error.to_string().starts_with("[[table]] topic: "), "{error}");
    }
}
