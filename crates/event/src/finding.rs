use std::fmt;

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// As the running program would say it: docs/errors.md explains it.
    pub code: &'static str,
    /// Whether the pipeline can run in spite of it.
    pub is_warning: bool,
    /// What was found, why it matters, and the statement or key that mends it.
    pub explanation: Explanation,
}

/// What was found, why it matters, and what mends it: for whoever has to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What was found.
    pub what: String,
    /// Why going on would lose, invent or break something.
    pub why: String,
    /// What to do, and as whom.
    pub mend: String,
    /// The statements that do it, where there are such.
    pub sql: Vec<String>,
}

/// What a look at a database finds, in the order in which it was found.
#[derive(Debug, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// One more, as whoever refuses to run would say it.
    pub fn push(&mut self, finding: impl Into<Finding>) {
        self.0.push(finding.into());
    }

    /// What keeps a pipeline from running, or would make it stop.
    pub fn problem(&mut self, code: &'static str, explanation: Explanation) {
        self.0.push(Finding { code, is_warning: false, explanation });
    }

    /// What a pipeline can run in spite of.
    pub fn warning(&mut self, code: &'static str, explanation: Explanation) {
        self.0.push(Finding { code, is_warning: true, explanation });
    }

    /// All of them.
    pub fn into_vec(self) -> Vec<Finding> {
        self.0
    }
}

impl Explanation {
    /// One that needs no statement.
    pub fn new(what: String, why: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what, why: why.into(), mend: mend.into(), sql: Vec::new() }
    }

    /// The same, mended by these statements.
    #[must_use]
    pub fn with_sql(self, sql: impl IntoIterator<Item = String>) -> Self {
        Self { sql: sql.into_iter().collect(), ..self }
    }
}

/// As one text, for errors and log lines.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}. To mend it: {}", self.what, self.why, self.mend)?;
        match self.sql.as_slice() {
            [] => Ok(()),
            sql => write!(f, ": {}", sql.join(" ")),
        }
    }
}

/// The first few names, and how many more there are.
pub fn list_names<T: fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 10;
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<String> = names.into_iter().take(SHOWN).collect();
    match (shown.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (_, 0) => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}
