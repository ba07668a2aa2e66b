use std::error::Error;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseRecord, Producer};
use serde_json::{Value, json};

use crate::kafka;

/// The broker's ceiling: a file of messages, each with its length before it as protobuf's streams have them, sent by
/// librdkafka and nothing else. Without keys, headers and IDs, so with a little less to send than what it is beside.
pub(crate) fn produce(address: &str, topic: &str, file: &Path) -> Result<Value, Box<dyn Error>> {
    let content = std::fs::read(file)?;
    let producer = kafka::producer(address, "10")?;
    let start = Instant::now();
    let mut left = content.as_slice();
    let mut messages = 0_u64;
    while !left.is_empty() {
        let (length, rest) = length(left)?;
        let (payload, rest) =
            rest.split_at_checked(length).ok_or("the file ends in the middle of a message")?;
        left = rest;
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).payload(payload);
        while let Err((_, refused)) = producer.send(record) {
            record = refused;
            thread::sleep(Duration::from_millis(1));
        }
        messages += 1;
    }
    producer.flush(Duration::from_secs(60))?;
    Ok(json!({ "messages": messages, "seconds": start.elapsed().as_secs_f64() }))
}

/// A varint, and what follows it.
fn length(bytes: &[u8]) -> Result<(usize, &[u8]), Box<dyn Error>> {
    let mut value = 0_usize;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok((value, bytes.get(at + 1..).unwrap_or_default()));
        }
    }
    Err("the file does not hold lengths and messages".into())
}
