use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::exit::ExitStatus;

/// Writes a shell's completions to standard output.
pub(crate) fn completions(shell: clap_complete::Shell) -> ExitStatus {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cdc", &mut text);
    // Nobody reads it if the pipe is closed.
    _ = std::io::Write::write_all(&mut std::io::stdout(), &text);
    ExitStatus::Done
}
