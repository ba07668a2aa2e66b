/// One message of a replication stream, borrowed from the read buffer
/// (<https://www.postgresql.org/docs/current/protocol-replication.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A piece of the log: one message of the output plugin.
    XLogData {
        /// Where it begins in the log; 0 for a Relation.
        wal_start: u64,
        /// The end of the log on the server.
        wal_end: u64,
        /// The server's clock, microseconds since 2000-01-01 UTC.
        send_time_us: i64,
        /// The message of the output plugin.
        body: &'a [u8],
    },
    /// A sign of life.
    Keepalive {
        /// How far the server has got in the log.
        wal_end: u64,
        /// The server's clock, microseconds since 2000-01-01 UTC.
        send_time_us: i64,
        /// It will hang up unless a status update comes soon.
        reply_requested: bool,
    },
    /// The server ended the stream: CopyDone, or the bare CommandComplete of a server that shuts down.
    CopyDone,
}

impl<'a> Frame<'a> {
    /// Reads the payload of a CopyData message; `None` if it is neither of the two kinds.
    pub(super) fn parse(payload: &'a [u8]) -> Option<Self> {
        let (kind, rest) = payload.split_first()?;
        let (first, rest) = rest.split_first_chunk()?;
        let (second, rest) = rest.split_first_chunk()?;
        match kind {
            b'w' => {
                let (third, body) = rest.split_first_chunk()?;
                Some(Self::XLogData {
                    wal_start: u64::from_be_bytes(*first),
                    wal_end: u64::from_be_bytes(*second),
                    send_time_us: i64::from_be_bytes(*third),
                    body,
                })
            }
            b'k' => Some(Self::Keepalive {
                wal_end: u64::from_be_bytes(*first),
                send_time_us: i64::from_be_bytes(*second),
                reply_requested: *rest.first()? != 0,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_kinds() {
        let mut payload = vec![b'w'];
        payload.extend(1_u64.to_be_bytes());
        payload.extend(2_u64.to_be_bytes());
        payload.extend((-3_i64).to_be_bytes());
        let header = payload.len();
        assert_eq!(
            Frame::parse(&payload),
            Some(Frame::XLogData { wal_start: 1, wal_end: 2, send_time_us: -3, body: b"" })
        );
        payload.extend(b"body");
        assert!(matches!(Frame::parse(&payload), Some(Frame::XLogData { body: b"body", .. })));
        for short in 0..header {
            assert_eq!(Frame::parse(&payload[..short]), None);
        }

        let mut payload = vec![b'k'];
        payload.extend(2_u64.to_be_bytes());
        payload.extend(5_i64.to_be_bytes());
        assert_eq!(Frame::parse(&payload), None);
        payload.push(1);
        assert_eq!(
            Frame::parse(&payload),
            Some(Frame::Keepalive { wal_end: 2, send_time_us: 5, reply_requested: true })
        );
        assert_eq!(Frame::parse(b"x0123456789012345678901234567890"), None);
    }
}
