//! One event of each kind in each format, as files that a reviewer can read: `tests/golden/<format>/<event>.txt`.
//!
//! `UPDATE_GOLDEN=1 cargo test -p event` writes them anew, together with the examples in docs/envelope.md.

use std::fs;
use std::path::PathBuf;

use event::envelope::ChangeEvent;
use event::*;
use prost::Message as _;

use super::spec::*;

#[test]
fn each_event_is_written_as_its_golden_file_says() {
    let mut differing = Vec::new();
    for (format_name, format) in formats() {
        for (event_name, spec) in events() {
            let path = golden_path(format_name, event_name);
            let written = describe(&spec.messages(format.clone()), format_name);
            if updating() {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, &written).unwrap();
            } else if fs::read_to_string(&path).unwrap_or_default() != written {
                differing.push(format!("{} should now be\n{written}", path.display()));
            }
        }
    }
    assert!(differing.is_empty(), "{}\nUPDATE_GOLDEN=1 accepts all of it", differing.join("\n"));
}

/// The payload of the event's first message, as text.
pub(crate) fn payload(format_name: &str, event_name: &str) -> Option<String> {
    let (_, format) = formats().into_iter().find(|(name, _)| *name == format_name)?;
    let (_, spec) = events().into_iter().find(|(name, _)| *name == event_name)?;
    let described = describe(&spec.messages(format), format_name);
    described.lines().find_map(|line| line.strip_prefix("payload: ")).map(str::to_owned)
}

pub(crate) fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

fn golden_path(format: &str, event: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{format}/{event}.txt"))
}

