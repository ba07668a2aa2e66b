//! What a pipeline must remember to lose nothing: how far the sink durably has the log, and what it knew there.
//!
//! The one idea: **our own checkpoint is the truth, and it moves only behind the sink.** A batch is sent, the sink
//! says it is durable, the checkpoint is saved, and only then is the database told that it may forget. Whatever
//! happens in between is sent again; nothing is ever skipped. So a checkpoint that is behind costs duplicates, one
//! that is ahead would cost rows, and a file that can't be trusted (torn, empty, somebody else's) is refused: there is
//! no "start at current".
//!
//! | file | what |
//! |---|---|
//! | `checkpoint` | what is remembered |
//! | `ledger` | which batches are on their way, and what their arrival makes safe |
//! | `format` | how it is written down, so that a torn one is found out |
//! | `file` | the store: a file that is replaced atomically |
//! | `lock` | one process at a time |
//!
//! ```
//! use checkpoint::{Checkpoint, FileStore, SourceIdentity};
//! let folder = tempfile::tempdir()?;
//! let mut store = FileStore::open(folder.path())?;
//! assert!(store.load()?.is_none());
//! let source = SourceIdentity::Postgres {
//!     system_identifier: "7".into(), timeline: 1, database: "shop".into(), slot: "cdc_shop".into(),
//! };
//! store.save(&Checkpoint::new(source, 1_795_252_500, 0))?;
//! assert_eq!(store.load()?.unwrap().epoch, 1_795_252_500);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checkpoint;
mod error;
mod file;
mod format;
mod ledger;
mod lock;

pub use checkpoint::{Checkpoint, LoadState, SourceIdentity, TableState};
pub use error::Error;
pub use file::FileStore;
pub use ledger::{Ledger, Safe};
pub use lock::FolderLock;
