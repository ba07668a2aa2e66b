use event::{Explanation, Finding};

/// What is known against a server of this version, such as 150004 for 15.4.
pub fn version(version_num: u32) -> Option<Finding> {
    let (major, minor) = (version_num / 10_000, version_num % 10_000);
    let warning = |code, explanation| Some(Finding { code, is_warning: true, explanation });
    if major < 14 {
        let what = format!("the server is PostgreSQL {major}");
        let why = "tested are 14 to 18";
        return warning("CDC-PG-036", Explanation::new(what, why, "upgrade it, or test with care"));
    }
    let (_, mended) = MENDED.into_iter().find(|(of, mended)| *of == major && minor < *mended)?;
    let what = format!("the server is PostgreSQL {major}.{minor}");
    let why = "when a table or a publication is altered beside open transactions, it goes on decoding by what they were \
               before: rows come without new columns, or not at all, and nothing tells";
    let mend = format!("upgrade it to {major}.{mended} or later, which takes a restart");
    warning("CDC-PG-045", Explanation::new(what, why, mend))
}

/// Since when a change of the catalog is told to transactions that run meanwhile ("Avoid data loss when DDL operations
/// that don't take a strong lock affect tables that are being logically replicated", release notes of 8 May 2025).
const MENDED: [(u32, u32); 4] = [(14, 18), (15, 13), (16, 9), (17, 5)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_loses_rows_is_told_with_what_mends_it() {
        let code = |number| version(number).map(|finding| finding.code);
        assert_eq!(code(90_624), Some("CDC-PG-036"));
        assert_eq!(code(130_023), Some("CDC-PG-036"));
        for (major, mended) in MENDED {
            assert_eq!(code(major * 10_000 + mended - 1), Some("CDC-PG-045"), "{major}");
            assert_eq!(code(major * 10_000 + mended), None, "{major}");
        }
        assert_eq!(code(180_000), None);
        let said = version(150_004).unwrap().explanation.to_string();
        assert!(
            said.starts_with("the server is PostgreSQL 15.4:") && said.contains("upgrade it to 15.13"),
            "{said}"
        );
    }
}
