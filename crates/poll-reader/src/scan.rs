//! One reading of one resource, from its first row to its last.

mod pace;
mod row;
mod since;

use std::cell::Cell as Shared;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use event::{Cell, TableName, TableSchema};

use self::pace::Pace;
use self::row::{Canonical, RowReader};
use crate::canonical;
use crate::control::Control;
use crate::dialect::View;
use crate::diff::{Diff, Found, Piece, Refused};
use crate::error::Error;
use crate::family::Family;
use crate::fetch::{Interrupted, Widths, rows};
use crate::options::Resource;
use crate::plan::Plan;
use crate::session::Session;
use crate::state::State;

/// What a scan came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Scanned {
    /// Of which resource.
    pub resource: TableName,
    /// Its number.
    pub scan: u64,
    /// Whether it read everything.
    pub is_full: bool,
    /// What it found.
    pub found: Found,
    /// How long it took.
    pub took: Duration,
    /// How much of that was waiting for the driver.
    pub fetching: Duration,
    /// Why no row was called deleted, though some are gone.
    pub held: Option<Held>,
}

/// Deletes that wait for somebody's word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    /// How many rows are gone.
    pub gone: u64,
    /// Of how many.
    pub known: u64,
    /// Which part may be.
    pub limit: f64,
}

impl Scanned {
    /// What somebody has to be asked.
    pub fn question(&self) -> Option<Error> {
        let Held { gone, known, limit } = self.held?;
        Some(Error::TooManyDeletes { resource: self.resource.clone(), gone, known, limit })
    }
}

/// What a scan needs beside its resource.
pub(crate) struct Surroundings<'s> {
    pub(crate) session: &'s Session,
    pub(crate) state: &'s mut State,
    pub(crate) reader: i64,
    pub(crate) control: &'s Control,
    /// Of the resource's query, and its children's.
    pub(crate) widths: &'s mut Vec<Widths>,
}

/// Reads a resource, and writes what is found. Begins anew as often as a value turns out longer than there was room for.
pub(crate) fn scan(around: &mut Surroundings<'_>, resource: &Resource) -> Result<Scanned, Error> {
    loop {
        let began = around.session.begin(resource.relations().iter()).map_err(Interrupted::from);
        let ended = began.and_then(|()| attempt(around, resource));
        let closed = around.session.end();
        match ended {
            Ok(scanned) => {
                return closed.map(|()| scanned).map_err(|error| around.session.judged(error));
            }
            Err(Interrupted::Widened) => closed?,
            Err(Interrupted::Failed(error)) => return Err(around.session.judged(error)),
        }
    }
}

