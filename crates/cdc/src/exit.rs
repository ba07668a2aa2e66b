//! What the process ends with. One list, for `--help`, the documentation and whoever supervises the process.

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Done, or stopped on request with everything saved.
    Done = 0,
    /// Something failed that trying again will not mend.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// `cdc check` found something that would fail or lose data.
    Problems = 3,
    /// The database, the sink or the running pipeline could not be reached.
    Unreachable = 4,
    /// Asked to stop a second time, before everything was saved. Nothing is lost: it is sent again.
    Interrupted = 130,
}

/// The list, as `--help` has it.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
    0  done, or stopped on request with everything saved
    1  something failed that trying again will not mend
    2  the command line or the configuration is wrong
    3  check found something that would fail or lose data
    4  the database, the sink or the running pipeline could not be reached
  130  stopped at once by a second signal; what was not saved is sent again";

impl From<ExitStatus> for std::process::ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_lists_every_code() {
        use ExitStatus::{Done, Failed, Interrupted, Problems, Unreachable, Usage};
        let listed: Vec<u8> =
            EXIT_CODES.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
        let all = [Done, Failed, Usage, Problems, Unreachable, Interrupted];
        assert_eq!(listed, all.map(|status| status as u8));
        let documentation = include_str!("../../../docs/configuration.md");
        for status in all {
            assert!(documentation.contains(&format!("\n| {} | ", status as u8)), "{status:?}");
        }
    }
}
