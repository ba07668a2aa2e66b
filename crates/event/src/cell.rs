use std::borrow::Cow;

/// One column's value, borrowed from the buffer it was received in wherever its bytes can be used as they are.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// SQL NULL.
    Null,
    /// Stored out of line (TOAST) and not sent, because the statement did not change it. Never a null.
    Unchanged,
    /// Not part of this row image.
    Omitted,
    /// `boolean`.
    Bool(bool),
    /// A signed integer of any width.
    Int(i64),
    /// An unsigned integer of any width.
    Uint(u64),
    /// A floating-point number; parsed from the shortest text that gives it back exactly.
    Double(f64),
    /// An exact decimal as the database writes it, NaN and infinities included.
    Decimal(Cow<'a, str>),
    /// Character data.
    Text(Cow<'a, str>),
    /// Binary data.
    Bytes(Bytes<'a>),
    /// Microseconds since 1970-01-01T00:00:00; in UTC where the type knows a time zone. PostgreSQL's last 30 years,
    /// from 294247-01-10 on, do not fit and come as `Other`, as the infinities do.
    TimestampUs(i64),
    /// Days since 1970-01-01 in the proleptic Gregorian calendar.
    DateDays(i32),
    /// Microseconds since midnight; 24:00:00 is 86,400,000,000.
    TimeUs(i64),
    /// A UUID's 16 bytes.
    Uuid([u8; 16]),
    /// An array whose lower bounds are all 1; further dimensions are nested arrays.
    Array(Vec<Self>),
    /// A JSON document as the database writes it: duplicate keys and 400-digit numbers survive.
    Json(Cow<'a, str>),
    /// Any other type, and any value its usual arm can't hold (`infinity`): the database's own text.
    Other {
        /// The database's name of the type.
        type_name: &'a str,
        /// The value as the database writes it.
        text: Cow<'a, str>,
    },
}

/// Binary data as it came: raw, or as the hexadecimal digits that an encoder turns into bytes on the way out.
#[derive(Clone, Debug)]
pub enum Bytes<'a> {
    /// The bytes themselves.
    Raw(Cow<'a, [u8]>),
    /// An even number of hexadecimal digits, checked by whoever made this.
    Hex(Cow<'a, [u8]>),
}

impl Cell<'_> {
    /// The same room for cells of another lifetime: collecting no items of the same size in place keeps it.
    pub fn emptied<'b>(mut cells: Vec<Self>) -> Vec<Cell<'b>> {
        cells.clear();
        cells.into_iter().map_while(|_| None).collect()
    }
}

impl Bytes<'_> {
    /// How many bytes of data these are.
    pub fn data_len(&self) -> usize {
        match self {
            Self::Raw(bytes) => bytes.len(),
            Self::Hex(digits) => digits.len() / 2,
        }
    }

    /// Appends the data to `out`.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw(bytes) => out.extend_from_slice(bytes),
            Self::Hex(digits) => {
                out.extend(digits.as_chunks::<2>().0.iter().map(|pair| Self::from_hex(*pair)))
            }
        }
    }

    /// The byte that two hexadecimal digits stand for.
    pub(crate) fn from_hex([high, low]: [u8; 2]) -> u8 {
        hex_digit(high) << 4 | hex_digit(low)
    }
}

impl PartialEq for Bytes<'_> {
    fn eq(&self, other: &Self) -> bool {
        let data = |bytes: &Self| {
            let mut out = Vec::with_capacity(bytes.data_len());
            bytes.append_to(&mut out);
            out
        };
        data(self) == data(other)
    }
}

/// The digit's value; the high bits of an ASCII letter tell it from a decimal digit.
fn hex_digit(digit: u8) -> u8 {
    (digit & 0x0F) + 9 * (digit >> 6)
}