fn describe(messages: &[Sent], format_name: &str) -> String {
    let binary = format_name == "protobuf";
    let mut text = String::new();
    for (n, message) in messages.iter().enumerate() {
        let route = match &message.route {
            Route::Table(name) => name.to_string(),
            Route::Control => "(control)".into(),
            Route::Schemas => "(schemas)".into(),
        };
        // The schemas' key is a fingerprint in text in every format.
        let show = |bytes: Option<&[u8]>, binary: bool| match bytes {
            None => "(none)".to_owned(),
            Some(bytes) if binary => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Some(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        };
        let key = show(message.key.as_deref(), binary && message.route != Route::Schemas);
        // A release alone should not change these files.
        let payload = show(message.payload.as_deref(), binary)
            .replace(concat!(r#""version":""#, env!("CARGO_PKG_VERSION")), r#""version":"1.2.3"#);
        let gap = if n > 0 { "\n" } else { "" };
        text += &format!("{gap}route: {route}\nid: {}\nkey: {key}\npayload: {payload}\n", message.id);
    }
    if let Some(payload) = messages[0].payload.as_deref().filter(|_| binary) {
        text += &format!("\n{:#?}\n", ChangeEvent::decode(payload).unwrap());
    }
    text
}

fn formats() -> Vec<(&'static str, Format)> {
    let debezium = DebeziumOptions { database: "shop".into(), ..DebeziumOptions::default() };
    let with_schemas = DebeziumOptions {
        schemas: true,
        decimal: DebeziumDecimals::Precise,
        time: DebeziumTimes::Adaptive,
        before_key: true,
        ..debezium.clone()
    };
    vec![
        ("protobuf", Format::Protobuf),
        ("json", Format::Json(JsonOptions::default())),
        ("debezium-json", Format::DebeziumJson(debezium)),
        ("debezium-json-schemas", Format::DebeziumJson(with_schemas)),
    ]
}

/// The story of one small table.
fn events() -> Vec<(&'static str, Spec)> {
    let before = |row: Row| BeforeSpec::Key(row);
    let key_only = |id| vec![Cell::Int(id), Cell::Omitted, Cell::Omitted, Cell::Omitted, Cell::Omitted];
    let part = LoadPart { filter: Some("total > 5".into()), columns: vec!["note".into(), "tags".into()] };
    let load = || LoadSpec { id: "1795252500-3".into(), range: None };
    let ranged = LoadSpec {
        id: "1795252500-4".into(),
        range: Some(KeyRange { from: Some(KeyBound::Int(1)), to: Some(KeyBound::Int(1000)) }),
    };
    vec![
        ("insert", insert_of_every_type()),
        ("update", order_event(4, update(BeforeSpec::None, order(7, Cell::Unchanged)))),
        ("update_full", order_event(4, update(BeforeSpec::Full(order(7, document())), order(7, document())))),
        ("delete", order_event(5, delete(1013, before(key_only(7)), false))),
        ("key_change_delete", order_event(6, delete(1014, before(key_only(7)), true))),
        (
            "key_change_insert",
            order_event(
                6,
                BodySpec::Insert {
                    table_seq: 1015,
                    after: order(8, document()),
                    key_change: true,
                    fetched: vec![4],
                },
            ),
        ),
        ("truncate", order_event(7, BodySpec::Truncate { load: None, table_seq: 1016, part: 1 })),
        (
            "read",
            Spec {
                transaction: None,
                ..order_event(
                    0,
                    BodySpec::Read { load: ranged, seq: 1, after: order(7, document()), row_id: None },
                )
            },
        ),
        (
            "load_begin",
            Spec { transaction: None, ..order_event(0, BodySpec::LoadBegin { load: load(), part: None }) },
        ),
        (
            "load_begin_part",
            Spec {
                transaction: None,
                ..order_event(0, BodySpec::LoadBegin { load: load(), part: Some(part) })
            },
        ),
        (
            "load_truncate",
            Spec {
                transaction: None,
                ..order_event(0, BodySpec::Truncate { load: Some(load()), table_seq: 0, part: 0 })
            },
        ),
        (
            "load_end",
            Spec { transaction: None, ..order_event(0, BodySpec::LoadEnd { load: load(), rows: 2 }) },
        ),
        (
            "message",
            order_event(8, BodySpec::Message { prefix: "audit".into(), content: b"user=42".to_vec() }),
        ),
        ("schema", order_event(4, BodySpec::Schema { load: None, part: 0 })),
        ("heartbeat", Spec { transaction: None, ..order_event(0, BodySpec::Heartbeat) }),
    ]
}

fn update(before: BeforeSpec, after: Row) -> BodySpec {
    BodySpec::Update { table_seq: 1012, before, after, fetched: vec![] }
}

fn delete(table_seq: u64, before: BeforeSpec, key_change: bool) -> BodySpec {
    BodySpec::Delete { table_seq, before, key_change }
}

fn document() -> Cell<'static> {
    Cell::Json(r#"{"gift": true}"#.into())
}

fn order(id: i64, document: Cell<'static>) -> Row {
    let tags = ["a", "b"].map(|tag| Cell::Text(tag.into())).to_vec();
    vec![Cell::Int(id), Cell::Decimal("12.50".into()), Cell::Null, Cell::Array(tags), document]
}

pub(crate) fn order_event(seq: u64, body: BodySpec) -> Spec {
    let columns = vec![
        column("id", "int4", 23),
        // numeric(10, 2)
        Column { type_modifier: (10 << 16 | 2) + 4, ..column("total", "numeric", 1700) },
        column("note", "text", 25),
        column("tags", "_text", 1009),
        column("document", "jsonb", 3802),
    ];
    let name = TableName::new("public", "orders");
    Spec {
        table: Table::new(TableSchema { name, columns, key: vec![0] }),
        commit: 0x1A2_B400,
        own: 0x1A2_B3C8,
        transaction: Some(TransactionSpec {
            id: "742".into(),
            seq,
            commit_time_us: 1_795_169_700_123_456,
            origin: None,
        }),
        captured_time_us: 1_795_169_700_125_001,
        body,
    }
}

/// A row that shows how each type looks.
fn insert_of_every_type() -> Spec {
    let typed = [
        (column("id", "int4", 23), Cell::Int(7)),
        (column("paid", "bool", 16), Cell::Bool(true)),
        (column("views", "int8", 20), Cell::Int(9_007_199_254_740_993)),
        (column("object", "oid", 26), Cell::Uint(4_294_967_295)),
        (column("weight", "float8", 701), Cell::Double(-0.0)),
        (column("ratio", "float8", 701), Cell::Double(f64::NAN)),
        (column("total", "numeric", 1700), Cell::Decimal("12.50".into())),
        (column("note", "text", 25), Cell::Text("Öl \"fein\"\n".into())),
        (column("photo", "bytea", 17), Cell::Bytes(Bytes::Hex(b"89504e47".into()))),
        (column("placed", "timestamptz", 1184), Cell::TimestampUs(1_767_323_045_678_901)),
        (column("local", "timestamp", 1114), Cell::TimestampUs(1_767_323_045_000_000)),
        (column("due", "date", 1082), Cell::DateDays(20_455)),
        (column("opens", "time", 1083), Cell::TimeUs(86_400_000_000)),
        (
            column("ref", "uuid", 2950),
            Cell::Uuid(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes()),
        ),
        (
            column("grid", "_int4", 1007),
            Cell::Array(vec![
                Cell::Array(vec![Cell::Int(1), Cell::Int(2)]),
                Cell::Array(vec![Cell::Int(3), Cell::Null]),
            ]),
        ),
        (column("document", "json", 114), Cell::Json(r#"{"a": 1, "a": 2}"#.into())),
        (
            column("wait", "interval", 1186),
            Cell::Other { type_name: "interval", text: "1 mon -1 days".into() },
        ),
        (column("until", "date", 1082), Cell::Other { type_name: "date", text: "infinity".into() }),
    ];
    let (columns, after) = typed.into_iter().unzip();
    let name = TableName::new("public", "everything");
    Spec {
        table: Table::new(TableSchema { name, columns, key: vec![0] }),
        ..order_event(3, BodySpec::Insert { table_seq: 1, after, key_change: false, fetched: vec![] })
    }
}
