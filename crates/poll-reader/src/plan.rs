use std::sync::Arc;

use event::{Column, TableRules, TableSchema, Use};

use crate::dialect::{Asked, Dialect, Reading};
use crate::error::Error;
use crate::options::{Relation, Resource};
use crate::session::{Session, Shape};

/// How the rows of a relation are read.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Selects what is sent, as texts.
    pub(crate) sql: String,
    /// Of the columns that are selected.
    pub(crate) columns: Vec<Asked>,
    /// Of what is sent; the key's positions are in it.
    pub(crate) schema: Arc<TableSchema>,
}

impl Plan {
    /// How a resource is read, as its database has it now.
    pub(crate) fn of(session: &Session, resource: &Resource) -> Result<Self, Error> {
        let shape = session.shape(&resource.name, &resource.relation)?;
        let key = (!resource.key.is_empty()).then(|| resource.key.clone());
        if key.is_none() && shape.key.is_empty() {
            return Err(Error::NoKey { resource: resource.name.clone() });
        }
        let rules = TableRules { key, ..resource.rules.clone() };
        let whole = TableSchema { name: resource.name.clone(), columns: shape.columns, key: shape.key };
        let sent = rules.apply(&whole).map_err(|error| Error::Columns {
            resource: resource.name.clone(),
            problem: error.to_string(),
        })?;
        let kept = whole.columns.iter().zip(&sent.uses).filter(|(_, kept)| **kept != Use::Excluded);
        let columns: Vec<Asked> =
            kept.map(|(column, kept)| masked(session.dialect.ask(column.clone()), *kept)).collect();
        let sql = select(session.dialect, &resource.relation, &columns);
        Ok(Self { sql, columns, schema: Arc::new(sent.schema) })
    }

    /// How a child's rows are read; its key is that of the parent, then its own.
    pub(crate) fn of_child(
        session: &Session,
        resource: &Resource,
        child: usize,
    ) -> Result<Option<Self>, Error> {
        let Some(child) = resource.children.get(child) else { return Ok(None) };
        let relation = Relation::Query(child.query.clone());
        let Shape { columns, .. } = session.shape(&resource.name, &relation)?;
        let mut key = Vec::new();
        for name in child.parent.iter().chain(&child.key) {
            key.push(position(&columns, name).ok_or_else(|| Error::Columns {
                resource: resource.name.clone(),
                problem: format!("the query of `{}` has no column \"{name}\"", child.name),
            })?);
        }
        let asked: Vec<Asked> = columns.iter().map(|column| session.dialect.ask(column.clone())).collect();
        let sql = select(session.dialect, &relation, &asked);
        let schema = TableSchema { name: resource.name.clone(), columns, key };
        Ok(Some(Self { sql, columns: asked, schema: Arc::new(schema) }))
    }

    /// The same, of rows that this condition holds for.
    pub(crate) fn filtered(&self, condition: &str) -> String {
        format!("{} WHERE {condition}", self.sql)
    }
}

fn masked(asked: Asked, kept: Use) -> Asked {
    match (kept, asked.reading) {
        (Use::Masked(_), Reading::Text(column_type)) => {
            Asked { reading: Reading::Text(column_type.used(kept)), ..asked }
        }
        // Of any other, the text that it is asked for as.
        (Use::Masked(_), _) => {
            let text = decoder::ColumnType::new("text").used(kept);
            Asked { column: asked.column, expression: asked.expression, reading: Reading::Text(text) }
        }
        (_, reading) => Asked { reading, ..asked },
    }
}

fn select(dialect: Dialect, relation: &Relation, columns: &[Asked]) -> String {
    // Names of their own: some drivers cut those of expressions short, and refuse two that are alike.
    let list = columns.iter().enumerate().map(|(n, asked)| format!("{} AS c{n}", asked.expression));
    let list = list.collect::<Vec<_>>().join(", ");
    match relation {
        Relation::Table(parts) => format!("SELECT {list} FROM {}", dialect.table(parts)),
        Relation::Query(query) => {
            format!("SELECT {list} FROM ({}) AS q", query.trim().trim_end_matches(';'))
        }
    }
}

fn position(columns: &[Column], name: &str) -> Option<usize> {
    columns.iter().position(|column| column.name == name)
}
