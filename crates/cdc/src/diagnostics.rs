//! Errors as people see them: what is wrong, where, why, and what to do.
//!
//! ```text
//! error[CDC-CONFIG-003]: unknown key `tabels` in [source.postgres]
//!   --> cdc.toml:7:1
//!    |
//!  7 | tabels = ["public.*"]
//!    | ^^^^^^
//!   help: did you mean `tables`?
//! ```
//!
//! One look for all of them, whether a line of the configuration or the database is at fault. The codes are stable:
//! docs/errors.md has a section for each.

use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

use event::Failure;

use crate::config::ConfigError;
use crate::exit::ExitStatus;

/// Why a command ends without having done what it was asked for.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The configuration, with its own places to point at.
    Config(ConfigError),
    /// Anything else.
    Other { status: ExitStatus, code: &'static str, what: String, causes: Vec<String>, help: Option<String> },
}

/// One complaint, ready to be written.
#[derive(Debug)]
pub(crate) struct Complaint<'a> {
    pub(crate) code: &'a str,
    pub(crate) what: &'a str,
    pub(crate) place: Option<Place<'a>>,
    pub(crate) causes: &'a [String],
    pub(crate) help: Option<&'a str>,
}

/// A range of a file's text.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) file: &'a Path,
    pub(crate) text: &'a str,
    pub(crate) range: Range<usize>,
}

/// Whether to colour what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Yes,
    No,
}

impl Problem {
    /// A problem of the program's own, with its remedy.
    pub(crate) fn new(status: ExitStatus, code: &'static str, what: String, help: &str) -> Self {
        Self::Other { status, code, what, causes: Vec::new(), help: Some(help.to_owned()) }
    }

