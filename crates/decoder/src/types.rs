mod array;
mod builtin;
mod bytes;
mod datetime;
mod mask;
mod number;

use std::borrow::Cow;

use event::{Bytes, Cell, Mask, Use};

pub(crate) use builtin::builtin_name;
use builtin::is_builtin;
pub(crate) use datetime::{days_in_month, days_since_1970};
pub(crate) use mask::cell as mask_cell;

/// How the values of one column are read: made once, used for every row.
///
/// | type | cell |
/// |---|---|
/// | `bool` | `Bool` |
/// | `int2`, `int4`, `int8` | `Int` |
/// | `oid` | `Uint` |
/// | `float4`, `float8` | `Double`, NaN and infinities included; a `float4` is the double nearest to its shortest text |
/// | `numeric` | `Decimal`, NaN and infinities included |
/// | `text`, `varchar`, `bpchar` (with its padding), `name`, `"char"`, `xml` | `Text` |
/// | `bytea` | `Bytes` |
/// | `date`; `time`; `timestamp`, `timestamptz` | `DateDays`; `TimeUs`; `TimestampUs` |
/// | `uuid` | `Uuid` |
/// | `json`, `jsonb` | `Json` |
/// | arrays of any built-in type | `Array` |
///
/// Everything else is `Other` with the exact text: other types (`interval`, `timetz`, `money`, ranges, networks,
/// geometry, bit strings, full text search, enums, composites, extensions' types), and values that the type's own
/// arm cannot hold (infinite dates, timestamps after 294247-01-10, arrays whose lower bounds are not 1). A text that
/// is not UTF-8, which a SQL_ASCII database can send, is `Bytes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnType {
    name: Box<str>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Uint,
    Real,
    Double,
    Decimal,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Uuid,
    Json,
    Array { element: Box<ColumnType>, delimiter: u8 },
    Other,
    Masked(Mask),
    Excluded,
}

/// What a schema calls a type: built-in ones by their own name (`int4`, `_text`), all others with their namespace.
///
/// A domain is called by its base type, for that is what a Type message gives in its stead.
pub fn type_name(namespace: &str, name: &str) -> String {
    match namespace {
        // What the messages have in place of pg_catalog, and what the catalog has.
        "" | "pg_catalog" => name.to_owned(),
        _ => format!("{namespace}.{name}"),
    }
}

impl ColumnType {
    /// The type of that name, as [`type_name`] gives it.
    pub fn new(name: &str) -> Self {
        let kind = match name {
            "bool" => Kind::Bool,
            "int2" | "int4" | "int8" => Kind::Int,
            "oid" => Kind::Uint,
            "float4" => Kind::Real,
            "float8" => Kind::Double,
            "numeric" => Kind::Decimal,
            "text" | "varchar" | "bpchar" | "name" | "char" | "xml" => Kind::Text,
            "bytea" => Kind::Bytes,
            "date" => Kind::Date,
            "time" => Kind::Time,
            "timestamp" => Kind::Timestamp,
            "timestamptz" => Kind::Timestamptz,
            "uuid" => Kind::Uuid,
            "json" | "jsonb" => Kind::Json,
            _ => array_of(name).unwrap_or(Kind::Other),
        };
        Self { name: name.into(), kind }
    }

    /// The same, as far as rules let its values through.
    #[must_use]
    pub fn used(self, by: Use) -> Self {
        match by {
            Use::Sent => self,
            Use::Masked(mask) => Self { kind: Kind::Masked(mask), ..self },
            Use::Excluded => Self { kind: Kind::Excluded, ..self },
        }
    }

    /// Whether rows come without this column.
    pub fn is_excluded(&self) -> bool {
        self.kind == Kind::Excluded
    }

    /// The name it was made from.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cell for a value's text.
    #[inline]
    pub fn cell<'a>(&'a self, text: &'a [u8]) -> Cell<'a> {
        match self.read(text) {
            Some(cell) => cell,
            None => self.keep(Cow::Borrowed(text)),
        }
    }

    /// The cell for a value's text that may have been unescaped into a buffer of its own.
    pub fn cell_of<'a>(&'a self, text: Cow<'a, [u8]>) -> Cell<'a> {
        match self.read(&text) {
            Some(cell) => cell,
            None => self.keep(text),
        }
    }

    /// The value, where its text is of no more use then.
    #[inline]
    fn read(&self, text: &[u8]) -> Option<Cell<'static>> {
        match self.kind {
            Kind::Bool => number::bool(text).map(Cell::Bool),
            Kind::Int => number::int(text).map(Cell::Int),
            Kind::Uint => number::uint(text).map(Cell::Uint),
            Kind::Real => number::real(text).map(Cell::Double),
            Kind::Double => number::double(text).map(Cell::Double),
            Kind::Date => datetime::date_days(text).map(Cell::DateDays),
            Kind::Time => datetime::time_us(text).map(Cell::TimeUs),
            Kind::Timestamp => datetime::timestamp_us(text).map(Cell::TimestampUs),
            Kind::Timestamptz => datetime::timestamptz_us(text).map(Cell::TimestampUs),
            Kind::Uuid => bytes::uuid(text).map(Cell::Uuid),
            _ => None,
        }
    }

    /// The value as its text, or parts of it.
    #[inline]
    fn keep<'a>(&'a self, text: Cow<'a, [u8]>) -> Cell<'a> {
        match &self.kind {
            Kind::Text => return utf8(text, Cell::Text),
            Kind::Json => return utf8(text, Cell::Json),
            Kind::Decimal if number::is_decimal(&text) => return utf8(text, Cell::Decimal),
            Kind::Bytes if bytes::is_hex(&text) => return Cell::Bytes(bytes::hex(text)),
            Kind::Array { element, delimiter } => {
                if let Some(cells) = array::cells(element, *delimiter, &text) {
                    return Cell::Array(cells);
                }
            }
            Kind::Masked(mask) => return mask::cell(*mask, &text),
            Kind::Excluded => return Cell::Omitted,
            _ => {}
        }
        utf8(text, |text| Cell::Other { type_name: &self.name, text })
    }
}

/// PostgreSQL's own array types are called by their element with an underscore before it.
fn array_of(name: &str) -> Option<Kind> {
    let element = name.strip_prefix('_').filter(|_| is_builtin(name))?;
    // typdelim is a comma everywhere but here, because the text of a box has commas in it.
    let delimiter = if element == "box" { b';' } else { b',' };
    Some(Kind::Array { element: Box::new(ColumnType::new(element)), delimiter })
}

#[inline]
fn utf8<'a>(text: Cow<'a, [u8]>, cell: impl FnOnce(Cow<'a, str>) -> Cell<'a>) -> Cell<'a> {
    match text {
        Cow::Borrowed(text) => match std::str::from_utf8(text) {
            Ok(text) => cell(Cow::Borrowed(text)),
            Err(_) => Cell::Bytes(Bytes::Raw(Cow::Borrowed(text))),
        },
        Cow::Owned(text) => match String::from_utf8(text) {
            Ok(text) => cell(Cow::Owned(text)),
            Err(error) => Cell::Bytes(Bytes::Raw(Cow::Owned(error.into_bytes()))),
        },
    }
}
