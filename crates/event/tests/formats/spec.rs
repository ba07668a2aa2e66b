//! Events that own what they are made of, and strategies for arbitrary ones.

use std::borrow::Cow;

use event::*;
use proptest::collection::{hash_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::subsequence;

/// What an [`Event`] is a view of.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) table: Table,
    pub(crate) commit: u64,
    pub(crate) own: u64,
    pub(crate) transaction: Option<TransactionSpec>,
    pub(crate) captured_time_us: i64,
    pub(crate) body: BodySpec,
}

#[derive(Debug, Clone)]
pub(crate) struct TransactionSpec {
    pub(crate) id: String,
    pub(crate) seq: u64,
    pub(crate) commit_time_us: i64,
    pub(crate) origin: Option<String>,
}

pub(crate) type Row = Vec<Cell<'static>>;

#[derive(Debug, Clone)]
pub(crate) enum BeforeSpec {
    None,
    Key(Row),
    Full(Row),
}

#[derive(Debug, Clone)]
pub(crate) struct LoadSpec {
    pub(crate) id: String,
    pub(crate) range: Option<KeyRange>,
}

#[derive(Debug, Clone)]
pub(crate) enum BodySpec {
    Insert { table_seq: u64, after: Row, key_change: bool, fetched: Vec<usize> },
    Update { table_seq: u64, before: BeforeSpec, after: Row, fetched: Vec<usize> },
    Delete { table_seq: u64, before: BeforeSpec, key_change: bool },
    Truncate { load: Option<LoadSpec>, table_seq: u64, part: u32 },
    Read { load: LoadSpec, seq: u64, after: Row, row_id: Option<String> },
    LoadBegin { load: LoadSpec, part: Option<LoadPart> },
    LoadEnd { load: LoadSpec, rows: u64 },
    Message { prefix: String, content: Vec<u8> },
    Schema { load: Option<LoadSpec>, part: u32 },
    Heartbeat,
}

impl Spec {
    pub(crate) fn event(&self) -> Event<'_> {
        let table = &self.table;
        Event {
            position: EventPosition::Postgres { commit: self.commit.into(), own: self.own.into() },
            transaction: self.transaction.as_ref().map(|transaction| Transaction {
                id: &transaction.id,
                seq: transaction.seq,
                commit_time_us: transaction.commit_time_us,
                origin: transaction.origin.as_deref(),
            }),
            captured_time_us: self.captured_time_us,
            body: match &self.body {
                BodySpec::Insert { table_seq, after, key_change, fetched } => {
                    Body::Insert { table, table_seq: *table_seq, after, key_change: *key_change, fetched }
                }
                BodySpec::Update { table_seq, before, after, fetched } => {
                    Body::Update { table, table_seq: *table_seq, before: before.view(), after, fetched }
                }
                BodySpec::Delete { table_seq, before, key_change } => Body::Delete {
                    table,
                    table_seq: *table_seq,
                    before: before.view(),
                    key_change: *key_change,
                },
                BodySpec::Truncate { load, table_seq, part } => Body::Truncate {
                    table,
                    load: load.as_ref().map(LoadSpec::view),
                    table_seq: *table_seq,
                    part: *part,
                },
                BodySpec::Read { load, seq, after, row_id } => {
                    Body::Read { table, load: load.view(), seq: *seq, after, row_id: row_id.as_deref() }
                }
                BodySpec::LoadBegin { load, part } => {
                    Body::LoadBegin { table, load: load.view(), part: part.as_ref() }
                }
                BodySpec::LoadEnd { load, rows } => Body::LoadEnd { table, load: load.view(), rows: *rows },
                BodySpec::Message { prefix, content } => Body::Message { prefix, content },
                BodySpec::Schema { load, part } => {
                    Body::Schema { table, load: load.as_ref().map(LoadSpec::view), part: *part }
                }
                BodySpec::Heartbeat => Body::Heartbeat,
            },
        }
    }

    /// The messages that this event becomes: ID, key and payload.
    pub(crate) fn messages(&self, format: Format) -> Vec<Sent> {
        let pool = BatchPool::new(Encoder::new(SOURCE, EPOCH, format), BatchLimits::default());
        let mut batch = pool.batch();
        batch.push(&self.event());
        batch
            .messages()
            .map(|message| Sent {
                route: (**message.route).clone(),
                id: String::from_utf8(message.id.to_vec()).unwrap(),
                key: message.key.map(<[u8]>::to_vec),
                payload: message.payload.map(<[u8]>::to_vec),
            })
            .collect()
    }
}

pub(crate) const SOURCE: &str = "shop";
pub(crate) const EPOCH: u64 = 1_795_252_500;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) route: Route,
    pub(crate) id: String,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
}

impl BeforeSpec {
    fn view(&self) -> Before<'_> {
        match self {
            Self::None => Before::None,
            Self::Key(row) => Before::Key(row),
            Self::Full(row) => Before::Full(row),
        }
    }
}

impl LoadSpec {
    fn view(&self) -> LoadRef<'_> {
        LoadRef { id: &self.id, range: self.range.as_ref() }
    }
}

