//! Statements of the log that begin, part and end transactions, as servers write them.

/// What a statement does to the transaction that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control<'s> {
    Begin,
    Commit,
    /// All of it is taken back.
    Rollback,
    Savepoint(&'s str),
    /// What came after the savepoint is taken back.
    RollbackTo(&'s str),
    Release(&'s str),
    /// A transaction of two phases begins, by its xid as servers write it.
    XaStart(&'s str),
    XaEnd,
    XaCommit(&'s str),
    XaRollback(&'s str),
}

impl<'s> Control<'s> {
    /// None for any other statement. Servers write these themselves, in this form.
    pub(crate) fn of(text: &'s str) -> Option<Self> {
        let text = text.trim();
        let words = |words: &str| {
            let (head, rest) = text.split_at_checked(words.len())?;
            let is_whole = rest.is_empty() || rest.starts_with(' ');
            (is_whole && head.eq_ignore_ascii_case(words)).then(|| rest.trim())
        };
        // `/* xid=11 */` and the like may follow.
        let alone = |head: &str| words(head).is_some_and(|rest| rest.is_empty() || rest.starts_with("/*"));
        if alone("BEGIN") {
            Some(Self::Begin)
        } else if alone("COMMIT") {
            Some(Self::Commit)
        } else if alone("ROLLBACK") {
            Some(Self::Rollback)
        } else if let Some(name) = words("ROLLBACK TO SAVEPOINT").or_else(|| words("ROLLBACK TO")) {
            Some(Self::RollbackTo(name))
        } else if let Some(name) = words("RELEASE SAVEPOINT") {
            Some(Self::Release(name))
        } else if let Some(name) = words("SAVEPOINT") {
            Some(Self::Savepoint(name))
        } else if let Some(xid) = words("XA START").or_else(|| words("XA BEGIN")) {
            Some(Self::XaStart(xid))
        } else if words("XA END").is_some() {
            Some(Self::XaEnd)
        } else if let Some(xid) = words("XA COMMIT") {
            Some(Self::XaCommit(xid.trim_end_matches("ONE PHASE").trim_end()))
        } else {
            words("XA ROLLBACK").map(Self::XaRollback)
        }
    }
}

/// The xid as servers write it into statements.
pub(crate) fn xid_text(xid: &decoder::binlog::Xid<'_>) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("X'{}',X'{}',{}", hex(xid.global), hex(xid.branch), xid.format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_by_their_words() {
        assert_eq!(Control::of("BEGIN"), Some(Control::Begin));
        assert_eq!(Control::of("COMMIT /* xid=4 */"), Some(Control::Commit));
        assert_eq!(Control::of("ROLLBACK TO `a b`"), Some(Control::RollbackTo("`a b`")));
        assert_eq!(Control::of("SAVEPOINT `a`"), Some(Control::Savepoint("`a`")));
        assert_eq!(Control::of("RELEASE SAVEPOINT `a`"), Some(Control::Release("`a`")));
        assert_eq!(Control::of("XA START X'7831',X'',1"), Some(Control::XaStart("X'7831',X'',1")));
        assert_eq!(
            Control::of("XA COMMIT X'7831',X'',1 ONE PHASE"),
            Some(Control::XaCommit("X'7831',X'',1"))
        );
        assert_eq!(Control::of("BEGINNING"), None);
        assert_eq!(Control::of("COMMIT AND CHAIN"), None);
        let xid = decoder::binlog::Xid { format: 1, global: b"x1", branch: b"" };
        assert_eq!(xid_text(&xid), "X'7831',X'',1");
    }
}
