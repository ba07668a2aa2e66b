//! Where a transaction comes from, and whether it is sent.

use decoder::binlog::{RowPlan, Rows};
use event::Cell;

/// The table whose row, where a transaction begins with one, says where the transaction comes from: its first column with
/// text does. It works on every server and needs no privilege but that to write to it.
pub(crate) const MARKER_TABLE: &str = "cdc_origin";

/// Whether transactions of this origin are dropped. Of a GTID's tag, the tag alone may be given.
pub(crate) fn is_dropped(origin: &str, drop_origins: &[String]) -> bool {
    drop_origins.iter().any(|dropped| {
        let tag = dropped.strip_prefix(':').unwrap_or(dropped);
        dropped == origin || origin.split_once(':').is_some_and(|(uuid, found)| is_uuid(uuid) && found == tag)
    })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// What a marker row says.
pub(crate) fn of_marker(rows: &Rows<'_>, plan: &RowPlan) -> Result<Option<String>, decoder::Error> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    rows.changes(plan)?.read(&mut before, &mut after)?;
    let said = after.iter().chain(&before).find_map(|cell| match cell {
        Cell::Text(text) => Some(text.to_string()),
        _ => None,
    });
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_dropped_by_their_text_or_their_tag() {
        const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let dropped = |origin: &str, drop: &str| is_dropped(origin, &[drop.to_owned()]);
        let tagged = format!("{UUID}:branch_7");
        assert!(dropped(&tagged, &tagged) && dropped(&tagged, ":branch_7") && dropped(&tagged, "branch_7"));
        assert!(!dropped(&tagged, UUID) && !dropped(&tagged, "branch"));
        assert!(dropped(UUID, UUID) && dropped("server_id=7", "server_id=7"));
        assert!(dropped("cdc:branch-7", "cdc:branch-7") && !dropped("cdc:branch-7", "branch-7"));
        assert!(!is_dropped(UUID, &[]));
    }
}