    /// The same problem, caused by this.
    pub(crate) fn caused_by(mut self, cause: &(dyn std::error::Error + 'static)) -> Self {
        if let Self::Other { causes, .. } = &mut self {
            causes
                .extend(std::iter::successors(Some(cause), |cause| cause.source()).map(ToString::to_string));
        }
        self
    }

    /// What the process ends with.
    pub(crate) fn status(&self) -> ExitStatus {
        match self {
            Self::Config(_) => ExitStatus::Usage,
            Self::Other { status, .. } => *status,
        }
    }

    /// For a person.
    pub(crate) fn render(&self, colour: Colour) -> String {
        match self {
            Self::Config(error) => error.render(colour),
            Self::Other { code, what, causes, help, .. } => {
                let page = format!("see docs/errors.md#{}", code.to_ascii_lowercase());
                let help =
                    help.as_ref().map_or_else(|| page.clone(), |help| format!("{help}\n        {page}"));
                Complaint { code, what, place: None, causes, help: Some(&help) }.render(colour)
            }
        }
    }
}

/// The causes that say something new: many an error's text repeats its cause's.
pub(crate) fn news(what: &str, cause: Option<&(dyn std::error::Error + 'static)>) -> Vec<String> {
    let mut said = what.to_owned();
    let mut news = Vec::new();
    for cause in std::iter::successors(cause, |cause| cause.source()) {
        let text = cause.to_string();
        if !said.contains(&text) {
            said.push_str(&text);
            news.push(text);
        }
    }
    news
}

/// What could be mended by trying again is something that could not be reached just now.
impl<F: Failure> From<F> for Problem {
    fn from(failure: F) -> Self {
        let status = if failure.is_retryable() { ExitStatus::Unreachable } else { ExitStatus::Failed };
        let problem = Self::Other {
            status,
            code: failure.code(),
            what: failure.to_string(),
            causes: Vec::new(),
            help: None,
        };
        match std::error::Error::source(&failure) {
            Some(cause) => problem.caused_by(cause),
            None => problem,
        }
    }
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl Colour {
    /// As standard error can take it, and as the user wants it (no-color.org).
    pub(crate) fn of_stderr() -> Self {
        Self::of(&std::io::stderr())
    }

    /// The same of standard output.
    pub(crate) fn of_stdout() -> Self {
        Self::of(&std::io::stdout())
    }

    fn of(stream: &impl std::io::IsTerminal) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if stream.is_terminal() && !unwanted { Self::Yes } else { Self::No }
    }

    /// The text in a colour, by the numbers that terminals know it by.
    pub(crate) fn paint(self, codes: &str, text: &str) -> String {
        match self {
            Self::Yes => format!("\x1b[{codes}m{text}\x1b[0m"),
            Self::No => text.to_owned(),
        }
    }
}

impl Complaint<'_> {
    /// As text with a line end.
    pub(crate) fn render(&self, colour: Colour) -> String {
        let mut out = format!(
            "{}: {}\n",
            colour.paint("1;31", &format!("error[{}]", self.code)),
            colour.paint("1", self.what)
        );
        if let Some(place) = &self.place {
            place.render(colour, &mut out);
        }
        for cause in self.causes {
            _ = writeln!(out, "  caused by: {cause}");
        }
        if let Some(help) = self.help {
            _ = writeln!(out, "  {}: {help}", colour.paint("1;36", "help"));
        }
        out
    }
}

impl Place<'_> {
    /// The one line, with a caret under what is meant. No lines around it: they may be none of our business.
    fn render(&self, colour: Colour, out: &mut String) {
        let start = self.range.start.min(self.text.len());
        let before = self.text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let number = before.matches('\n').count() + 1;
        let rest = self.text.get(line_start..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let indent = before.get(line_start..).unwrap_or_default();
        // A range over several lines is marked on its first.
        let end = self.range.end.clamp(start, line_start + line.len().max(start - line_start));
        let marked = self.text.get(start..end).unwrap_or_default();

        let margin = " ".repeat(number.to_string().len());
        let bar = colour.paint("1;34", "|");
        let column = indent.chars().count() + 1;
        _ = writeln!(out, "{margin}  --> {}:{number}:{column}", self.file.display());
        _ = writeln!(out, "{margin}  {bar}");
        _ = writeln!(out, " {number} {bar} {}", line.replace('\t', " "));
        let carets = "^".repeat(marked.chars().count().max(1));
        _ = writeln!(out, "{margin}  {bar} {}{}", " ".repeat(column - 1), colour.paint("1;31", &carets));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, range: Range<usize>) -> String {
        let place = Place { file: Path::new("f"), text, range };
        Complaint { code: "C", what: "w", place: Some(place), causes: &[], help: None }.render(Colour::No)
    }

    #[test]
    fn the_caret_stands_under_what_is_meant() {
        assert_eq!(
            place("a = 1\n\tünï = 2\n", 7..12),
            "error[C]: w\n   --> f:2:2\n   |\n 2 |  ünï = 2\n   |  ^^^\n"
        );
    }

    #[test]
    fn any_range_of_any_text_can_be_shown() {
        for text in ["", "\n", "a", "a\nb\r\n\nc"] {
            for start in 0..8 {
                for end in start..9 {
                    assert!(place(text, start..end).contains("--> f:"), "{text:?} {start}..{end}");
                }
            }
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("connecting to h:5432")]
    struct Refused(#[source] std::io::Error);

    impl Failure for Refused {
        fn is_retryable(&self) -> bool {
            true
        }

        fn code(&self) -> &'static str {
            "CDC-PG-004"
        }
    }

    #[test]
    fn a_cause_that_is_in_the_text_already_is_not_told_again() {
        let cause = std::io::Error::other("refused");
        assert_eq!(news("connecting", Some(&cause)), ["refused"]);
        assert!(news("connecting: refused", Some(&cause)).is_empty());
    }

    #[test]
    fn a_failure_tells_its_code_its_causes_and_its_page() {
        let problem = Problem::from(Refused(std::io::Error::other("connection refused")));
        assert_eq!(problem.status(), ExitStatus::Unreachable);
        assert_eq!(
            problem.render(Colour::No),
            "error[CDC-PG-004]: connecting to h:5432\n  caused by: connection refused\n  \
             help: see docs/errors.md#cdc-pg-004\n"
        );
    }
}
