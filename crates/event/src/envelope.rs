//! The published envelope as generated types, to read events back: `proto/cdc/v1/event.proto`.
#![allow(missing_docs, clippy::all, unused_qualifications, unreachable_pub)]

include!(concat!(env!("OUT_DIR"), "/cdc.v1.rs"));
