use crate::{Column, TableSchema};

/// What is sent of a table's rows, as somebody configured it. The default is everything, under the table's own key.
///
/// ```
/// use event::{Column, Mask, TableName, TableRules, TableSchema, Use};
///
/// let column = |name: &str| Column { name: name.into(), type_name: "int4".into(), type_oid: 23, type_modifier: -1 };
/// let columns = ["id", "card", "age"].map(column).to_vec();
/// let schema = TableSchema { name: TableName::new("public", "people"), columns, key: vec![0] };
/// let rules = TableRules {
///     excluded: vec!["card".into()],
///     masked: vec![("age".into(), Mask::Null)],
///     ..TableRules::default()
/// };
/// let sent = rules.apply(&schema)?;
/// assert_eq!(sent.uses, [Use::Sent, Use::Excluded, Use::Masked(Mask::Null)]);
/// assert_eq!(sent.schema.columns.len(), 2);
/// # Ok::<(), event::RuleError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRules {
    /// Columns that are left out.
    pub excluded: Vec<String>,
    /// Columns whose values are replaced.
    pub masked: Vec<(String, Mask)>,
    /// Whether these rules are for a single table: then whatever they name must be there. A name that is misspelt, or
    /// was changed in the database, would otherwise let pass what it is to hide. Rules for many tables do what they
    /// can for each.
    pub is_exact: bool,
    /// The columns of the message key, in this order; none: those of the table's own key.
    pub key: Option<Vec<String>>,
}

/// What stands in a value's place. NULL stays NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mask {
    /// SHA-256 of the value's text in the database, in hexadecimal: equal values stay equal.
    Sha256,
    /// NULL.
    Null,
}

/// What becomes of a column of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is sent as it is.
    Sent,
    /// It is sent, but not its values.
    Masked(Mask),
    /// It is not sent.
    Excluded,
}

/// A table as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentTable {
    /// With the columns that are sent, and the message key among them.
    pub schema: TableSchema,
    /// One a column of the database.
    pub uses: Vec<Use>,
}

/// Rules that a table can't be sent by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The rules are for another table, or for this one as it was.
    #[error("it has no column \"{column}\"; it has {columns}")]
    NoColumn {
        /// As configured.
        column: String,
        /// What there is.
        columns: String,
    },
    /// Rows would come without what tells them apart.
    #[error(
        "its key column \"{column}\" can't be {what}: rows could not be told apart any more. Set `key` to others"
    )]
    Key {
        /// Which.
        column: String,
        /// What the rules would do to it.
        what: &'static str,
    },
}

impl TableRules {
    /// The table as it is sent by these rules.
    ///
    /// # Errors
    /// When a column that must be there is not, or when a key column would say nothing any more.
    pub fn apply(&self, table: &TableSchema) -> Result<SentTable, RuleError> {
        let hidden = self.excluded.iter().chain(self.masked.iter().map(|(column, _)| column));
        for column in hidden.filter(|_| self.is_exact) {
            position(table, column)?;
        }
        let uses: Vec<Use> = table.columns.iter().map(|column| self.of(&column.name)).collect();
        let key = match &self.key {
            Some(names) => names.iter().map(|name| position(table, name)).collect::<Result<_, _>>()?,
            None => table.key.clone(),
        };
        for column in &key {
            let what = match uses.get(*column) {
                Some(Use::Excluded) => "left out",
                Some(Use::Masked(Mask::Null)) => "masked by null",
                _ => continue,
            };
            let column = table.columns.get(*column).map(|column| column.name.clone()).unwrap_or_default();
            return Err(RuleError::Key { column, what });
        }
        let is_sent = |position: &usize| uses.get(*position).is_some_and(|of| *of != Use::Excluded);
        let key = key.iter().map(|column| (0..*column).filter(is_sent).count()).collect();
        let columns =
            table.columns.iter().zip(&uses).filter_map(|(column, of)| sent_column(column, *of)).collect();
        Ok(SentTable { schema: TableSchema { name: table.name.clone(), columns, key }, uses })
    }

    fn of(&self, column: &str) -> Use {
        if self.excluded.iter().any(|excluded| excluded == column) {
            return Use::Excluded;
        }
        let mask = self.masked.iter().find(|(masked, _)| masked == column);
        mask.map_or(Use::Sent, |(_, mask)| Use::Masked(*mask))
    }
}

