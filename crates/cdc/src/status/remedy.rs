/// What to do about a failure, as docs/errors.md says: one text for those who read the documentation and those who see
/// the failure happen.
pub(super) fn remedy(code: &str) -> Option<String> {
    let (_, section) = DOCUMENTATION.split_once(&format!("\n### {code}\n"))?;
    let section = section.split("\n##").next()?;
    let (_, advice) = section.split_once("*What to do:*")?;
    let advice = advice.split("\n\n").next()?;
    Some(advice.split_whitespace().collect::<Vec<_>>().join(" "))
}

const DOCUMENTATION: &str = include_str!("../../../../docs/errors.md");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_s_remedy_is_the_documentation_s() {
        assert_eq!(remedy("CDC-PG-006").as_deref(), Some("Wait, or mend the host list."));
        assert_eq!(remedy("CDC-TEST-001"), None);
        assert_eq!(remedy(""), None);
    }

    #[test]
    fn whatever_ends_or_stalls_a_pipeline_has_one() {
        let codes = DOCUMENTATION.lines().filter_map(|line| line.strip_prefix("### "));
        for code in codes.filter(|code| !["CONFIG", "CLI"].iter().any(|part| code.contains(part))) {
            assert!(remedy(code).is_some_and(|remedy| !remedy.is_empty()), "{code}");
        }
    }
}
