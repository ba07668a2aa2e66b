use std::time::{Duration, Instant};

use event::TableName;

use crate::control::Control;
use crate::error::Error;
use crate::options::Resource;
use crate::state::Known;

/// How fast a scan may go, and how long it may take.
pub(super) struct Pace {
    resource: TableName,
    started: Instant,
    limit: Duration,
    least: Duration,
    rows_per_second: f64,
}

impl Pace {
    pub(super) fn new(resource: &Resource, known: &Known, started: Instant) -> Self {
        let most = resource.max_rows_per_second.map_or(f64::INFINITY, |rows| rows.get().into());
        // As slowly as makes it last so long, if there are as many rows as there were.
        let spread = match resource.min_scan.as_secs_f64() {
            0.0 => f64::INFINITY,
            seconds => (known.rows as f64 / seconds).max(1.0),
        };
        Self {
            resource: resource.name.clone(),
            started,
            limit: resource.statement_timeout,
            least: resource.min_scan,
            rows_per_second: most.min(spread),
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match self.started.elapsed() > self.limit {
            true => Err(Error::TooSlow { resource: self.resource.clone(), limit_s: self.limit.as_secs() }),
            false => Ok(()),
        }
    }

    pub(super) fn wait(&self, rows: u64, control: &Control) -> Result<(), Error> {
        self.check()?;
        if self.rows_per_second.is_finite() {
            control
                .sleep_until(self.started + Duration::from_secs_f64(rows as f64 / self.rows_per_second))?;
        }
        Ok(())
    }

    pub(super) fn rest(&self, control: &Control) -> Result<(), Error> {
        control.sleep_until(self.started + self.least)
    }
}
