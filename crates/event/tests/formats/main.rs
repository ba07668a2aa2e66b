//! The three formats, held against independent readings of the same events.
// The lints' exemption for tests does not reach the functions they share.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod debezium;
mod documentation;
mod golden;
mod json;
mod poll;
mod protobuf;
mod spec;
