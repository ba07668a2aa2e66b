//! All that is said to SAP SQL Anywhere. Written after its manual: its driver is not free, so none of this was run.

use super::View;

/// Text in UTF-8 whatever the database's own character set is.
pub(super) const CONNECTION: &[(&str, &str)] = &[("CharSet", "UTF-8")];

/// `On`, `Off`, or on its way from one to the other (`in_transition_to_on`).
pub(super) const SNAPSHOT_STATE: &str = "SELECT DB_PROPERTY('SnapshotIsolationState')";

/// Quoted identifiers and comparisons with NULL as in standard SQL, which a connection over TDS does not have by default;
/// and formats that do not depend on the database's options.
pub(super) fn session() -> Vec<String> {
    [
        "SET TEMPORARY OPTION quoted_identifier = 'On'",
        "SET TEMPORARY OPTION ansinull = 'On'",
        "SET TEMPORARY OPTION date_format = 'YYYY-MM-DD'",
        "SET TEMPORARY OPTION time_format = 'HH:NN:SS.SSSSSS'",
        "SET TEMPORARY OPTION timestamp_format = 'YYYY-MM-DD HH:NN:SS.SSSSSS'",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The default is 0, which reads what others have not committed and may roll back. Where the database allows snapshots, the
/// whole scan sees one; else each row is committed when it is read.
pub(super) fn isolation(answer: Option<&str>) -> (&'static [&'static str], View) {
    match answer {
        Some(state) if state.eq_ignore_ascii_case("on") => {
            (&["SET TEMPORARY OPTION isolation_level = 'snapshot'"], View::Consistent)
        }
        _ => (&["SET TEMPORARY OPTION isolation_level = 1"], View::Committed),
    }
}

/// From the catalog of version 10 and later. Names are compared as the database compares them, which by default knows no
/// case. Without an owner: whosever table it is that the name finds first.
pub(super) fn columns(parts: &[String]) -> String {
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let (owner, table) = match parts {
        [.., owner, table] => (format!(" AND u.user_name = {}", literal(owner)), literal(table)),
        [table] => (String::new(), literal(table)),
        [] => (String::new(), "''".to_owned()),
    };
    format!(
        "SELECT c.column_name, d.domain_name, '0', '-1', CAST(k.sequence + 1 AS VARCHAR(8)) \
         FROM SYS.SYSTAB t \
         JOIN SYS.SYSUSER u ON u.user_id = t.creator \
         JOIN SYS.SYSTABCOL c ON c.table_id = t.table_id \
         JOIN SYS.SYSDOMAIN d ON d.domain_id = c.domain_id \
         LEFT JOIN SYS.SYSIDX i ON i.table_id = t.table_id AND i.index_category = 1 \
         LEFT JOIN SYS.SYSIDXCOL k ON k.table_id = i.table_id AND k.index_id = i.index_id AND k.column_id = c.column_id \
         WHERE t.table_name = {table}{owner} ORDER BY c.column_id"
    )
}

#[cfg(test)]
mod tests {
    use event::Column;

    use super::super::Dialect;
    use super::*;

    fn parts(name: &str) -> Vec<String> {
        name.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn its_catalog_is_asked_with_literals_that_cannot_be_left() {
        let with_owner = columns(&parts("DBA.O'Brien"));
        assert!(with_owner.contains("t.table_name = 'O''Brien' AND u.user_name = 'DBA'"), "{with_owner}");
        assert!(!columns(&parts("customers")).contains("user_name ="));
        for view in ["SYSTAB", "SYSTABCOL", "SYSIDX ", "SYSIDXCOL", "SYSDOMAIN"] {
            assert!(with_owner.contains(&format!("SYS.{view}")), "{view}");
        }
        // The primary key is category 1 (SYSIDX in the manual); 2 is a foreign key, 3 any other index.
        assert!(with_owner.contains("index_category = 1"));
    }

    #[test]
    fn dirty_reads_cannot_happen() {
        assert_eq!(
            isolation(Some("On")),
            (&["SET TEMPORARY OPTION isolation_level = 'snapshot'"][..], View::Consistent)
        );
        for other in [Some("Off"), Some("in_transition_to_on"), None] {
            let (statements, view) = isolation(other);
            assert_eq!(
                (statements, view),
                (&["SET TEMPORARY OPTION isolation_level = 1"][..], View::Committed)
            );
        }
    }

    #[test]
    fn its_session_has_quoted_identifiers_and_pinned_formats() {
        let session = Dialect::SqlAnywhere.session(std::time::Duration::ZERO);
        assert!(session.iter().any(|statement| statement.contains("quoted_identifier = 'On'")));
        assert!(session.iter().all(|statement| statement.starts_with("SET TEMPORARY OPTION ")));
        assert_eq!(Dialect::SqlAnywhere.connection_defaults(), [("CharSet", "UTF-8")]);
    }

    #[test]
    fn a_table_is_read_by_one_cursor_with_quoted_names() {
        assert_eq!(Dialect::SqlAnywhere.table(&parts("DBA.cust\"omers")), "\"DBA\".\"cust\"\"omers\"");
        let column =
            Column { name: "Name".into(), type_name: "long varchar".into(), type_oid: 0, type_modifier: -1 };
        let asked = Dialect::SqlAnywhere.ask(column);
        // No STRING(), no ||: both make a NULL an empty text.
        assert_eq!(asked.expression, "\"Name\"");
    }

    #[test]
    fn it_is_known_by_both_of_its_names() {
        assert_eq!(Dialect::of_product("SQL Anywhere"), Dialect::SqlAnywhere);
        assert_eq!(Dialect::of_product("Adaptive Server Anywhere"), Dialect::SqlAnywhere);
    }
}
