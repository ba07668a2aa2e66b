//! Spans as an OpenTelemetry collector gets them: OTLP over HTTP, decoded by the protocol's own definition.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use prost::Message as _;
use rustix::process::Signal;

use crate::setup::Setup;

#[test]
fn a_collector_gets_few_and_coarse_ones() {
    let collector = Collector::start();
    let mut setup = Setup::new("spans");
    setup.cdc.start_command(&["run", "--otlp-endpoint", &collector.endpoint]);
    setup.cdc.wait_for_log("streaming");
    // It finds all of them waiting: a batch holds what came at once, which is little on a busy machine.
    setup.cdc.signal(Signal::STOP);
    setup.session.execute("INSERT INTO orders SELECT g, 'streamed' FROM generate_series(1000, 1999) g");
    let written = setup.session.value("SELECT pg_current_wal_lsn()").unwrap();
    let sent = format!(
        "SELECT 1 FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid
         WHERE database = current_database() AND sent_lsn >= '{written}'"
    );
    setup.cdc.wait_until("all of them to be sent", || setup.session.value(&sent).is_some());
    setup.cdc.signal(Signal::CONT);
    setup.catch_up();
    // What was not sent by then is sent now.
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_nothing_lost();

    let (resource, spans) = collector.received();
    assert_eq!(resource["service.name"], "cdc");
    let name = setup.session.value("SELECT current_database()").unwrap();
    for (_, attributes) in &spans {
        assert_eq!(attributes["pipeline"], name);
    }
    let named = |wanted: &str| spans.iter().filter(|(name, _)| name == wanted).collect::<Vec<_>>();
    assert_eq!(named("open").len(), 1, "{spans:?}");
    let [(_, load)] = named("load")[..] else { panic!("{spans:?}") };
    assert_eq!((load["table"].as_str(), load["rows"].as_str()), ("public.orders", "100"));
    let events =
        named("deliver").iter().map(|(_, batch)| batch["events"].parse::<u64>().unwrap()).sum::<u64>();
    // With what tells of schema and load.
    assert!((1100..1110).contains(&events), "{events} in {spans:?}");
    assert!(!named("save").is_empty(), "{spans:?}");
    assert!(spans.len() < 100, "{} spans for 1100 rows", spans.len());
    assert!(!setup.cdc.log_text().contains("deliver{"), "{}", setup.cdc.log_text());
}

#[test]
fn a_collector_that_is_away_disturbs_nothing() {
    let endpoint = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let mut setup = Setup::new("no-collector");
    setup.cdc.start_command(&["run", "--otlp-endpoint", &endpoint]);
    setup.cdc.wait_for_log("the collector takes no spans; they are dropped");
    setup.write_some();
    setup.catch_up();
    assert_eq!(setup.cdc.terminate(), Some(0), "{}", setup.cdc.log_text());
    setup.assert_nothing_lost();
    let told = setup.cdc.log_text().matches("the collector takes no spans").count();
    assert_eq!(told, 1, "{}", setup.cdc.log_text());

    let refused = setup.cdc.run(&["run", "--otlp-endpoint", "https://collector"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("CDC-OTLP-001") && said.contains("only plain HTTP"), "{said}");
}

type Attributes = BTreeMap<String, String>;

/// Takes what it is sent.
struct Collector {
    endpoint: String,
    requests: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                taken.lock().unwrap().push(take(stream));
            }
        });
        Self { endpoint, requests }
    }

    /// The resource's attributes, and each span's name and attributes.
    fn received(&self) -> (Attributes, Vec<(String, Attributes)>) {
        let requests = self.requests.lock().unwrap();
        let of_resources = || requests.iter().flat_map(|request| &request.resource_spans);
        let resource = of_resources().next().and_then(|spans| spans.resource.as_ref()).expect("a resource");
        let spans = of_resources()
            .flat_map(|spans| &spans.scope_spans)
            .flat_map(|spans| &spans.spans)
            .inspect(|span| {
                assert!(
                    span.start_time_unix_nano <= span.end_time_unix_nano && span.parent_span_id.is_empty()
                )
            })
            .map(|span| (span.name.clone(), texts(&span.attributes)));
        (texts(&resource.attributes), spans.collect())
    }
}

fn take(stream: TcpStream) -> ExportTraceServiceRequest {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_ascii_lowercase()),
        }
    }
    assert_eq!(head[0], "post /v1/traces http/1.1");
    assert!(head.contains(&"content-type: application/x-protobuf".to_owned()), "{head:?}");
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    ExportTraceServiceRequest::decode(body.as_slice()).unwrap()
}

fn texts(attributes: &[KeyValue]) -> Attributes {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let value = |attribute: &KeyValue| attribute.value.as_ref()?.value.as_ref().map(text);
    attributes.iter().map(|each| (each.key.clone(), value(each).unwrap_or_default())).collect()
}
