//! The state as a file of its own: taken as of one moment, whoever writes meanwhile, and put back to go on from.
//!
//! The one idea: **what came after a copy is not in it.** Its numbers were given to other events since, a row may have
//! changed and changed back, and consumers drop what they take for seen. So whoever goes on from a copy begins another
//! epoch, and sends every row again, as [`Resync::All`](crate::Resync) does; what was deleted since is found gone.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Transaction, params};
use xxhash_rust::xxh3::Xxh3Default;

use crate::error::Error;
use crate::state::{State, make_private};

/// What a copy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its epoch.
    pub epoch: u64,
    /// How many rows are known.
    pub rows: u64,
    /// How many events were not delivered.
    pub undelivered: u64,
}

/// Writes a copy of the state in a pipeline's folder to a file that is not there yet; none if there is no state.
pub fn copy(folder: &Path, to: &Path) -> Result<Option<Copied>, Error> {
    if !State::file(folder).exists() {
        return Ok(None);
    }
    let state = State::open(folder)?;
    make_private(to).map_err(unusable(to))?;
    // In one transaction that only reads: a pipeline goes on writing beside it.
    let vacuum = state.connection.execute("VACUUM INTO ?1", [to.display().to_string()]);
    vacuum.map_err(state.failed())?;
    Ok(Some(held(&State::at(to)?)?))
}

/// Makes a copy the state in a pipeline's folder, for a new epoch; where what was there is kept, if anything was. The copy
/// must be in the same folder, and nobody may use the state meanwhile.
pub fn put_back(copy: &Path, folder: &Path) -> Result<(Copied, Option<PathBuf>), Error> {
    let path = State::file(folder);
    // One that can't be read is what a copy is for.
    let present = match path.exists() {
        true => State::open(folder).ok().and_then(|state| state.meta("epoch").ok()?),
        false => None,
    };
    let mut state = State::at(copy)?;
    let is_whole: String = state
        .connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(state.failed())?;
    if is_whole != "ok" {
        return Err(state.foreign(is_whole));
    }
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed();
    state.write(|transaction| begin_again(transaction, now_s.max(present.unwrap_or(0) + 1)))?;
    let held = held(&state)?;
    let failed = state.failed();
    // The last one to close it leaves a single file.
    state.connection.close().map_err(|(_, error)| failed(error))?;
    let moved = || -> io::Result<Option<PathBuf>> {
        let aside = set_aside(&path, now_s)?;
        File::open(copy)?.sync_all()?;
        fs::rename(copy, &path)?;
        File::open(folder)?.sync_all()?;
        Ok(aside)
    };
    Ok((held, moved().map_err(unusable(&path))?))
}

/// Tells a copy from one that was damaged.
pub fn checksum(file: &Path) -> io::Result<String> {
    let mut hash = Xxh3Default::new();
    let mut file = File::open(file)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("{:032x}", hash.digest128())),
            length => hash.update(buffer.get(..length).unwrap_or_default()),
        }
    }
}

/// Of what was sent before, nothing has the number of anything that is sent from now on.
fn begin_again(transaction: &Transaction<'_>, epoch: i64) -> rusqlite::Result<()> {
    transaction.execute("UPDATE meta SET value = max(?1, value + 1) WHERE key = 'epoch'", [epoch])?;
    // What was not delivered is still to be sent, and now the first of its table.
    transaction.execute_batch(
        "CREATE TEMP TABLE undelivered AS SELECT json_extract(definition, '$.name') AS name, min(table_seq) - 1 AS before, \
             count(*) AS count FROM outbox JOIN shape ON shape.id = outbox.shape GROUP BY 1;
         UPDATE outbox SET table_seq = table_seq - (SELECT before FROM undelivered JOIN shape \
             ON json_extract(definition, '$.name') = name WHERE shape.id = outbox.shape);",
    )?;
    let mut resources = transaction.prepare(
        "SELECT resource.name, coalesce(undelivered.count, 0) FROM resource LEFT JOIN shape ON shape.id = resource.shape \
         LEFT JOIN undelivered ON undelivered.name = json_extract(definition, '$.name')",
    )?;
    let mut counts = resources.query([])?;
    while let Some(row) = counts.next()? {
        let (name, count): (String, i64) = (row.get(0)?, row.get(1)?);
        transaction.execute(
            "UPDATE resource SET table_seq = ?2, hash_version = hash_version + 1, since = NULL, deletes_confirmed = 0 \
             WHERE name = ?1",
            params![name, count],
        )?;
    }
    transaction.execute_batch("DROP TABLE undelivered")
}

fn held(state: &State) -> Result<Copied, Error> {
    let count = |query: &str| state.connection.query_row(query, [], |row| row.get(0)).map_err(state.failed());
    Ok(Copied {
        epoch: state.meta("epoch")?.unwrap_or_default().unsigned_abs(),
        rows: count("SELECT coalesce(sum(rows), 0) FROM resource")?,
        undelivered: count("SELECT count(*) FROM outbox")?,
    })
}

/// With what SQLite keeps beside it, which would be taken for the new one's.
fn set_aside(path: &Path, now_s: i64) -> io::Result<Option<PathBuf>> {
    let with = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let mut aside = None;
    for ending in ["", "-wal", "-shm"] {
        if with(ending).exists() {
            let to = with(&format!(".before-{now_s}{ending}"));
            fs::rename(with(ending), &to)?;
            aside.get_or_insert(to);
        }
    }
    Ok(aside)
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |error| Error::ForeignState { path, problem: error.to_string() }
}