impl SentTable {
    /// Whether the message key names every column of the table's own, unique key. `database`: the table as its database
    /// has it.
    pub fn tells_rows_apart(&self, database: &TableSchema) -> bool {
        let name_of = |table: &TableSchema, column: &usize| {
            table.columns.get(*column).map(|column| column.name.clone())
        };
        let key: Vec<_> = self.schema.key.iter().map(|column| name_of(&self.schema, column)).collect();
        !database.key.is_empty() && database.key.iter().all(|column| key.contains(&name_of(database, column)))
    }

    /// Where a column of the database is among those that are sent, if its values are.
    pub fn position(&self, column: usize) -> Option<usize> {
        let before = self.uses.get(..column)?;
        (self.uses.get(column) == Some(&Use::Sent))
            .then(|| before.iter().filter(|of| **of != Use::Excluded).count())
    }
}

fn position(table: &TableSchema, name: &str) -> Result<usize, RuleError> {
    table.columns.iter().position(|column| column.name == name).ok_or_else(|| RuleError::NoColumn {
        column: name.to_owned(),
        columns: table.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", "),
    })
}

fn sent_column(column: &Column, of: Use) -> Option<Column> {
    /// PostgreSQL's `text`.
    const TEXT: u32 = 25;
    match of {
        Use::Excluded => None,
        Use::Masked(Mask::Sha256) => Some(Column {
            name: column.name.clone(),
            type_name: "text".to_owned(),
            type_oid: if column.type_oid == 0 { 0 } else { TEXT },
            type_modifier: -1,
        }),
        Use::Sent | Use::Masked(Mask::Null) => Some(column.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TableName;

    fn table() -> TableSchema {
        let column = |name: &str| Column {
            name: name.to_owned(),
            type_name: "int4".to_owned(),
            type_oid: 23,
            type_modifier: -1,
        };
        let columns = ["tenant", "secret", "id", "note"].map(column).to_vec();
        TableSchema { name: TableName::new("public", "orders"), columns, key: vec![0, 2] }
    }

    #[test]
    fn keys_follow_their_columns() {
        let rules =
            TableRules { excluded: vec!["secret".to_owned(), "nothing".to_owned()], ..TableRules::default() };
        let sent = rules.apply(&table()).unwrap();
        assert_eq!(sent.schema.key, [0, 1]);
        assert_eq!(
            (sent.position(0), sent.position(1), sent.position(2), sent.position(9)),
            (Some(0), None, Some(1), None)
        );
        let rules = TableRules { key: Some(vec!["id".to_owned()]), ..rules };
        assert_eq!(rules.apply(&table()).unwrap().schema.key, [1]);
    }

    #[test]
    fn a_hash_is_a_text() {
        let rules = TableRules { masked: vec![("id".to_owned(), Mask::Sha256)], ..TableRules::default() };
        let sent = rules.apply(&table()).unwrap();
        assert_eq!(sent.schema.columns[2].type_name, "text");
        assert_eq!(sent.position(2), None, "its values are not sent");
        assert_ne!(sent.schema.fingerprint(), table().fingerprint());
        assert_eq!(TableRules::default().apply(&table()).unwrap().schema, table());
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let masked = |column: &str, mask| TableRules {
            masked: vec![(column.to_owned(), mask)],
            ..TableRules::default()
        };
        assert!(masked("nope", Mask::Null).apply(&table()).is_ok(), "for many tables");
        let exact = TableRules { is_exact: true, ..masked("nope", Mask::Null) };
        assert!(matches!(exact.apply(&table()), Err(RuleError::NoColumn { .. })));
        let exact = TableRules { excluded: vec!["nope".to_owned()], is_exact: true, ..TableRules::default() };
        assert!(matches!(exact.apply(&table()), Err(RuleError::NoColumn { .. })));
        let key = TableRules { key: Some(vec!["nope".to_owned()]), ..TableRules::default() };
        assert!(matches!(key.apply(&table()), Err(RuleError::NoColumn { .. })));
        assert!(matches!(masked("id", Mask::Null).apply(&table()), Err(RuleError::Key { .. })));
        let excluded = TableRules { excluded: vec!["id".to_owned()], ..TableRules::default() };
        assert!(matches!(excluded.apply(&table()), Err(RuleError::Key { .. })));
        let key = TableRules { key: Some(vec!["note".to_owned()]), ..excluded };
        assert_eq!(key.apply(&table()).unwrap().schema.key, [2]);
    }
}
