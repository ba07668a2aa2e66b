use super::cursor::Cursor;
use crate::Error;

/// How the values of one column are stored in a row: the type's number and what a table map adds to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Stored {
    TinyInt,
    SmallInt,
    MediumInt,
    Int,
    BigInt,
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Year,
    Date,
    Time {
        fraction_digits: u8,
    },
    Datetime {
        fraction_digits: u8,
    },
    Timestamp {
        fraction_digits: u8,
    },
    /// As before MySQL 5.6, which MariaDB still writes for old tables, and under `mysql56_temporal_format=OFF`.
    OldTime,
    OldDatetime,
    OldTimestamp,
    Bit {
        bits: u16,
    },
    Enum {
        len: u8,
    },
    Set {
        len: u8,
    },
    /// `CHAR` and `BINARY`, by their greatest length in bytes.
    Char {
        max_len: u16,
    },
    /// `VARCHAR` and `VARBINARY`, likewise.
    Varchar {
        max_len: u16,
        is_compressed: bool,
    },
    /// `TEXT` and `BLOB` of any size, by how many bytes their length has.
    Blob {
        len_len: u8,
        is_compressed: bool,
    },
    Json {
        len_len: u8,
    },
    Geometry {
        len_len: u8,
    },
    Vector {
        len_len: u8,
    },
}

// `enum_field_types`.
const OLD_DECIMAL: u8 = 0;
const TINY: u8 = 1;
const SHORT: u8 = 2;
const LONG: u8 = 3;
const FLOAT: u8 = 4;
const DOUBLE: u8 = 5;
const TIMESTAMP: u8 = 7;
const LONGLONG: u8 = 8;
const INT24: u8 = 9;
const DATE: u8 = 10;
const TIME: u8 = 11;
const DATETIME: u8 = 12;
const YEAR: u8 = 13;
const NEWDATE: u8 = 14;
const VARCHAR: u8 = 15;
const BIT: u8 = 16;
const TIMESTAMP2: u8 = 17;
const DATETIME2: u8 = 18;
const TIME2: u8 = 19;
/// MariaDB's, from here …
const BLOB_COMPRESSED: u8 = 140;
/// … to here.
const VARCHAR_COMPRESSED: u8 = 141;
const VECTOR: u8 = 242;
const JSON: u8 = 245;
const NEWDECIMAL: u8 = 246;
const ENUM: u8 = 247;
const SET: u8 = 248;
const BLOB: u8 = 252;
const VAR_STRING: u8 = 253;
const STRING: u8 = 254;
const GEOMETRY: u8 = 255;

impl Stored {
    /// Reads the type of the column at this place off a table map's two lists.
    pub(super) fn parse(kind: u8, column: usize, metadata: &mut Cursor<'_>) -> Result<Self, Error> {
        let unsupported = |detail| Error::UnsupportedColumn { column, kind, detail };
        let fraction_digits = |metadata: &mut Cursor<'_>| match metadata.u8("digits of a fraction")? {
            digits @ 0..=6 => Ok(digits),
            _ => Err(metadata.error("at most six digits of a fraction")),
        };
        let len_len = |metadata: &mut Cursor<'_>| match metadata.u8("a length's length")? {
            len @ 1..=4 => Ok(len),
            _ => Err(metadata.error("a length's length from 1 to 4")),
        };
        Ok(match kind {
            TINY => Self::TinyInt,
            SHORT => Self::SmallInt,
            INT24 => Self::MediumInt,
            LONG => Self::Int,
            LONGLONG => Self::BigInt,
            YEAR => Self::Year,
            DATE | NEWDATE => Self::Date,
            TIME => Self::OldTime,
            DATETIME => Self::OldDatetime,
            TIMESTAMP => Self::OldTimestamp,
            FLOAT if metadata.u8("a float's length")? == 4 => Self::Float,
            DOUBLE if metadata.u8("a double's length")? == 8 => Self::Double,
            NEWDECIMAL => match (metadata.u8("a precision")?, metadata.u8("a scale")?) {
                (precision @ 1..=65, scale @ 0..=38) if scale <= precision => {
                    Self::Decimal { precision, scale }
                }
                _ => return Err(metadata.error("a decimal's precision and scale")),
            },
            TIME2 => Self::Time { fraction_digits: fraction_digits(metadata)? },
            DATETIME2 => Self::Datetime { fraction_digits: fraction_digits(metadata)? },
            TIMESTAMP2 => Self::Timestamp { fraction_digits: fraction_digits(metadata)? },
            BIT => {
                let (bits, bytes) = (metadata.u8("bits")?, metadata.u8("bytes")?);
                match u16::from(bytes) * 8 + u16::from(bits) {
                    bits @ 1..=64 => Self::Bit { bits },
                    _ => return Err(metadata.error("1 to 64 bits")),
                }
            }
            VARCHAR | VAR_STRING | VARCHAR_COMPRESSED => Self::Varchar {
                max_len: metadata.u16("a greatest length")?,
                is_compressed: kind == VARCHAR_COMPRESSED,
            },
            BLOB | BLOB_COMPRESSED => {
                Self::Blob { len_len: len_len(metadata)?, is_compressed: kind == BLOB_COMPRESSED }
            }
            JSON => Self::Json { len_len: len_len(metadata)? },
            GEOMETRY => Self::Geometry { len_len: len_len(metadata)? },
            VECTOR => Self::Vector { len_len: len_len(metadata)? },
            STRING => Self::of_string(metadata)?,
            OLD_DECIMAL => {
                return Err(unsupported("a DECIMAL of before MySQL 5: ALTER TABLE … FORCE renews it"));
            }
            _ => return Err(unsupported("a type that is not known: the server is too new")),
        })
    }

    /// Of the type's two bytes the first is the real type. Where the length needs more than eight bits, two more are in that
    /// byte, inverted (`Field_string::do_save_field_metadata`).
    fn of_string(metadata: &mut Cursor<'_>) -> Result<Self, Error> {
        const LEN_BITS: u8 = 0x30;
        let before = metadata.clone();
        let (real, len) = (metadata.u8("a real type")?, metadata.u8("a length")?);
        match real {
            ENUM if (1..=2).contains(&len) => Ok(Self::Enum { len }),
            SET if (1..=8).contains(&len) => Ok(Self::Set { len }),
            _ if real | LEN_BITS == STRING => {
                Ok(Self::Char { max_len: u16::from(len) | u16::from((real & LEN_BITS) ^ LEN_BITS) << 4 })
            }
            _ => Err(before.error("CHAR, BINARY, ENUM or SET")),
        }
    }

    /// Whether it has a bit among those of the table's signedness.
    pub(super) fn is_numeric(self) -> bool {
        matches!(
            self,
            Self::TinyInt
                | Self::SmallInt
                | Self::MediumInt
                | Self::Int
                | Self::BigInt
                | Self::Float
                | Self::Double
                | Self::Decimal { .. }
                | Self::Year
        )
    }

    pub(super) fn is_enum_or_set(self) -> bool {
        matches!(self, Self::Enum { .. } | Self::Set { .. })
    }

    /// Whether it has a collation among those of the table: a vector has that of bytes.
    pub(super) fn is_character(self) -> bool {
        matches!(self, Self::Char { .. } | Self::Varchar { .. } | Self::Blob { .. } | Self::Vector { .. })
    }
}
