//! Kafka Connect's schemas, in the form its JSON converter reads.

use std::io::Write as _;

use super::kind::{Kind, Scalar};
use super::{Connector, DebeziumOptions};
use crate::encode::json::text::{write_escaped, write_text};
use crate::encode::json::value::quoted;
use crate::{Column, Table};

/// The schema of a message key.
pub(super) fn write_key_schema(source: &str, table: &Table, options: &DebeziumOptions, out: &mut Vec<u8>) {
    let columns = table.schema.key.iter().filter_map(|position| table.schema.columns.get(*position));
    write_struct(columns.map(|column| (column, false)), options, out);
    out.extend_from_slice(br#","optional":false"#);
    write_name(source, table, "Key", out);
    out.push(b'}');
}

/// The schema of a message. Consumers know one by its name's end, `.Envelope`.
pub(super) fn write_envelope_schema(
    source: &str,
    table: &Table,
    connector: Connector,
    options: &DebeziumOptions,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(br#"{"type":"struct","fields":["#);
    for field in ["before", "after"] {
        let columns = table.schema.columns.iter().enumerate();
        let optional = columns.map(|(n, column)| (column, !table.schema.key.contains(&n)));
        write_struct(optional, options, out);
        out.extend_from_slice(br#","optional":true"#);
        write_name(source, table, "Value", out);
        _ = write!(out, r#","field":"{field}"}},"#);
    }
    out.extend_from_slice(SOURCE.as_bytes());
    out.extend_from_slice(
        match connector {
            Connector::Postgres => POSTGRES_PLACE,
            Connector::Mysql | Connector::Mariadb => BINLOG_PLACE,
        }
        .as_bytes(),
    );
    _ = write!(
        out,
        r#"],"optional":false,"name":"io.debezium.connector.{}.Source","version":1,"field":"source"}},"#,
        connector.name()
    );
    out.extend_from_slice(REST.as_bytes());
    out.extend_from_slice(br#"],"optional":false"#);
    write_name(source, table, "Envelope", out);
    out.extend_from_slice(br#","version":2}"#);
}

/// Opens a struct: whoever closes it adds whether it is optional, and its name.
fn write_struct<'c>(
    columns: impl Iterator<Item = (&'c Column, bool)>,
    options: &DebeziumOptions,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(br#"{"type":"struct","fields":["#);
    for (n, (column, optional)) in columns.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        out.push(b'{');
        match Kind::of(column, options) {
            Kind::Scalar(scalar) => write_scalar(scalar, optional, out),
            Kind::Array(scalar) => {
                out.extend_from_slice(br#""type":"array","items":{"#);
                write_scalar(scalar, true, out);
                _ = write!(out, r#"}},"optional":{optional}"#);
            }
        }
        out.extend_from_slice(br#","field":"#);
        write_text(&column.name, out);
        out.push(b'}');
    }
    out.push(b']');
}

fn write_scalar(scalar: Scalar, optional: bool, out: &mut Vec<u8>) {
    let (connect_type, name) = match scalar {
        Scalar::Boolean => ("boolean", None),
        Scalar::Int16 => ("int16", None),
        Scalar::Int32 => ("int32", None),
        Scalar::Int64 => ("int64", None),
        Scalar::Float => ("float", None),
        Scalar::Double => ("double", None),
        Scalar::String => ("string", None),
        Scalar::Bytes => ("bytes", None),
        Scalar::Uuid => ("string", Some("io.debezium.data.Uuid")),
        Scalar::Json => ("string", Some("io.debezium.data.Json")),
        Scalar::Xml => ("string", Some("io.debezium.data.Xml")),
        Scalar::Decimal { scale: Some(_), .. } => ("bytes", Some("org.apache.kafka.connect.data.Decimal")),
        Scalar::Decimal { scale: None, .. } => ("struct", Some("io.debezium.data.VariableScaleDecimal")),
        Scalar::DateDays => ("int32", Some("io.debezium.time.Date")),
        Scalar::TimeMs => ("int32", Some("io.debezium.time.Time")),
        Scalar::TimeUs => ("int64", Some("io.debezium.time.MicroTime")),
        Scalar::TimestampMs => ("int64", Some("io.debezium.time.Timestamp")),
        Scalar::TimestampUs => ("int64", Some("io.debezium.time.MicroTimestamp")),
        Scalar::ZonedTimestamp => ("string", Some("io.debezium.time.ZonedTimestamp")),
        Scalar::Year => ("int32", Some("io.debezium.time.Year")),
        Scalar::Bits { .. } => ("bytes", Some("io.debezium.data.Bits")),
        Scalar::Geometry => ("struct", Some("io.debezium.data.geometry.Geometry")),
    };
    _ = write!(out, r#""type":"{connect_type}""#);
    if let Scalar::Decimal { scale: None, .. } = scalar {
        out.extend_from_slice(
            br#","fields":[{"type":"int32","optional":false,"field":"scale"},{"type":"bytes","optional":false,"field":"value"}]"#,
        );
    }
    if let Scalar::Geometry = scalar {
        out.extend_from_slice(
            br#","fields":[{"type":"bytes","optional":false,"field":"wkb"},{"type":"int32","optional":true,"field":"srid"}]"#,
        );
    }
    _ = write!(out, r#","optional":{optional}"#);
    if let Some(name) = name {
        _ = write!(out, r#","name":"{name}","version":1"#);
    }
    if let Scalar::Bits { len } = scalar {
        _ = write!(out, r#","parameters":{{"length":"{len}"}}"#);
    }
    if let Scalar::Decimal { scale: Some(scale), precision } = scalar {
        let precision = format_args!(r#""connect.decimal.precision":"{precision}""#);
        _ = write!(out, r#","parameters":{{"scale":"{scale}",{precision}}}"#);
    }
}

fn write_name(source: &str, table: &Table, what: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#","name":"#);
    quoted(out, |out| {
        for part in [source, &table.name().schema, &table.name().table] {
            write_escaped(part, out);
            out.push(b'.');
        }
        out.extend_from_slice(what.as_bytes());
    });
}

/// The fields of an envelope that are the same for every table: where the event is from …
const SOURCE: &str = concat!(
    r#"{"type":"struct","fields":["#,
    r#"{"type":"string","optional":false,"field":"version"},"#,
    r#"{"type":"string","optional":false,"field":"connector"},"#,
    r#"{"type":"string","optional":false,"field":"name"},"#,
    r#"{"type":"int64","optional":false,"field":"ts_ms"},"#,
    r#"{"type":"int64","optional":true,"field":"ts_us"},"#,
    r#"{"type":"int64","optional":true,"field":"ts_ns"},"#,
    r#"{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"#,
    r#""parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"#,
    r#""default":"false","field":"snapshot"},"#,
    r#"{"type":"string","optional":false,"field":"db"},"#,
    r#"{"type":"string","optional":true,"field":"sequence"},"#,
);
/// … in PostgreSQL's log, …
const POSTGRES_PLACE: &str = concat!(
    r#"{"type":"string","optional":false,"field":"schema"},"#,
    r#"{"type":"string","optional":false,"field":"table"},"#,
    r#"{"type":"int64","optional":true,"field":"txId"},"#,
    r#"{"type":"int64","optional":true,"field":"lsn"},"#,
    r#"{"type":"int64","optional":true,"field":"xmin"},"#,
    r#"{"type":"string","optional":true,"field":"origin"},"#,
    r#"{"type":"int64","optional":true,"field":"origin_lsn"}"#,
);
/// … or in a binary log, …
const BINLOG_PLACE: &str = concat!(
    r#"{"type":"string","optional":true,"field":"table"},"#,
    r#"{"type":"int64","optional":false,"field":"server_id"},"#,
    r#"{"type":"string","optional":true,"field":"gtid"},"#,
    r#"{"type":"string","optional":false,"field":"file"},"#,
    r#"{"type":"int64","optional":false,"field":"pos"},"#,
    r#"{"type":"int32","optional":false,"field":"row"},"#,
    r#"{"type":"int64","optional":true,"field":"thread"},"#,
    r#"{"type":"string","optional":true,"field":"query"}"#,
);
/// … and what it says.
const REST: &str = concat!(
    r#"{"type":"struct","fields":["#,
    r#"{"type":"string","optional":false,"field":"id"},"#,
    r#"{"type":"int64","optional":false,"field":"total_order"},"#,
    r#"{"type":"int64","optional":false,"field":"data_collection_order"}"#,
    r#"],"optional":true,"name":"event.block","version":1,"field":"transaction"},"#,
    r#"{"type":"string","optional":false,"field":"op"},"#,
    r#"{"type":"int64","optional":true,"field":"ts_ms"},"#,
    r#"{"type":"int64","optional":true,"field":"ts_us"},"#,
    r#"{"type":"int64","optional":true,"field":"ts_ns"}"#,
);
