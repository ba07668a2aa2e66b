//! The three formats, held against independent readings of the same events.

mod protobuf;
mod spec;
