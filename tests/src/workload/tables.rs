mod literal;
mod mysql;
mod postgres;

use crate::dialect::Dialect;

/// A table to write to: how it is made, how its rows are addressed, what they hold.
#[derive(Debug)]
pub struct Shape {
    /// Its name, quoted where it must be.
    pub name: &'static str,
    /// What makes it; `{}` stands for the name.
    pub ddl: &'static str,
    /// Columns that address a row, each with the SQL that turns a number, written `$`, into its value.
    pub address: &'static [(&'static str, &'static str)],
    /// Whether the address is a key.
    pub has_key: bool,
    /// All other columns that are written.
    pub values: &'static [(&'static str, Kind)],
}

/// What a column holds.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int,
    Big,
    Numeric,
    Double,
    Bool,
    Text,
    /// Long enough to be stored out of line.
    Toast,
    Bytes,
    Time,
    Timestamp,
    TimestampTz,
    Date,
    Uuid,
    Json,
    Ints,
    Texts,
    Inet,
    Medium,
    UnsignedBig,
    Float,
    /// Longer than a day, or before it.
    Duration,
    Choice,
    Choices,
    Bits,
    Year,
}

/// Of MySQL's, the one whose engine knows no transactions.
pub(super) const WITHOUT_TRANSACTIONS: &str = "plain_3";

/// The twenty tables, in the words of this kind of database.
pub(super) fn of(dialect: Dialect) -> &'static [Shape; 20] {
    match dialect {
        Dialect::Postgres => &postgres::TABLES,
        Dialect::Mysql => &mysql::TABLES,
    }
}