fn attempt(around: &mut Surroundings<'_>, resource: &Resource) -> Result<Scanned, Interrupted> {
    let started = Instant::now();
    let Surroundings { session, state, reader, control, widths } = around;
    let began_s = now_s();
    let root = Plan::of(session, resource)?;
    widths.resize(1 + resource.children.len(), Widths::default());
    let schema = whole_schema(&root, resource);
    let (known, shape) = state.known(&schema)?;
    let bound = since::lower_bound(session.dialect, resource, &root, &known, began_s)?;
    let sql = bound.as_deref().map_or_else(|| root.sql.clone(), |condition| root.filtered(condition));
    let pace = Pace::new(resource, &known, started);
    let fetching = Shared::new(Duration::ZERO);
    let family = family(session, resource, widths, control, &pace)?;
    let since_position = since::position(resource, &root)?;
    let mut greatest: Option<Cell<'static>> = None;
    let mut diff = Diff::begin(
        state,
        *reader,
        resource.name.to_string(),
        shape,
        known,
        session.view == View::Consistent,
    )?;
    let mut piece = Piece::default();
    let mut reader = RowReader::new(&root, 0);
    let mut asked = Instant::now();
    let own_widths = widths.first_mut().ok_or(Interrupted::Widened)?;
    rows(session, &root, &sql, own_widths, |page| {
        fetching.set(fetching.get() + asked.elapsed());
        control.check()?;
        piece.clear();
        for number in 0..page.num_rows() {
            reader.read(&root, page, number, |cells, ends| {
                if let Some(position) = since_position {
                    since::keep_greatest(&mut greatest, cells.get(position))
                        .map_err(|()| since::refused(resource))?;
                }
                if let Some(family) = &family {
                    adopt(family, resource, &schema, ends)?;
                }
                let (bytes, places) = (&ends.bytes, &ends.places);
                piece.push(bytes, places, &schema.key, diff.hash_version());
                Ok(())
            })?;
        }
        match diff.take(&piece) {
            Ok(true) => control.committed(),
            Ok(false) => {}
            Err(Refused::SameKey) => return Err(same_key(resource, &schema).into()),
            Err(Refused::Failed(error)) => return Err(error.into()),
        }
        control.progress(&resource.name, diff.found.rows);
        pace.wait(diff.found.rows, control)?;
        asked = Instant::now();
        Ok(())
    })?;
    fetching.set(fetching.get() + asked.elapsed());
    let is_full = bound.is_none();
    let held = if is_full { held(&diff, resource) } else { None };
    if is_full && held.is_none() {
        diff.delete_unseen(|| control.committed())?;
    }
    let scan = diff.scan();
    // As long as somebody is asked, the next scan is a full one as well: it may find the rows again.
    let is_done = held.is_none();
    let greatest = greatest.map(|cell| {
        let mut bytes = Vec::new();
        canonical::write(&cell, &mut bytes);
        bytes
    });
    let found =
        diff.finish(greatest.as_deref().filter(|_| is_done), (is_full && is_done).then_some(began_s))?;
    control.committed();
    pace.rest(control)?;
    Ok(Scanned {
        resource: resource.name.clone(),
        scan,
        is_full,
        found,
        took: started.elapsed(),
        fetching: fetching.get(),
        held,
    })
}

/// Whether more are gone than may be.
fn held(diff: &Diff<'_>, resource: &Resource) -> Option<Held> {
    let (gone, known) = diff.gone();
    let limit = resource.max_delete_fraction;
    let is_too_many = gone as f64 > limit * known as f64 && !diff.deletes_are_confirmed();
    is_too_many.then_some(Held { gone, known, limit })
}

/// The root's columns, and one for each kind of children.
fn whole_schema(root: &Plan, resource: &Resource) -> TableSchema {
    let mut schema = root.schema.as_ref().clone();
    schema.columns.extend(Family::columns(&resource.children));
    schema
}

/// Reads all children.
fn family(
    session: &Session,
    resource: &Resource,
    widths: &mut [Widths],
    control: &Control,
    pace: &Pace,
) -> Result<Option<Family>, Interrupted> {
    if resource.children.is_empty() {
        return Ok(None);
    }
    let names = resource.children.iter().map(|child| child.name.clone()).collect();
    let family = Family::new(&resource.name, names)?;
    for (number, child) in resource.children.iter().enumerate() {
        let Some(plan) = Plan::of_child(session, resource, number)? else { continue };
        let Some(widths) = widths.get_mut(number + 1) else { continue };
        // A row whose parent is NULL is nobody's.
        let mut reader = RowReader::new(&plan, child.parent.len());
        rows(session, &plan, &plan.sql, widths, |page| {
            control.check()?;
            for row in 0..page.num_rows() {
                reader.read(&plan, page, row, |cells, _| {
                    family.insert(number, &plan, child.parent.len(), cells)
                })?;
            }
            pace.check()?;
            Ok(())
        })?;
    }
    Ok(Some(family))
}

/// Appends a root's children to its cells.
fn adopt(
    family: &Family,
    resource: &Resource,
    schema: &TableSchema,
    row: &mut Canonical,
) -> Result<(), Error> {
    let mut parent = Vec::new();
    for position in &schema.key {
        parent.extend_from_slice(row.cell(*position));
    }
    for number in 0..resource.children.len() {
        let mut document = Vec::new();
        family.of(number, &parent, &mut document)?;
        row.push(&Cell::Json(String::from_utf8_lossy(&document)));
    }
    Ok(())
}

fn same_key(resource: &Resource, schema: &TableSchema) -> Error {
    let columns = schema.key.iter().filter_map(|position| Some(schema.columns.get(*position)?.name.as_str()));
    Error::SameKey { resource: resource.name.clone(), columns: columns.collect::<Vec<_>>().join(", ") }
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
