//! The built program against real servers: what it promises, while things break.
//!
//! | module | idea |
//! |---|---|
//! | `chaos` | killed at any moment, under any load: the sink ends up with the source's rows |
#![allow(missing_docs)]

mod chaos;
mod pipeline;