pub(crate) fn column(name: &str, type_name: &str, type_oid: u32) -> Column {
    Column { name: name.into(), type_name: type_name.into(), type_oid, type_modifier: -1 }
}

/// Types by name and OID, each with its values. Between them they use every arm of `Cell`.
fn any_type() -> impl Strategy<Value = (&'static str, u32, BoxedStrategy<Cell<'static>>)> {
    let types = vec![
        ("bool", "_bool", 16, 1000, any::<bool>().prop_map(Cell::Bool).boxed()),
        ("int2", "_int2", 21, 1005, any::<i16>().prop_map(|value| Cell::Int(value.into())).boxed()),
        ("int4", "_int4", 23, 1007, any::<i32>().prop_map(|value| Cell::Int(value.into())).boxed()),
        ("int8", "_int8", 20, 1016, any::<i64>().prop_map(Cell::Int).boxed()),
        ("uint8", "_uint8", 20_000, 20_001, any::<u64>().prop_map(Cell::Uint).boxed()),
        ("float8", "_float8", 701, 1022, any_double().prop_map(Cell::Double).boxed()),
        (
            "numeric",
            "_numeric",
            1700,
            1231,
            any_decimal().prop_map(|text| Cell::Decimal(text.into())).boxed(),
        ),
        ("text", "_text", 25, 1009, any_text().prop_map(|text| Cell::Text(text.into())).boxed()),
        ("bytea", "_bytea", 17, 1001, any_bytes().prop_map(Cell::Bytes).boxed()),
        ("timestamp", "_timestamp", 1114, 1115, any::<i64>().prop_map(Cell::TimestampUs).boxed()),
        ("timestamptz", "_timestamptz", 1184, 1185, any::<i64>().prop_map(Cell::TimestampUs).boxed()),
        ("date", "_date", 1082, 1182, any::<i32>().prop_map(Cell::DateDays).boxed()),
        ("time", "_time", 1083, 1183, (0..=86_400_000_000_i64).prop_map(Cell::TimeUs).boxed()),
        ("uuid", "_uuid", 2950, 2951, any::<[u8; 16]>().prop_map(Cell::Uuid).boxed()),
        ("jsonb", "_jsonb", 3802, 3807, any_text().prop_map(|text| Cell::Json(text.into())).boxed()),
        ("interval", "_interval", 1186, 1187, any_text().prop_map(other).boxed()),
    ];
    (proptest::sample::select((0..types.len()).collect::<Vec<_>>()), 0..4_usize).prop_map(
        move |(choice, form)| {
            let (name, array_name, oid, array_oid, scalar) = types[choice].clone();
            match form {
                0 => (array_name, array_oid, any_array(scalar)),
                _ => (name, oid, scalar),
            }
        },
    )
}

fn other(text: String) -> Cell<'static> {
    Cell::Other { type_name: "interval", text: text.into() }
}

fn any_array(scalar: BoxedStrategy<Cell<'static>>) -> BoxedStrategy<Cell<'static>> {
    let element = prop_oneof![4 => scalar, 1 => Just(Cell::Null)];
    element
        .prop_map(|cell| Cell::Array(vec![cell]))
        .prop_recursive(3, 12, 4, |inner| vec(inner, 0..4).prop_map(Cell::Array))
        .boxed()
}

fn any_double() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => proptest::num::f64::ANY,
        1 => proptest::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-45, 0.1]),
    ]
}

fn any_decimal() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "-?(0|[1-9][0-9]{0,60})(\\.[0-9]{1,60})?",
        1 => proptest::sample::select(vec!["NaN", "Infinity", "-Infinity"]).prop_map(str::to_owned),
    ]
}

/// Short ones, and those whose length just does or just does not fit one, two or three bytes.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        16 => any::<String>(),
        2 => (120..140_usize).prop_map(|length| "é\"".repeat(length / 3)),
        2 => (126..130_usize).prop_map(|length| "x".repeat(length)),
        1 => (16_380..16_390_usize).prop_map(|length| "y".repeat(length)),
    ]
}

fn any_bytes() -> impl Strategy<Value = Bytes<'static>> {
    let raw = vec(any::<u8>(), 0..300).prop_map(|bytes| Bytes::Raw(Cow::Owned(bytes)));
    let hex = vec(any::<u8>(), 0..300).prop_map(|bytes| {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Bytes::Hex(Cow::Owned(digits.into_bytes()))
    });
    prop_oneof![raw, hex]
}

/// A table's shape, and how to make its rows.
#[derive(Debug, Clone)]
struct Shape {
    schema: TableSchema,
    cells: Vec<BoxedStrategy<Cell<'static>>>,
}

