//! What a relation's columns are, as the database's catalog says it or its driver.

use event::{Column, TableName};
use odbc_api::{DataType, ResultSetMetadata};

use super::Session;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::options::Relation;

/// The columns of a relation, and which of them are its primary key.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) columns: Vec<Column>,
    /// In key order.
    pub(crate) key: Vec<usize>,
}

impl Session {
    /// What a relation's columns are.
    pub(crate) fn shape(&self, resource: &TableName, relation: &Relation) -> Result<Shape, Error> {
        let shape = match relation {
            Relation::Table(parts) => match self.dialect.columns_query(parts) {
                Some(query) => self.shape_by_catalog(&query)?,
                None => self.shape_by_driver(parts)?,
            },
            Relation::Query(query) => Shape { columns: self.of_query(query)?, key: Vec::new() },
        };
        match (shape.columns.is_empty(), relation) {
            (true, Relation::Table(parts)) => Err(Error::NoTable { table: parts.join(".") }),
            (true, Relation::Query(_)) => Err(Error::Columns {
                resource: resource.clone(),
                problem: "the query has no columns".to_owned(),
            }),
            (false, _) => Ok(shape),
        }
    }

    fn shape_by_catalog(&self, query: &str) -> Result<Shape, Error> {
        let mut columns = Vec::new();
        let mut key = Vec::new();
        for (position, row) in self.texts(query)?.into_iter().enumerate() {
            let mut fields = row.into_iter();
            let mut field = || fields.next().flatten();
            let (name, type_name, oid, modifier, place) = (field(), field(), field(), field(), field());
            columns.push(Column {
                name: name.unwrap_or_default(),
                type_name: type_name.unwrap_or_default(),
                type_oid: number(oid).unwrap_or(0),
                type_modifier: number(modifier).unwrap_or(-1),
            });
            if let Some(place) = number::<u32>(place) {
                key.push((place, position));
            }
        }
        key.sort_unstable();
        Ok(Shape { columns, key: key.into_iter().map(|(_, position)| position).collect() })
    }

    /// ODBC's own catalog.
    fn shape_by_driver(&self, parts: &[String]) -> Result<Shape, Error> {
        let query = format!("SELECT * FROM {} WHERE 1 = 0", self.dialect.table(parts));
        let columns = self.of_query(&query)?;
        let failed = || Error::statement("asking for the primary key");
        let (schema, table) = match parts {
            [.., schema, table] => (Some(schema.as_str()), table.as_str()),
            [table] => (None, table.as_str()),
            [] => (None, ""),
        };
        let mut key = Vec::new();
        for row in self.connection.primary_keys(None, schema, table).map_err(failed())? {
            let row = row.map_err(failed())?;
            let name = row.column.as_str().ok().flatten().unwrap_or_default();
            if let Some(position) = columns.iter().position(|column| column.name == name) {
                key.push((row.key_seq, position));
            }
        }
        key.sort_unstable();
        Ok(Shape { columns, key: key.into_iter().map(|(_, position)| position).collect() })
    }

    fn of_query(&self, query: &str) -> Result<Vec<Column>, Error> {
        let failed = || Error::statement("preparing the query");
        let mut prepared = self.connection.prepare(query).map_err(failed())?;
        let count = u16::try_from(prepared.num_result_cols().map_err(failed())?).unwrap_or_default();
        let mut columns = Vec::new();
        for number in 1..=count {
            let name = prepared.col_name(number).map_err(failed())?;
            let data_type = prepared.col_data_type(number).map_err(failed())?;
            let is_unsigned = prepared.column_is_unsigned(number).unwrap_or(false);
            let type_name = usual_name(data_type, is_unsigned && self.dialect == Dialect::Mysql);
            columns.push(Column { name, type_name, type_oid: 0, type_modifier: -1 });
        }
        drop(prepared);
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        if let Some(query) = self.dialect.types_query(query, &names) {
            let types = self.texts(&query)?.into_iter().next().unwrap_or_default();
            for (column, type_name) in columns.iter_mut().zip(types) {
                column.type_name = type_name.unwrap_or_else(|| "text".to_owned());
            }
        }
        Ok(columns)
    }
}

fn number<N: std::str::FromStr>(text: Option<String>) -> Option<N> {
    text?.trim().parse().ok()
}

/// What ODBC's types are usually called in SQL.
fn usual_name(data_type: DataType, is_unsigned: bool) -> String {
    let name = match data_type {
        DataType::Bit => "bit",
        DataType::TinyInt => "tinyint",
        DataType::SmallInt => "smallint",
        DataType::Integer => "int",
        DataType::BigInt => "bigint",
        DataType::Numeric { .. } | DataType::Decimal { .. } => "decimal",
        DataType::Real => "real",
        DataType::Float { .. } | DataType::Double => "double",
        DataType::Date => "date",
        DataType::Time { .. } => "time",
        DataType::Timestamp { .. } => "timestamp",
        DataType::Binary { .. } | DataType::Varbinary { .. } | DataType::LongVarbinary { .. } => "varbinary",
        _ => "varchar",
    };
    if is_unsigned { format!("{name} unsigned") } else { name.to_owned() }
}
