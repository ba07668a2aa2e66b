//! A look at the database from beside the pipeline: how far its log reaches, and for how long it keeps what is still
//! needed. Cheap enough to be done every few seconds, and on a session of its own, so that it says something exactly when
//! the stream says nothing.

use event::{BinlogOffset, TableName};

use crate::catalog;
use crate::error::Error;
use crate::options::Options;
use crate::retention::Retention;
pub use crate::retention::{Kept, SOON_PURGED};
use crate::session::Session;
use crate::system::{self, System};

/// A session that looks.
#[derive(Debug)]
pub struct Watch {
    options: Options,
    session: Session,
    system: System,
    retention: Retention,
}

/// What there was to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The files of the log, by number, and how long each is.
    pub files: Vec<(u32, u64)>,
    /// The file of the checkpoint, if it is kept for a while only.
    pub kept: Option<Kept>,
}

impl Watch {
    /// Connects.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        let mut session = Session::open(&options.connection).await?;
        let system = system::identify(&mut session).await?;
        Ok(Self { options: options.clone(), session, system, retention: Retention::default() })
    }

    /// Looks once. `needed`: from where on the log is still needed.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn look(&mut self, needed: Option<BinlogOffset>) -> Result<Sight, Error> {
        let files = system::files(&mut self.session).await?;
        let files = files.into_iter().map(|(file, bytes)| (file.number, bytes)).collect();
        let kept = match needed {
            Some(needed) => {
                let Self { options, session, system, retention } = self;
                retention.look(session, options, system, needed).await?
            }
            None => None,
        };
        Ok(Sight { files, kept })
    }

    /// How many rows the engines believe there are in each table.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn estimated_rows(&mut self) -> Result<Vec<(TableName, u64)>, Error> {
        let candidates = catalog::candidates(&mut self.session).await?;
        Ok(candidates.into_iter().map(|candidate| (candidate.name, candidate.rows)).collect())
    }
}

impl Sight {
    /// Where the log ends.
    pub fn log_end(&self) -> Option<BinlogOffset> {
        self.files.iter().map(|(file, bytes)| BinlogOffset { file: *file, offset: *bytes }).max()
    }
}
