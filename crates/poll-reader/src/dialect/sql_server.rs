use super::View;

/// 1 where the database keeps versions of rows for `SNAPSHOT`.
pub(super) const SNAPSHOT_STATE: &str =
    "SELECT CAST(snapshot_isolation_state AS VARCHAR(8)) FROM sys.databases WHERE database_id = DB_ID()";

pub(super) fn session() -> Vec<String> {
    ["SET LOCK_TIMEOUT 60000", "SET DATEFORMAT ymd"].map(str::to_owned).to_vec()
}

/// Without versions of rows, `READ COMMITTED`: never dirty, but a row that moves may be seen twice or not at all, and
/// `SERIALIZABLE` would lock the table for as long as the scan takes.
pub(super) fn isolation(answer: Option<&str>) -> (&'static [&'static str], View) {
    match answer {
        Some("1") => (&["SET TRANSACTION ISOLATION LEVEL SNAPSHOT"], View::Consistent),
        _ => (&["SET TRANSACTION ISOLATION LEVEL READ COMMITTED"], View::Committed),
    }
}
