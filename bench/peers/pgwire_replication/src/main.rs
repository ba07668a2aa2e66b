//! Reads a slot with pgwire-replication up to a position and forgets what it reads:
//! `reader-pgwire-replication PORT SLOT END`.
//!
//! The library hands out pgoutput's messages as bytes and leaves decoding to its user; here nobody decodes them, which
//! is to its advantage. Prints how many rows it read.

use std::error::Error;

use pgwire_replication::{Lsn, ReplicationClient, ReplicationConfig, ReplicationEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, slot, end] = &arguments[..] else {
        return Err("usage: reader-pgwire-replication PORT SLOT END".into());
    };
    let mut config = ReplicationConfig::new("127.0.0.1", "postgres", "", "postgres", slot.as_str(), "bench")
        .with_port(port.parse()?);
    config.stop_at_lsn = Some(Lsn::parse(end)?);
    let mut client = ReplicationClient::connect(config).await?;
    let mut rows = 0_u64;
    while let Some(event) = client.recv().await? {
        match event {
            ReplicationEvent::XLogData { data, .. } => {
                if matches!(data.first(), Some(b'I' | b'U' | b'D')) {
                    rows += 1;
                }
            }
            ReplicationEvent::Commit { end_lsn, .. } => client.update_applied_lsn(end_lsn),
            ReplicationEvent::StoppedAt { .. } => break,
            _ => {}
        }
    }
    println!("{rows}");
    Ok(())
}