fn any_shape() -> impl Strategy<Value = Shape> {
    let names = hash_set(prop_oneof!["[a-z_]{1,8}", "\\PC{1,20}"], 0..7);
    (names, any::<String>(), any::<String>())
        .prop_flat_map(|(names, schema, table)| {
            let count = names.len();
            let columns = vec((any_type(), any::<i32>()), count);
            let positions = subsequence((0..count).collect::<Vec<_>>(), 0..=count).prop_shuffle();
            (Just((names, schema, table)), columns, positions)
        })
        .prop_map(|((names, schema, table), columns, key)| {
            let mut cells = Vec::new();
            let columns = names.into_iter().zip(columns).map(|(name, ((type_name, oid, cell), modifier))| {
                cells.push(cell);
                Column { type_modifier: modifier, ..column(&name, type_name, oid) }
            });
            let columns = columns.collect();
            Shape { schema: TableSchema { name: TableName::new(schema, table), columns, key }, cells }
        })
}

fn any_row(shape: &Shape) -> impl Strategy<Value = Row> + use<> {
    let cell = |cell: &BoxedStrategy<Cell<'static>>| prop_oneof![6 => cell.clone(), 1 => Just(Cell::Null), 1 => Just(Cell::Unchanged), 1 => Just(Cell::Omitted)];
    shape.cells.iter().map(cell).collect::<Vec<_>>()
}

fn any_before(shape: &Shape) -> impl Strategy<Value = BeforeSpec> + use<> {
    let key = shape.schema.key.clone();
    let key_only = move |row: Row| {
        let cells = row.into_iter().enumerate();
        cells.map(|(n, cell)| if key.contains(&n) { cell } else { Cell::Omitted }).collect()
    };
    prop_oneof![
        Just(BeforeSpec::None),
        any_row(shape).prop_map(move |row| BeforeSpec::Key(key_only(row))),
        any_row(shape).prop_map(BeforeSpec::Full),
    ]
}

fn any_part() -> impl Strategy<Value = LoadPart> {
    let columns = vec("[a-z\"]{1,5}", 0..3);
    (option::of("[a-z<>=' \"]{1,20}"), columns).prop_map(|(filter, columns)| LoadPart { filter, columns })
}

fn any_load() -> impl Strategy<Value = LoadSpec> {
    let bound = prop_oneof![
        any::<i64>().prop_map(KeyBound::Int),
        any::<i32>().prop_map(KeyBound::DateDays),
        any::<[u8; 16]>().prop_map(KeyBound::Uuid),
    ];
    let range = (option::of(bound.clone()), option::of(bound)).prop_map(|(from, to)| KeyRange { from, to });
    ("[0-9a-z-]{1,30}", option::of(range)).prop_map(|(id, range)| LoadSpec { id, range })
}

fn any_body(shape: &Shape) -> impl Strategy<Value = BodySpec> + use<> {
    let row = || any_row(shape);
    let before = || any_before(shape);
    let seq = any::<u64>;
    let positions = (0..shape.schema.columns.len()).collect::<Vec<_>>();
    let fetched = move || subsequence(positions.clone(), 0..=positions.len());
    prop_oneof![
        2 => (seq(), row(), any::<bool>(), fetched()).prop_map(|(table_seq, after, key_change, fetched)| {
            BodySpec::Insert { table_seq, after, key_change, fetched }
        }),
        3 => (seq(), before(), row(), fetched()).prop_map(|(table_seq, before, after, fetched)| {
            BodySpec::Update { table_seq, before, after, fetched }
        }),
        2 => (seq(), before(), any::<bool>())
            .prop_map(|(table_seq, before, key_change)| BodySpec::Delete { table_seq, before, key_change }),
        1 => (option::of(any_load()), seq(), any::<u32>())
            .prop_map(|(load, table_seq, part)| BodySpec::Truncate { load, table_seq, part }),
        2 => (any_load(), seq(), row(), option::of("\\([0-9]{1,5},[0-9]{1,3}\\)"))
            .prop_map(|(load, seq, after, row_id)| BodySpec::Read { load, seq, after, row_id }),
        1 => (any_load(), option::of(any_part())).prop_map(|(load, part)| BodySpec::LoadBegin { load, part }),
        1 => (any_load(), seq()).prop_map(|(load, rows)| BodySpec::LoadEnd { load, rows }),
        1 => (any_text(), vec(any::<u8>(), 0..200))
            .prop_map(|(prefix, content)| BodySpec::Message { prefix, content }),
        1 => (option::of(any_load()), any::<u32>()).prop_map(|(load, part)| BodySpec::Schema { load, part }),
        1 => Just(BodySpec::Heartbeat),
    ]
}

fn any_transaction() -> impl Strategy<Value = TransactionSpec> {
    (any::<u32>(), any::<u64>(), any::<i64>(), option::of(any::<String>())).prop_map(
        |(id, seq, commit_time_us, origin)| TransactionSpec {
            id: id.to_string(),
            seq,
            commit_time_us,
            origin,
        },
    )
}

/// Any event that a reader could make, and some that none would.
pub(crate) fn any_event() -> impl Strategy<Value = Spec> {
    any_shape()
        .prop_flat_map(|shape| {
            let body = any_body(&shape);
            let head = (any::<u64>(), any::<u64>(), option::of(any_transaction()), any::<i64>());
            (Just(shape.schema), head, body)
        })
        .prop_map(|(schema, (commit, own, transaction, captured_time_us), body)| Spec {
            table: Table::new(schema),
            commit,
            own,
            transaction,
            captured_time_us,
            body,
        })
}
