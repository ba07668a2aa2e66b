//! Reads a slot with pg_walstream up to a position and forgets what it reads: `reader-pg-walstream PORT SLOT END`.
//!
//! As the library's own examples do it: `next_event`, which decodes every row, and the position fed back. Protocol 1,
//! since a reader of protocol 2 would have to keep running transactions until they commit, which this one does not.
//! Prints how many rows it read.

use std::error::Error;
use std::time::Duration;

use pg_walstream::{
    CancellationToken, EventType, LogicalReplicationStream, Lsn, ReplicationError, ReplicationStreamConfig,
    RetryConfig, StreamingMode,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, slot, end] = &arguments[..] else {
        return Err("usage: reader-pg-walstream PORT SLOT END".into());
    };
    let end: Lsn = end.parse()?;
    let config = ReplicationStreamConfig::new(
        slot.clone(),
        "bench".to_owned(),
        1,
        StreamingMode::Off,
        Duration::from_secs(1),
        Duration::from_secs(30),
        Duration::from_secs(60),
        RetryConfig::default(),
    )
    .with_stop_at_lsn(end);
    let url = format!("postgresql://postgres@127.0.0.1:{port}/postgres?replication=database&sslmode=disable");
    let mut stream = LogicalReplicationStream::new(&url, config).await?;
    stream.start(None).await?;
    let cancelled = CancellationToken::new();
    let mut rows = 0_u64;
    loop {
        match stream.next_event(&cancelled).await {
            Ok(event) => {
                if let EventType::Insert { .. } | EventType::Update { .. } | EventType::Delete { .. } =
                    event.event_type
                {
                    rows += 1;
                }
                stream.shared_lsn_feedback.update_applied_lsn(event.lsn.value());
            }
            Err(ReplicationError::StreamStopped(_)) => break,
            Err(error) => return Err(error.into()),
        }
    }
    println!("{rows}");
    Ok(())
}
