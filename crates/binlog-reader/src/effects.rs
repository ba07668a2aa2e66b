//! What DDL does to what is known of tables, and what of it is sent.

use std::collections::BTreeMap;

use event::{Body, LogPlace, Table, TableName, TableNews, TableSchema};

use crate::ddl::{Created, Effect, Text};
use crate::decoding::{Decoding, Output};
use crate::error::Error;
use crate::refusal::Refusal;
use crate::shape::Shape;
use crate::tables::Tables;
use crate::tail::Tail;

/// In the place of a shape that nobody knows any more.
const UNKNOWN: &str = "";

/// How tables look in the course of one statement. What it makes of them holds from its end on: when it comes again after
/// a crash, they must look as they did before it, though the checkpoint knows already what became of them.
struct Steps {
    begin: LogPlace,
    made: BTreeMap<TableName, String>,
}

impl Steps {
    fn new(begin: LogPlace) -> Self {
        Self { begin, made: BTreeMap::new() }
    }

    fn known(&self, output: &Output<'_, '_>, table: &TableName) -> Option<Shape> {
        serde_json::from_str(&self.known_text(output, table)?).ok()
    }

    fn known_text(&self, output: &Output<'_, '_>, table: &TableName) -> Option<String> {
        let made = self.made.get(table).map(String::as_str);
        let shape = made.or_else(|| output.remembered.shapes.get(table, self.begin));
        shape.filter(|shape| *shape != UNKNOWN).map(str::to_owned)
    }

    fn hold_from(self, end: LogPlace, output: &mut Output<'_, '_>) {
        for (table, shape) in self.made {
            output.remembered.shapes.put(&table, end, shape);
        }
    }
}

impl Decoding {
    /// Takes in what a statement does, in a session of this server collation.
    pub(crate) fn apply(
        &mut self,
        tail: &Tail,
        effects: &[Effect],
        server_collation: Option<u16>,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        let Some(transaction) = self.transaction.as_deref() else { return Ok(()) };
        let mut shapes = Steps::new(transaction.begin.into());
        let mut part = 0;
        for effect in effects {
            match effect {
                Effect::Create { table, created, if_absent, or_replace } if self.wants(table) => {
                    let before = shapes.known(output, table);
                    if *if_absent && before.is_some() {
                        continue;
                    }
                    if *or_replace && before.is_some() {
                        self.empty(table, before, &mut part, output)?;
                    }
                    let shape = match created {
                        Created::Like(other) => shapes.known_text(output, other),
                        Created::As(changes) => {
                            let database = shapes.known(output, &Shape::database(&table.schema));
                            let collation = database.and_then(|database| database.collation);
                            Shape::created(changes, collation).ok().and_then(|shape| written(&shape))
                        }
                        Created::NotUnderstood => None,
                    };
                    self.put(table, shape, &mut shapes);
                    self.tables.news.push(TableNews::Created(table.clone()));
                }
                Effect::Drop { table } => self.drop_table(table, &mut shapes, &mut part, output)?,
                Effect::DropDatabase { name } => {
                    let tables: Vec<_> = output
                        .remembered
                        .shapes
                        .tables()
                        .filter(|table| table.schema == *name && !Shape::is_database(table))
                        .cloned()
                        .collect();
                    for table in &tables {
                        if shapes.known_text(output, table).is_some() {
                            self.drop_table(table, &mut shapes, &mut part, output)?;
                        }
                    }
                    self.put(&Shape::database(name), None, &mut shapes);
                }
                Effect::CreateDatabase { name, text, if_absent } => {
                    let database = Shape::database(name);
                    if !*if_absent || shapes.known_text(output, &database).is_none() {
                        self.put(&database, shape_of(*text, server_collation), &mut shapes);
                    }
                }
                Effect::AlterDatabase { name, text } => {
                    let shape = shape_of(*text, server_collation);
                    self.put(&Shape::database(name), shape, &mut shapes);
                }
                Effect::Truncate { table } if self.wants(table) => {
                    let shape = shapes.known(output, table);
                    self.empty(table, shape, &mut part, output)?;
                }
                Effect::Rename { from, to } => {
                    let shape = shapes.known_text(output, from);
                    // What another table takes the name of at once is loaded, and never empty.
                    let is_replaced =
                        effects.iter().any(|other| matches!(other, Effect::Rename { to, .. } if to == from));
                    if is_replaced {
                        self.put(from, None, &mut shapes);
                    } else {
                        self.drop_table(from, &mut shapes, &mut part, output)?;
                    }
                    if self.wants(to) {
                        self.put(to, shape, &mut shapes);
                        self.tables.news.push(TableNews::Rewritten(to.clone()));
                    }
                }
                Effect::Alter { table, changes } if self.wants(table) => {
                    let shape = shapes.known(output, table);
                    let altered =
                        shape.zip(changes.as_ref()).and_then(|(shape, changes)| shape.apply(changes).ok());
                    self.put(table, altered.as_ref().and_then(written), &mut shapes);
                }
                Effect::Rewritten { table } if self.wants(table) => {
                    self.tables.news.push(TableNews::Rewritten(table.clone()));
                }
                Effect::Rows => {
                    return Err(self.statement_in_log(tail, "DML"));
                }
                Effect::Unknown => {
                    tracing::warn!(
                        place = tail.place_text(),
                        "a statement is not understood: what was known of tables' columns is forgotten, until the log says it"
                    );
                    let tables: Vec<_> = output.remembered.shapes.tables().cloned().collect();
                    for table in &tables {
                        self.put(table, None, &mut shapes);
                    }
                }
                _ => {}
            }
        }
        shapes.hold_from(tail.end().into(), output);
        Ok(())
    }

