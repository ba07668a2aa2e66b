use super::{decimal, sized};
use crate::Error;
use crate::binlog::cursor::Cursor;
use crate::binlog::plan::{ColumnPlan, Kind};

impl ColumnPlan {
    /// Passes over the value that is next in a row.
    pub(in crate::binlog) fn skip(&self, row: &mut Cursor<'_>) -> Result<(), Error> {
        let fraction = |digits: u8| usize::from(digits.div_ceil(2));
        let len = match &self.kind {
            Kind::Int { len, .. } | Kind::Bit { len } | Kind::Enum { len, .. } | Kind::Set { len, .. } => {
                (*len).into()
            }
            Kind::Float | Kind::OldTimestamp => 4,
            Kind::Double | Kind::OldDatetime => 8,
            Kind::Decimal { precision, scale } => decimal::len(*precision, *scale),
            Kind::Year => 1,
            Kind::Date | Kind::OldTime => 3,
            Kind::Time { fraction_digits } => 3 + fraction(*fraction_digits),
            Kind::Datetime { fraction_digits } => 5 + fraction(*fraction_digits),
            Kind::Timestamp { fraction_digits } => 4 + fraction(*fraction_digits),
            Kind::Text { len_len, .. }
            | Kind::Bytes { len_len }
            | Kind::Binary { len_len, .. }
            | Kind::Compressed { len_len, .. }
            | Kind::Json { len_len }
            | Kind::JsonText { len_len }
            | Kind::Vector { len_len }
            | Kind::Uuid { len_len }
            | Kind::Inet6 { len_len }
            | Kind::Inet4 { len_len } => {
                sized(row, *len_len)?;
                0
            }
        };
        row.bytes(len, "a value")?;
        Ok(())
    }
}
