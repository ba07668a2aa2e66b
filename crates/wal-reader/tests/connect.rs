//! Connecting to what is not, or not quite, a Postgres server. The real ones are in the end-to-end tests.

// Helpers of tests, where a panic is how a test fails.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use wal_reader::Error;
use wal_reader::wire::{Config, Connection, Mode, connect};

/// A server that takes connections one after the other, with a function of its own for each.
fn serve(turns: Vec<fn(TcpStream)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for turn in turns {
            turn(listener.accept().unwrap().0);
        }
    });
    address
}

async fn open(address: SocketAddr, parameters: &str) -> Result<Connection, Error> {
    let url = format!("postgres://me:geheim@{address}/shop?{parameters}");
    connect(&Config::parse(&url)?, Mode::Sql).await
}

async fn refused(address: SocketAddr, parameters: &str) -> Error {
    let error = open(address, parameters).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("me@{address}/shop")), "names the server: {text}");
    assert!(!text.contains("geheim"), "and not the password: {text}");
    error
}

fn read_ssl_request(stream: &mut TcpStream) {
    let mut request = [0; 8];
    stream.read_exact(&mut request).unwrap();
    assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
}

fn read_startup(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut packet = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut packet).unwrap();
    packet
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![tag];
    message.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    message.extend(body);
    message
}

/// AuthenticationOk, server_version, BackendKeyData, ReadyForQuery.
fn welcome() -> Vec<u8> {
    [
        message(b'R', &[0; 4]),
        message(b'S', b"server_version\x0016.4\0"),
        message(b'K', &[0, 0, 0, 42, 0, 0, 0, 0]),
        message(b'Z', b"I"),
    ]
    .concat()
}

#[tokio::test]
async fn nobody_there() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refused(address, "").await;
    assert_eq!((error.code(), error.is_retryable()), ("CDC-PG-003", true));
}

#[tokio::test]
async fn somebody_there_who_never_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = refused(listener.local_addr().unwrap(), "connect_timeout=1").await;
    assert_eq!((error.code(), error.is_retryable()), ("CDC-PG-003", true));
    assert!(error.to_string().contains("connect_timeout"), "{error}");
}

#[tokio::test]
async fn what_comes_in_the_clear_behind_the_yes_is_not_believed() {
    for sslmode in ["require", "verify-full"] {
        let address = serve(vec![|mut stream| {
            read_ssl_request(&mut stream);
            // In one piece: the yes, and a welcome that was never asked for.
            stream.write_all(&[b"S".to_vec(), welcome()].concat()).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        }]);
        let error = refused(address, &format!("sslmode={sslmode}")).await;
        assert_eq!((error.code(), error.is_retryable()), ("CDC-PG-004", false), "{error}");
    }
}

#[tokio::test]
async fn an_error_in_the_place_of_yes_or_no_is_not_shown() {
    let address = serve(vec![|mut stream| {
        read_ssl_request(&mut stream);
        stream.write_all(&message(b'E', b"SFATAL\0C28000\0Mlies\0\0")).unwrap();
    }]);
    let error = refused(address, "sslmode=require").await;
    assert_eq!(error.code(), "CDC-PG-004");
    assert!(!error.to_string().contains("lies"), "{error}");
}

#[tokio::test]
async fn no_tls_where_it_is_required() {
    let address = serve(vec![|mut stream| {
        read_ssl_request(&mut stream);
        stream.write_all(b"N").unwrap();
    }]);
    let error = refused(address, "sslmode=require").await;
    assert_eq!((error.code(), error.is_retryable()), ("CDC-PG-004", false));
}

#[tokio::test]
async fn no_tls_where_it_is_preferred() {
    let address = serve(vec![|mut stream| {
        read_ssl_request(&mut stream);
        stream.write_all(b"N").unwrap();
        let startup = String::from_utf8_lossy(&read_startup(&mut stream)).into_owned();
        assert!(startup.contains("user\0me\0database\0shop\0application_name\0cdc\0options\0"), "{startup}");
        stream.write_all(&welcome()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }]);
    let connection = open(address, "").await.unwrap();
    assert_eq!((connection.server_version_num(), connection.backend_pid()), (160_004, 42));
}

#[tokio::test]
async fn an_unproven_server_is_refused() {
    // It asks for SCRAM, and then says that all is well without having shown that it knows the password.
    let address = serve(vec![|mut stream| {
        read_startup(&mut stream);
        stream.write_all(&message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0")).unwrap();
        let mut first = [0; 200];
        let read = stream.read(&mut first).unwrap();
        let first = String::from_utf8_lossy(&first[..read]).into_owned();
        let nonce = first.split_once("r=").unwrap().1;
        let challenge = format!("\0\0\0\x0br={nonce}more,s=c2FsdA==,i=4096");
        stream.write_all(&message(b'R', challenge.as_bytes())).unwrap();
        stream.write_all(&welcome()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }]);
    let error = refused(address, "sslmode=disable").await;
    assert_eq!((error.code(), error.is_retryable()), ("CDC-PG-005", false));
    assert!(error.to_string().contains("no proof"), "{error}");
}

#[tokio::test]
async fn unknown_ways_to_log_in() {
    for (method, name) in [(7, "GSSAPI"), (9, "SSPI")] {
        let turn: fn(TcpStream) = match method {
            7 => |mut stream| stream.write_all(&message(b'R', &[0, 0, 0, 7])).unwrap(),
            _ => |mut stream| stream.write_all(&message(b'R', &[0, 0, 0, 9])).unwrap(),
        };
        let error = refused(serve(vec![turn]), "sslmode=disable").await;
        assert_eq!((error.code(), error.is_retryable()), ("CDC-PG-005", false));
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_postgres_at_all() {
    let address = serve(vec![|mut stream| {
        read_startup(&mut stream);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    }]);
    let error = refused(address, "sslmode=disable").await;
    assert_eq!((error.code(), error.is_retryable()), ("CDC-PG-009", false), "{error}");
}

#[tokio::test]
async fn a_server_that_is_starting_is_tried_again_and_another_host_meanwhile() {
    let starting: fn(TcpStream) = |mut stream| {
        read_startup(&mut stream);
        stream.write_all(&message(b'E', b"SFATAL\0VFATAL\0C57P03\0Mstarting up\0\0")).unwrap();
    };
    let error = refused(serve(vec![starting]), "sslmode=disable").await;
    assert_eq!((error.code(), error.is_retryable()), ("CDC-PG-010", true));

    let ready = serve(vec![|mut stream| {
        read_startup(&mut stream);
        stream.write_all(&welcome()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }]);
    let url = format!("postgres://me@{},{ready}/shop?sslmode=disable", serve(vec![starting]));
    connect(&Config::parse(&url).unwrap(), Mode::Sql).await.unwrap();
}
