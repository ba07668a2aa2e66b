use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::diagnostics::Problem;
use crate::exit::ExitStatus;

/// What flags did not say: asked on a terminal, an error elsewhere.
pub(super) struct Questions {
    can_ask: bool,
}

impl Questions {
    /// Asks if there is somebody at both ends.
    pub(super) fn of_terminal() -> Self {
        Self { can_ask: std::io::stdin().is_terminal() && std::io::stderr().is_terminal() }
    }

    /// Whether there is somebody to ask.
    pub(super) fn can_ask(&self) -> bool {
        self.can_ask
    }

    /// What the flag said, or the answer, or the default.
    pub(super) fn required<T>(
        &self,
        flag: &str,
        question: &str,
        given: Option<T>,
        default: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Problem> {
        if let Some(given) = given {
            return Ok(given);
        }
        let missing = |what: String| {
            Problem::new(
                ExitStatus::Usage,
                "CDC-CLI-009",
                what,
                "give it, or run this on a terminal; see cdc init --help",
            )
        };
        if !self.can_ask {
            let default = default.ok_or_else(|| missing(format!("{flag} is missing: {question}")))?;
            return parse(default).map_err(|why| missing(format!("{flag} is missing: {why}")));
        }
        loop {
            let answer = ask(question, default).ok_or_else(|| missing(format!("{flag}: no answer")))?;
            let answer = if answer.is_empty() { default.unwrap_or_default().to_owned() } else { answer };
            match parse(&answer) {
                Ok(value) if !answer.is_empty() => return Ok(value),
                Ok(_) => {}
                Err(why) => _ = writeln!(std::io::stderr(), "  {why}"),
            }
        }
    }

    /// What the flag said, or the answer, or nothing.
    pub(super) fn optional<T: From<String>>(
        &self,
        question: &str,
        given: impl FnOnce() -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        if let Some(given) = given() {
            return Ok(Some(given));
        }
        let answer = if self.can_ask { ask(question, None) } else { None };
        Ok(answer.filter(|answer| !answer.is_empty()).map(T::from))
    }
}

/// One line; none at the end of the input.
fn ask(question: &str, default: Option<&str>) -> Option<String> {
    let default = default.map(|default| format!(" [{default}]")).unwrap_or_default();
    let mut stderr = std::io::stderr();
    write!(stderr, "{question}{default}: ").and_then(|()| stderr.flush()).ok()?;
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(1..) => Some(line.trim().to_owned()),
        Ok(0) | Err(_) => None,
    }
}
