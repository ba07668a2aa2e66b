//! The proxy that stands between the program and its servers misbehaves in the way that it is told to, and in no
//! other.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use end_to_end::servers::Proxy;

#[test]
fn bytes_and_ends_pass_both_ways() {
    let proxy = Proxy::to(echo());
    let mut client = connect(&proxy);
    let sent: Vec<u8> = (0..5_000_000_u32).map(|number| (number % 251) as u8).collect();
    let mut writer = client.try_clone().unwrap();
    let copy = sent.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    client.read_to_end(&mut received).unwrap();
    writing.join().unwrap();
    assert!(received == sent, "{} of {} bytes, or others", received.len(), sent.len());
}

#[test]
fn a_stall_holds_back_and_loses_nothing() {
    let proxy = Proxy::to(echo());
    let mut old = connect(&proxy);
    exchange(&mut old, b"before");
    proxy.stall();
    let mut new = connect(&proxy);
    for client in [&mut old, &mut new] {
        client.write_all(b"during").unwrap();
        assert_silent(client);
    }
    proxy.pass();
    for client in [&mut old, &mut new] {
        expect(client, b"during");
        exchange(client, b"after");
    }
}

#[test]
fn a_cut_resets_what_is_open_and_lets_new_ones_in() {
    let proxy = Proxy::to(echo());
    let mut client = connect(&proxy);
    exchange(&mut client, b"before");
    proxy.cut();
    assert_reset(&mut client);
    exchange(&mut connect(&proxy), b"after");
}

#[test]
fn a_cut_reaches_stalled_connections() {
    let proxy = Proxy::to(echo());
    let mut client = connect(&proxy);
    exchange(&mut client, b"before");
    proxy.stall();
    proxy.cut();
    assert_reset(&mut client);
}

#[test]
fn refusing_resets_old_and_new() {
    let proxy = Proxy::to(echo());
    let mut old = connect(&proxy);
    exchange(&mut old, b"before");
    proxy.refuse();
    assert_reset(&mut old);
    assert_reset(&mut connect(&proxy));
    proxy.pass();
    exchange(&mut connect(&proxy), b"after");
}

#[test]
fn a_delay_holds_back_the_servers_side() {
    let proxy = Proxy::to(echo());
    let mut client = connect(&proxy);
    let delay = Duration::from_millis(80);
    proxy.delay(delay);
    let start = Instant::now();
    exchange(&mut client, b"late");
    assert!(start.elapsed() >= delay);
}

#[test]
fn it_can_be_aimed_elsewhere() {
    let proxy = Proxy::refusing();
    assert_reset(&mut connect(&proxy));
    proxy.aim(echo());
    exchange(&mut connect(&proxy), b"there");
}

/// A server that sends back what it gets.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
        }
    });
    port
}

fn connect(proxy: &Proxy) -> TcpStream {
    let client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    client
}

fn exchange(client: &mut TcpStream, bytes: &[u8]) {
    client.write_all(bytes).unwrap();
    expect(client, bytes);
}

fn expect(client: &mut TcpStream, bytes: &[u8]) {
    let mut received = vec![0; bytes.len()];
    client.read_exact(&mut received).unwrap();
    assert_eq!(received, bytes);
}

fn assert_silent(client: &mut TcpStream) {
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let error = client.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
}

fn assert_reset(client: &mut TcpStream) {
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}
