//! How much a load has to read, and how long that takes: from the catalog, and from a short timed sample. Reads nothing
//! else and changes nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use event::{Estimate, Sample, TableEstimate, TableName};

use crate::sql::quote_table;
use crate::wire::{Connection, Mode};
use crate::{Error, Options, catalog, publication, session, unit, wire};

/// The largest tables say the most.
const TABLES_SAMPLED: usize = 3;
const SAMPLE_TIME: Duration = Duration::from_secs(1);
/// Blocks of one step.
const STEP_BLOCKS: u64 = 256;
const BLOCK_BYTES: u64 = 8192;

/// Estimates the load of all tables that are wanted.
///
/// # Errors
/// When the server does not answer, or a table can't be read.
pub async fn estimate(options: &Options) -> Result<Estimate, Error> {
    let mut sql = wire::connect(&options.connection, Mode::Sql).await?;
    let candidates = catalog::candidates(&mut sql).await?;
    let wanted = publication::plan(&mut sql, options, &candidates).await?.all;
    let mut sizes = sizes(&mut sql, &wanted).await?;
    sizes.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    let mut sample = Sample::default();
    let mut reading = session::open(&options.connection).await?;
    for size in sizes.iter().filter(|size| size.main_bytes > 0).take(TABLES_SAMPLED) {
        take_sample(&mut reading, size, &mut sample)
            .await
            .map_err(|error| session::unreadable(error, &size.name, &options.connection))?;
    }
    let tables = sizes.into_iter().map(|size| size.estimate(&sample)).collect();
    Ok(Estimate { tables, sample })
}

struct Size {
    name: TableName,
    /// Below 0 when the planner never looked.
    planned_rows: f64,
    bytes: u64,
    /// Without what is stored out of line; 0 where rows are in partitions.
    main_bytes: u64,
    is_read_whole: bool,
}

impl Size {
    fn estimate(self, sample: &Sample) -> TableEstimate {
        let is_guess = self.planned_rows < 0.0;
        let density = if sample.bytes > 0 { sample.rows as f64 / sample.bytes as f64 } else { 0.0 };
        let rows = if is_guess { self.bytes as f64 * density } else { self.planned_rows };
        let Self { name, bytes, is_read_whole, .. } = self;
        TableEstimate { name, rows: rows as u64, is_guess, bytes, is_read_whole }
    }
}

/// Of partitioned tables, what their partitions have.
async fn sizes(sql: &mut Connection, wanted: &BTreeSet<TableName>) -> Result<Vec<Size>, Error> {
    let rows = sql
        .query(&format!(
            "SELECT n.nspname, c.relname, CASE c.relkind WHEN 'p' THEN 0 ELSE pg_catalog.pg_relation_size(c.oid) END AS main, \
               CASE c.relkind WHEN 'p' THEN (SELECT COALESCE(sum(pg_catalog.pg_table_size(t.relid)), 0) \
                 FROM pg_catalog.pg_partition_tree(c.oid) t WHERE t.isleaf) ELSE pg_catalog.pg_table_size(c.oid) END AS bytes, \
               c.reltuples, NOT {} AS is_read_whole \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' \
               AND n.nspname <> 'information_schema'",
            unit::has_range_key_sql()
        ))
        .await?;
    let mut sizes = Vec::new();
    for row in rows.iter() {
        let name = TableName::new(row.required("nspname")?, row.required("relname")?);
        // Null if it was dropped just now.
        let bytes =
            |column| Ok::<_, Error>(row.get(column)?.and_then(|bytes| bytes.parse().ok()).unwrap_or(0));
        if wanted.contains(&name) {
            sizes.push(Size {
                name,
                planned_rows: row.parse("reltuples")?,
                bytes: bytes("bytes")?,
                main_bytes: bytes("main")?,
                is_read_whole: row.required("is_read_whole")? == "t",
            });
        }
    }
    Ok(sizes)
}

const STEP_BYTES: usize = 64 << 10;

/// Reads a table from its beginning for a while.
async fn take_sample(sql: &mut Connection, size: &Size, sample: &mut Sample) -> Result<(), Error> {
    let (start, blocks) = (Instant::now(), size.main_bytes.div_ceil(BLOCK_BYTES));
    let mut read_blocks = 0;
    while read_blocks < blocks && start.elapsed() < SAMPLE_TIME {
        let end = read_blocks + STEP_BLOCKS;
        let statement = format!(
            "COPY (SELECT * FROM ONLY {} WHERE ctid >= '({read_blocks},0)' AND ctid < '({end},0)') TO STDOUT",
            quote_table(&size.name)
        );
        let mut rows = sql.copy_out(&statement).await?;
        while let Some(mut come) = rows.next(STEP_BYTES).await? {
            while come.next_row().is_some() {
                sample.rows += 1;
            }
        }
        read_blocks = end.min(blocks);
    }
    // What is stored out of line was read with its rows.
    let share = read_blocks as f64 / blocks as f64;
    sample.bytes += (size.bytes as f64 * share) as u64;
    sample.time += start.elapsed();
    Ok(())
}
