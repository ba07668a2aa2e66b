use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use super::*;
use transport::Socket;

/// Both halves, and the server's end.
fn halves() -> (ReplicationReader, ReplicationWriter, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (reader, writer) = split(connection(ours)).unwrap();
    (reader, writer, theirs)
}

pub(in crate::wire) fn connection(socket: UnixStream) -> Connection {
    let stream = Stream::plain(Socket::unix(socket).unwrap());
    Connection::new(stream, Endpoint::new("u", "h", 5432, "d"))
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![tag];
    message.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    message.extend(body);
    message
}

fn xlog_data(wal_start: u64, body: &[u8]) -> Vec<u8> {
    let mut payload = vec![b'w'];
    payload.extend(wal_start.to_be_bytes());
    payload.extend([0; 16]);
    payload.extend(body);
    message(b'd', &payload)
}

#[tokio::test]
async fn a_frame_is_shown_until_it_is_consumed() {
    let (mut reader, _writer, mut server) = halves();
    server
        .write_all(
            &[xlog_data(1, b"one"), message(b'N', b"\0"), xlog_data(2, b"two"), message(b'c', b"")].concat(),
        )
        .await
        .unwrap();
    reader.read_more().await.unwrap();
    for _ in 0..2 {
        assert!(matches!(reader.frame().unwrap(), Some(Frame::XLogData { wal_start: 1, body: b"one", .. })));
    }
    reader.consume();
    reader.consume();
    assert!(matches!(reader.frame().unwrap(), Some(Frame::XLogData { wal_start: 2, body: b"two", .. })));
    reader.consume();
    assert_eq!(reader.frame().unwrap(), Some(Frame::CopyDone));
    reader.consume();
    assert_eq!(reader.frame().unwrap(), None);
}

#[tokio::test]
async fn much_data_in_odd_pieces_arrives_whole_and_in_order() {
    let (mut reader, _writer, mut server) = halves();
    let sizes = |index: u64| usize::try_from(index * 7919 % 3001).unwrap();
    let sending = async {
        let sent: Vec<u8> = (0..20_000).flat_map(|index| xlog_data(index, &vec![7; sizes(index)])).collect();
        for piece in sent.chunks(10_007) {
            server.write_all(piece).await.unwrap();
        }
        drop(server);
    };
    let receiving = async {
        let mut expected = 0;
        loop {
            while let Some(frame) = reader.frame().unwrap() {
                let Frame::XLogData { wal_start, body, .. } = frame else { panic!("{frame:?}") };
                assert_eq!((wal_start, body.len()), (expected, sizes(expected)));
                expected += 1;
                reader.consume();
            }
            if let Err(error) = reader.read_more().await {
                assert_eq!((error.code(), error.is_retryable()), ("CDC-PG-008", true));
                return expected;
            }
        }
    };
    let ((), received) = tokio::join!(sending, receiving);
    assert_eq!(received, 20_000);
}

#[tokio::test]
async fn read_more_may_be_dropped() {
    let (mut reader, _writer, mut server) = halves();
    for round in 0..50 {
        tokio::select! {
            biased;
            result = reader.read_more() => result.unwrap(),
            () = tokio::task::yield_now() => {}
        }
        server.write_all(&xlog_data(round, &[1; 30_000])).await.unwrap();
        loop {
            if let Some(Frame::XLogData { wal_start, .. }) = reader.frame().unwrap() {
                assert_eq!(wal_start, round);
                reader.consume();
                break;
            }
            reader.read_more().await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_error_of_the_server_is_an_error() {
    let (mut reader, _writer, mut server) = halves();
    server.write_all(&message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mgoing down\0\0")).await.unwrap();
    reader.read_more().await.unwrap();
    let error = reader.frame().unwrap_err();
    assert_eq!(error.sqlstate(), Some("57P01"));
    assert!(error.is_retryable());
    assert!(error.to_string().contains("u@h:5432/d") && error.to_string().contains("going down"), "{error}");
}

#[tokio::test]
async fn a_status_update_has_the_documented_form() {
    let (_reader, mut writer, mut server) = halves();
    writer.send_status(Status { written: 3, flushed: 2, applied: 1 }).await.unwrap();
    writer.copy_done().await.unwrap();
    let mut sent = [0; 44];
    server.read_exact(&mut sent).await.unwrap();
    assert_eq!(&sent[..6], b"d\0\0\0\x26r");
    assert_eq!(&sent[6..30], [3_u64, 2, 1].map(u64::to_be_bytes).as_flattened());
    assert_eq!(&sent[38..], b"\0c\0\0\0\x04");
}

#[test]
fn the_server_s_clock_starts_in_2000() {
    assert_eq!(microseconds_since_2000(UNIX_EPOCH + Duration::from_secs(946_684_801)), 1_000_000);
    assert_eq!(microseconds_since_2000(UNIX_EPOCH), -946_684_800_000_000);
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        tag in proptest::sample::select(b"dcCENSZRx".as_slice()),
        well_framed in proptest::bool::ANY,
    ) {
        let sent = if well_framed { message(tag, &bytes) } else { bytes };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut reader, _writer, mut server) = halves();
            server.write_all(&sent).await.unwrap();
            drop(server);
            while reader.read_more().await.is_ok() {
                while let Ok(Some(_)) = reader.frame() {
                    reader.consume();
                }
            }
        });
    }
}
