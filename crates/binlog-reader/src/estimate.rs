//! How much a load has to read, and how long that takes: from the dictionary, and from a short timed sample. Reads nothing
//! else and changes nothing.

use std::time::{Duration, Instant};

use event::{Estimate, Sample, TableEstimate};
use mysql_async::prelude::Queryable as _;

use crate::catalog::{self, Candidate};
use crate::error::Error;
use crate::load;
use crate::options::Options;
use crate::refusal::Refusal;
use crate::session::{Session, quote_table};
use crate::unit;

/// The largest tables say the most.
const TABLES_SAMPLED: usize = 3;
const SAMPLE_TIME: Duration = Duration::from_secs(1);
/// A sample's rows, if they come before its time is over.
const SAMPLE_ROWS: u64 = 1_000_000;

/// Estimates the load of all tables that are wanted.
///
/// # Errors
/// When the server does not answer, or a table can't be read.
pub async fn estimate(options: &Options) -> Result<Estimate, Error> {
    let mut session = Session::open(&options.connection).await?;
    let mut candidates = catalog::candidates(&mut session).await?;
    candidates.retain(|candidate| (options.wanted)(&candidate.name));
    candidates.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    let mut sample = Sample::default();
    for candidate in candidates.iter().filter(|candidate| candidate.rows > 0).take(TABLES_SAMPLED) {
        // What is not read any more ends with its session.
        let mut reading = load::session(&options.connection).await?;
        take_sample(&mut reading, candidate, &mut sample)
            .await
            .map_err(|error| Refusal::of_denied(error, &candidate.name, options.connection.user()))?;
    }
    let mut tables = Vec::new();
    for candidate in candidates {
        let found = catalog::find(&mut session, &candidate.name).await?;
        let is_cut = found.is_some_and(|found| {
            found.has_snapshots() && unit::range_key(&found.shape.schema(&candidate.name)).is_some()
        });
        let Candidate { name, rows, bytes, .. } = candidate;
        tables.push(TableEstimate { name, rows, is_guess: false, bytes, is_read_whole: !is_cut });
    }
    Ok(Estimate { tables, sample })
}

/// Reads a table from its beginning for a while.
async fn take_sample(session: &mut Session, candidate: &Candidate, sample: &mut Sample) -> Result<(), Error> {
    let statement = format!("SELECT * FROM {} LIMIT {SAMPLE_ROWS}", quote_table(&candidate.name));
    let start = Instant::now();
    let mut read = 0;
    let outcome = async {
        let mut rows = session.conn().exec_iter(&*statement, ()).await?;
        while start.elapsed() < SAMPLE_TIME && rows.next().await?.is_some() {
            read += 1;
        }
        Ok(())
    };
    let outcome: Result<(), mysql_async::Error> = outcome.await;
    outcome.map_err(|error| session.error(error, &statement))?;
    sample.rows += read;
    sample.bytes += (candidate.bytes as f64 * (read as f64 / candidate.rows as f64).min(1.0)) as u64;
    sample.time += start.elapsed();
    Ok(())
}