    fn wants(&self, table: &TableName) -> bool {
        (self.tables.options.wanted)(table)
    }

    /// How the table looks from now on; none: nobody knows.
    fn put(&mut self, table: &TableName, shape: Option<String>, shapes: &mut Steps) {
        self.tables.forget_asked(table);
        if Shape::is_database(table) || self.wants(table) {
            shapes.made.insert(table.clone(), shape.unwrap_or_else(|| UNKNOWN.to_owned()));
        }
    }

    fn drop_table(
        &mut self,
        table: &TableName,
        shapes: &mut Steps,
        part: &mut u32,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        if !self.wants(table) {
            return Ok(());
        }
        let shape = shapes.known(output, table);
        self.empty(table, shape, part, output)?;
        self.put(table, None, shapes);
        self.tables.news.push(TableNews::Dropped(table.clone()));
        Ok(())
    }

    /// All rows of a table go. Those that one statement empties share its sequence: their part tells them apart.
    fn empty(
        &mut self,
        name: &TableName,
        shape: Option<Shape>,
        part: &mut u32,
        output: &mut Output<'_, '_>,
    ) -> Result<(), Error> {
        let Self { transaction: Some(transaction), tables: Tables { options, sequences, .. }, .. } = self
        else {
            return Ok(());
        };
        transaction.seq += u64::from(*part == 0);
        *part += 1;
        let since = (options.since)(name);
        if transaction.is_dropped || since > LogPlace::from(transaction.begin) {
            return Ok(());
        }
        if output.remembered.fences.contain_truncate(name, transaction.change()) {
            return Ok(());
        }
        let is_known = shape.is_some();
        // Of a table that nobody knows the columns of, its name is enough to say so.
        let nothing = || TableSchema { name: name.clone(), columns: Vec::new(), key: Vec::new() };
        let schema = shape.map_or_else(nothing, |shape| shape.schema(name));
        let sent = match is_known {
            true => (options.rules)(name).apply(&schema).map(|sent| sent.schema),
            false => Ok(schema),
        };
        let sent =
            sent.map_err(|error| Refusal::Rules { table: name.clone(), problem: error.to_string() })?;
        let (table, sequence) = (Table::new(sent), sequences.of(name));
        let own = transaction.begin;
        if is_known && sequences.announce(sequence, table.fingerprint) {
            let body = Body::Schema { table: &table, load: None, part: *part };
            output.batch.push(&transaction.event(body, own, output.captured_time_us));
        }
        let table_seq = sequences.next(sequence);
        let body = Body::Truncate { table: &table, load: None, table_seq, part: *part };
        output.batch.push(&transaction.event(body, own, output.captured_time_us));
        Ok(())
    }
}

/// What there is to know of a database.
fn shape_of(text: Text, server_collation: Option<u16>) -> Option<String> {
    let collation = match text {
        Text::AsServer => server_collation,
        Text::As(collation) => collation,
    };
    written(&Shape { collation: Some(collation?), ..Shape::default() })
}

fn written(shape: &Shape) -> Option<String> {
    serde_json::to_string(shape).ok()
}
