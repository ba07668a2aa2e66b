//! What the server's dictionary says of its tables.

use event::TableName;

use crate::error::Error;
use crate::session::{Session, quote_table, quote_text};
use crate::shape::Shape;

mod column;

use self::column::columns;

/// A table that could be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: TableName,
    /// What stores it.
    pub engine: String,
    /// As the engine estimates.
    pub rows: u64,
    /// Its rows on disk.
    pub bytes: u64,
    /// Whether its rows are told apart by a key.
    pub has_key: bool,
}

/// A table as it is.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) shape: Shape,
    pub(crate) engine: String,
    /// As the engine estimates.
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

impl Candidate {
    /// Whether the engine keeps old versions of rows, so that a table can be read as it was at one moment.
    pub fn has_snapshots(&self) -> bool {
        has_snapshots(&self.engine)
    }
}

impl Found {
    pub(crate) fn has_snapshots(&self) -> bool {
        has_snapshots(&self.engine)
    }
}

fn has_snapshots(engine: &str) -> bool {
    ["InnoDB", "ROCKSDB"].iter().any(|known| known.eq_ignore_ascii_case(engine))
}

/// Those of the server itself.
const OWN_DATABASES: &str = "('mysql', 'information_schema', 'performance_schema', 'sys')";

/// All ordinary tables outside of the server's own databases, in the order of their names. No views, no sequences, and
/// no table that keeps its own history (`SYSTEM VERSIONED`), whose log has the history too.
///
/// # Errors
/// When the server does not answer.
pub async fn candidates(session: &mut Session) -> Result<Vec<Candidate>, Error> {
    count_anew(session).await?;
    type Row = (String, String, Option<String>, Option<u64>, Option<u64>, i64);
    let rows: Vec<Row> = session
        .rows(&format!(
            "SELECT t.table_schema, t.table_name, t.engine, t.table_rows, t.data_length, \
               EXISTS (SELECT 1 FROM information_schema.statistics s WHERE s.table_schema = t.table_schema \
                 AND s.table_name = t.table_name AND s.index_name = 'PRIMARY') \
             FROM information_schema.tables t \
             WHERE t.table_type = 'BASE TABLE' AND t.table_schema NOT IN {OWN_DATABASES}"
        ))
        .await?;
    let candidate =
        |(schema, table, engine, rows, bytes, has_key): (_, _, Option<_>, Option<_>, Option<_>, _)| {
            Candidate {
                name: TableName { schema, table },
                engine: engine.unwrap_or_default(),
                rows: rows.unwrap_or_default(),
                bytes: bytes.unwrap_or_default(),
                has_key: has_key != 0,
            }
        };
    let mut candidates: Vec<_> = rows.into_iter().map(candidate).collect();
    candidates.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(candidates)
}

/// What new tables of each database get that say nothing of their own, by the [names](Shape::database) of databases.
///
/// # Errors
/// When the server does not answer.
pub async fn databases(session: &mut Session) -> Result<Vec<(TableName, Shape)>, Error> {
    let collations = collations(session).await?;
    let rows: Vec<(String, String)> = session
        .rows(&format!(
            "SELECT schema_name, default_collation_name FROM information_schema.schemata \
             WHERE schema_name NOT IN {OWN_DATABASES}"
        ))
        .await?;
    let shape = |(name, collation): (String, String)| {
        (Shape::database(&name), Shape { collation: id_of(&collations, &collation), ..Shape::default() })
    };
    Ok(rows.into_iter().map(shape).collect())
}

/// How a table looks now; none if there is none of this name.
///
/// # Errors
/// When the server does not answer.
pub async fn shape(session: &mut Session, name: &TableName) -> Result<Option<Shape>, Error> {
    Ok(find(session, name).await?.map(|found| found.shape))
}

/// A table as it is now; none if there is none of this name.
pub(crate) async fn find(session: &mut Session, name: &TableName) -> Result<Option<Found>, Error> {
    type Row = (String, Option<String>, Option<u64>, Option<u64>, Option<String>);
    count_anew(session).await?;
    let rows: Vec<Row> = session
        .rows(&format!(
            "SELECT table_name, engine, table_rows, data_length, table_collation FROM information_schema.tables \
             WHERE table_type = 'BASE TABLE' AND {}",
            is_of(name)
        ))
        .await?;
    let found = rows.into_iter().find(|(table, ..)| *table == name.table);
    let Some((_, engine, rows, bytes, collation)) = found else { return Ok(None) };
    let collations = collations(session).await?;
    let columns = columns(session, name, &collations).await?;
    let (key, is_promoted) = key(session, name).await?;
    let collation = collation.and_then(|of_table| id_of(&collations, &of_table));
    Ok(Some(Found {
        shape: Shape { columns, key, is_promoted, collation },
        engine: engine.unwrap_or_default(),
        rows: rows.unwrap_or_default(),
        bytes: bytes.unwrap_or_default(),
    }))
}

/// Else MySQL says how many rows a table had a day ago.
async fn count_anew(session: &mut Session) -> Result<(), Error> {
    match session.is_mariadb() {
        true => Ok(()),
        false => session.execute("SET SESSION information_schema_stats_expiry = 0").await,
    }
}

fn is_of(name: &TableName) -> String {
    format!("table_schema = {} AND table_name = {}", quote_text(&name.schema), quote_text(&name.table))
}

/// Every collation's name and number. MariaDB's of Unicode 14 have one name for several character sets.
async fn collations(session: &mut Session) -> Result<Vec<(String, u16)>, Error> {
    session
        .rows(match session.is_mariadb() {
            true => {
                "SELECT full_collation_name, id FROM information_schema.collation_character_set_applicability"
            }
            false => "SELECT collation_name, id FROM information_schema.collations",
        })
        .await
}

fn id_of(collations: &[(String, u16)], name: &str) -> Option<u16> {
    collations.iter().find(|(known, _)| known == name).map(|(_, id)| *id)
}

/// The primary key, or what servers take for one where there is none: the first unique key of whole columns without nulls
/// (`primary_key` of `TABLE_SHARE`). And whether it is such.
async fn key(session: &mut Session, name: &TableName) -> Result<(Vec<String>, bool), Error> {
    // As the server orders keys, which its information schema does not tell.
    let rows: Vec<mysql_async::Row> = session.rows(&format!("SHOW INDEX FROM {}", quote_table(name))).await?;
    let mut keys: Vec<(String, Vec<String>, bool)> = Vec::new();
    for row in &rows {
        let text = |column: &str| row.get::<Option<String>, _>(column).flatten();
        let (Some(key), column) = (text("Key_name"), text("Column_name")) else { continue };
        let is_usable = text("Non_unique").as_deref() == Some("0")
            && column.is_some()
            && text("Sub_part").is_none()
            && text("Null").is_none_or(|null| null.is_empty());
        match keys.last_mut().filter(|(last, ..)| *last == key) {
            Some((_, columns, was_usable)) => {
                columns.extend(column);
                *was_usable &= is_usable;
            }
            None => keys.push((key, column.into_iter().collect(), is_usable)),
        }
    }
    if let Some((_, columns, _)) = keys.iter().find(|(key, ..)| key == "PRIMARY") {
        return Ok((columns.clone(), false));
    }
    let promoted = keys.into_iter().find(|(.., is_usable)| *is_usable);
    Ok(promoted.map_or_else(|| (Vec::new(), false), |(_, columns, _)| (columns, true)))
}
