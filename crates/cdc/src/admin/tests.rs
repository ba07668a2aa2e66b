use std::collections::HashMap;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::config::{AdminTls, Config, Overrides};
use crate::status::{Report, tests::broken};

fn config(admin: &str) -> Admin {
    let text = format!(
        "[pipeline]\nname = \"shop\"\n[source.postgres]\nurl = \"postgres://h/d\"\n[sink.null]\n[admin]\n\
         listen = \"127.0.0.1:0\"\n{admin}"
    );
    Config::parse(std::path::Path::new("cdc.toml"), &text, &Overrides::default()).unwrap().admin
}

/// Pages on a port of their own, and where.
async fn served(admin: &Admin, status: &Arc<Status>) -> (AdminPages, SocketAddr) {
    // A port that was free a moment ago: another test may have taken it since.
    loop {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let mut admin = admin.clone();
        admin.listen = Some(address.to_string().try_into().unwrap());
        match AdminPages::serve(&admin, "[pipeline]\nname = \"shop\"\n", Arc::clone(status)).await {
            Ok(pages) => return (pages.unwrap(), address),
            Err(AdminError::Listen { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn status() -> Arc<Status> {
    Status::new(&"shop".to_owned().try_into().unwrap())
}

struct Answer {
    code: u16,
    headers: HashMap<String, String>,
    body: String,
}

async fn fetch(address: SocketAddr, page: &str) -> Answer {
    ask(address, "GET", page, &format!("Host: {address}\r\n")).await
}

async fn ask(address: SocketAddr, method: &str, page: &str, headers: &str) -> Answer {
    ask_over(TcpStream::connect(address).await.unwrap(), method, page, headers).await
}

async fn ask_over(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    page: &str,
    headers: &str,
) -> Answer {
    let request = format!("{method} {page} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    // TLS without a farewell is an error that does not matter here.
    _ = stream.read_to_end(&mut text).await;
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    Answer {
        code: head.split(' ').nth(1).unwrap().parse().unwrap(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: body.to_owned(),
    }
}

#[tokio::test]
async fn probes_metrics_and_the_report_are_served() {
    let status = status();
    let (_pages, address) = served(&config(""), &status).await;
    assert_eq!(fetch(address, "/health").await.code, 200);
    let ready = fetch(address, "/ready").await;
    assert_eq!((ready.code, ready.body.as_str()), (503, "not ready: source and sink are being opened\n"));
    status.streaming();
    assert_eq!(fetch(address, "/ready").await.code, 200);
    let metrics = fetch(address, "/metrics").await;
    assert!(
        metrics.code == 200 && metrics.body.contains("cdc_ready{pipeline=\"shop\"} 1"),
        "{}",
        metrics.body
    );
    let report: Report = serde_json::from_str(&fetch(address, "/status").await.body).unwrap();
    assert_eq!(report.pipeline, "shop");
    for method in ["POST", "PUT", "DELETE"] {
        let answer = ask(address, method, "/status", &format!("Host: {address}\r\n")).await;
        assert_eq!(answer.code, 405);
    }
    status.failed(&broken());
    assert_eq!(fetch(address, "/health").await.code, 503);
    assert_eq!(fetch(address, "/ready").await.body, "not ready: stopped by CDC-TEST-001\n");

    let mut taken = config("");
    taken.listen = Some(address.to_string().try_into().unwrap());
    let error = AdminPages::serve(&taken, "", status).await.unwrap_err();
    assert_eq!(error.code(), "CDC-ADMIN-001");
    assert!(error.to_string().contains("another process listens there already"), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_token_guards_all_but_the_probes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "open sesame\n").unwrap();
    let (_pages, address) = served(&config(&format!("token_file = {file:?}")), &status()).await;
    // "anybody:open sesame" and "anybody:open sesam"
    let right = ["Bearer open sesame", "bearer open sesame", "Basic YW55Ym9keTpvcGVuIHNlc2FtZQ=="];
    let wrong =
        ["Bearer open sesam", "Bearer", "Basic YW55Ym9keTpvcGVuIHNlc2Ft", "Basic ?", "Digest open sesame"];
    for page in ["/", "/metrics", "/status"] {
        assert_eq!(ask(address, "GET", page, "Host: h\r\n").await.code, 401, "{page}");
        for header in right {
            let headers = format!("Host: h\r\nAuthorization: {header}\r\n");
            assert_eq!(ask(address, "GET", page, &headers).await.code, 200, "{page} {header}");
        }
        for header in wrong {
            let headers = format!("Host: h\r\nAuthorization: {header}\r\n");
            let refused = ask(address, "GET", page, &headers).await;
            assert_eq!(refused.code, 401, "{page} {header}");
            assert!(refused.headers["www-authenticate"].starts_with("Basic "));
            assert!(!refused.body.contains("sesam"));
        }
    }
    assert_eq!(ask(address, "GET", "/events", "Host: h\r\n").await.code, 401);
    assert_eq!(ask(address, "GET", "/health", "Host: h\r\n").await.code, 200);
    assert_eq!(ask(address, "GET", "/ready", "Host: h\r\n").await.code, 503);

    std::fs::write(&file, " \n").unwrap();
    let error = check_files(&config(&format!("token_file = {file:?}"))).unwrap_err();
    assert_eq!(error.code(), "CDC-ADMIN-003");
    assert!(error.to_string().contains("is empty"), "{error}");
    assert!(check_files(&config("token_file = \"/nowhere/token\"")).is_err());
}

#[tokio::test]
async fn without_a_token_only_local_names_are_answered() {
    let (_pages, address) = served(&config(""), &status()).await;
    for page in ["/", "/status", "/metrics", "/events"] {
        assert_eq!(ask(address, "GET", page, "Host: rebound.example\r\n").await.code, 421, "{page}");
    }
    assert_eq!(ask(address, "GET", "/", &format!("Host: localhost:{}\r\n", address.port())).await.code, 200);
    assert_eq!(ask(address, "GET", "/ready", "Host: probe.example\r\n").await.code, 503);
}

#[tokio::test]
async fn tls_is_spoken_if_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("cert"), signed.cert.pem()).unwrap();
    std::fs::write(path("key"), signed.signing_key.serialize_pem()).unwrap();
    std::fs::write(path("other"), other.signing_key.serialize_pem()).unwrap();
    let tls = |cert: &str, key: &str| Admin {
        tls: Some(AdminTls { cert_file: path(cert), key_file: path(key) }),
        ..config("")
    };
    let (_pages, address) = served(&tls("cert", "key"), &status()).await;

    let mut roots = rustls::RootCertStore::empty();
    roots.add(signed.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
    let answer = ask_over(stream, "GET", "/health", "Host: localhost\r\n").await;
    assert_eq!((answer.code, answer.body.as_str()), (200, "alive\n"));

    for (cert, key, problem) in [
        ("cert", "other", "does not go with the certificate"),
        ("cert", "none", "[admin.tls] key_file"),
        ("none", "key", "[admin.tls] cert_file"),
        ("key", "key", "holds no certificate"),
    ] {
        let error = check_files(&tls(cert, key)).unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[tokio::test]
async fn the_page_may_load_nothing_from_elsewhere() {
    let (_pages, address) = served(&config(""), &status()).await;
    let page = fetch(address, "/").await;
    let policy = &page.headers["content-security-policy"];
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    for mark in
        ["http://", "https://", "//cdn", "@import", "/*style*/", "/*script*/", " style=\"", " onclick"]
    {
        let body = page.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!body.contains(mark), "{mark}");
    }
    for (page, kind) in [("/", "text/html; charset=utf-8"), ("/metrics", metrics::CONTENT_TYPE)] {
        let answer = fetch(address, page).await;
        assert_eq!(answer.headers["content-type"], kind);
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
}

/// Reads events from a page's connection: their name and data.
async fn events(
    stream: &mut TcpStream,
    address: SocketAddr,
    wanted: usize,
) -> Vec<(String, serde_json::Value)> {
    let request = format!("GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    loop {
        let length = stream.read_buf(&mut text).await.unwrap();
        let found: Vec<_> = String::from_utf8_lossy(&text)
            .split("event: ")
            .skip(1)
            .filter_map(|event| event.split_once("\ndata: "))
            .filter_map(|(name, data)| Some((name.to_owned(), data.split_once("\n\n")?.0.to_owned())))
            .map(|(name, data)| (name, serde_json::from_str(&data).unwrap()))
            .collect();
        if found.len() >= wanted || length == 0 {
            return found;
        }
    }
}

#[tokio::test]
async fn a_page_is_told_all_then_what_changes_then_the_end() {
    let status = crate::status::tests::busy_now();
    let (pages, address) = served(&config(""), &status).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let first = events(&mut stream, address, 2).await;
    assert_eq!((first[0].0.as_str(), first[1].0.as_str()), ("whole", "update"));
    let whole = &first[0].1;
    assert_eq!(whole["tables"][0]["table"], "public.orders");
    assert_eq!(whole["last_errors"][0]["code"], "CDC-TEST-001");
    assert_eq!(whole["config"], "[pipeline]\nname = \"shop\"\n");
    assert_eq!(first[1].1["tables"], serde_json::json!([]), "nothing changed");

    let mut last = TcpStream::connect(address).await.unwrap();
    let reading = tokio::spawn(async move { events(&mut last, address, usize::MAX).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    status.failed(&broken());
    pages.close().await;
    let told = reading.await.unwrap();
    assert_eq!(told.last().unwrap().0, "end");
    assert_eq!(told.last().unwrap().1["state"]["name"], "stopped");
}

#[tokio::test]
async fn pages_that_read_nothing_hold_nothing_up() {
    let status = crate::status::tests::busy_now();
    let (_pages, address) = served(&config(""), &status).await;
    let mut open = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_exact(&mut [0; 100]).await.unwrap();
        open.push(stream);
    }
    let refused = fetch(address, "/events").await;
    assert_eq!(refused.code, 503);
    assert!(refused.body.contains("64 pages"), "{}", refused.body);
    assert_eq!(fetch(address, "/ready").await.code, 200);
}
