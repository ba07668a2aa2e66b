use event::{DebeziumDecimals, DebeziumOptions, DebeziumTimes, JsonBigint, JsonOptions};
use schemars::JsonSchema;
use serde::Deserialize;
use sinks::Framing;

/// `[format]` with the options of its kinds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Format {
    /// Which of them.
    pub(crate) kind: FormatKind,
    /// `[format.json]`.
    pub(crate) json: Json,
    /// `[format.debezium]`.
    pub(crate) debezium: Debezium,
}

/// `[format]` itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Keys {
    #[serde(default)]
    pub(crate) kind: FormatKind,
}

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FormatKind {
    /// The envelope, `cdc.v1.ChangeEvent`.
    #[default]
    Protobuf,
    /// One self-describing object per event.
    Json,
    /// What consumers of Debezium's JSON accept.
    DebeziumJson,
}

/// `[format.json]`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Json {
    /// 64-bit integers as strings or numbers.
    #[serde(default)]
    pub(crate) bigint: Bigint,
}

/// How 64-bit integers are written in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Bigint {
    #[default]
    String,
    Number,
}

/// `[format.debezium]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Debezium {
    /// Whether each message carries its schema.
    pub(crate) schemas: bool,
    /// How exact decimals are written.
    pub(crate) decimal: Decimal,
    /// How dates and times are written.
    pub(crate) time: Time,
    /// What stands for a TOAST value that was not sent.
    pub(crate) unavailable: String,
    /// Whether a delete is followed by a message without a payload.
    pub(crate) tombstones: bool,
    /// What an update's `before` holds where the log has no old row.
    pub(crate) before: Before,
}

/// Exact decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Decimal {
    #[default]
    String,
    Precise,
    Double,
}

/// Dates and times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Time {
    #[default]
    Iso,
    Adaptive,
}

/// An update's `before` where the log has no old row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Before {
    #[default]
    Null,
    Key,
}

impl Default for Debezium {
    fn default() -> Self {
        let options = DebeziumOptions::default();
        Self {
            schemas: options.schemas,
            decimal: Decimal::default(),
            time: Time::default(),
            unavailable: options.unavailable,
            tombstones: options.tombstones,
            before: Before::default(),
        }
    }
}

impl Format {
    /// Whether it is for consumers of Debezium's.
    pub(crate) fn is_debezium(&self) -> bool {
        self.kind == FormatKind::DebeziumJson
    }

    /// How its events stand in a file.
    pub(crate) fn framing(&self) -> Framing {
        match self.kind {
            FormatKind::Protobuf => Framing::LengthDelimited,
            FormatKind::Json | FormatKind::DebeziumJson => Framing::Lines,
        }
    }

    /// As the file has it.
    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            FormatKind::Protobuf => "protobuf",
            FormatKind::Json => "json",
            FormatKind::DebeziumJson => "debezium-json",
        }
    }

    /// As the encoder wants it. Debezium's messages name the source's database.
    pub(crate) fn encoding(&self, database: &str) -> event::Format {
        match self.kind {
            FormatKind::Protobuf => event::Format::Protobuf,
            FormatKind::Json => event::Format::Json(self.json.options()),
            FormatKind::DebeziumJson => event::Format::DebeziumJson(self.debezium.options(database)),
        }
    }
}

impl Json {
    fn options(&self) -> JsonOptions {
        JsonOptions {
            bigint: match self.bigint {
                Bigint::String => JsonBigint::String,
                Bigint::Number => JsonBigint::Number,
            },
        }
    }
}

impl Debezium {
    fn options(&self, database: &str) -> DebeziumOptions {
        DebeziumOptions {
            database: database.to_owned(),
            schemas: self.schemas,
            decimal: match self.decimal {
                Decimal::String => DebeziumDecimals::String,
                Decimal::Precise => DebeziumDecimals::Precise,
                Decimal::Double => DebeziumDecimals::Double,
            },
            time: match self.time {
                Time::Iso => DebeziumTimes::Iso,
                Time::Adaptive => DebeziumTimes::Adaptive,
            },
            unavailable: self.unavailable.clone(),
            tombstones: self.tombstones,
            before_key: self.before == Before::Key,
        }
    }
}
