use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use checkpoint::SourceIdentity;
use event::{Explanation, Failure as _, Finding, Position};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::task::block_in_place;
use tokio::time::timeout;
use wal_reader::Known;

use crate::admin;
use crate::config::{Admin, Config, Sink, Source};
use crate::control::{Request, ask};
use crate::diagnostics::{Colour, Problem};
use crate::error::Error;
use crate::exit::ExitStatus;
use crate::pipeline;
use crate::store::Store;

/// How long a broker may take to accept a connection.
const REACH: Duration = Duration::from_secs(5);

/// Names everything that would fail or lose data later.
pub(crate) async fn check(config: &Config, json: bool) -> Result<ExitStatus, Problem> {
    let findings = findings(config).await?;
    let text = if json { to_json(&findings) } else { render(&findings, Colour::of_stdout()) };
    // Nobody reads it if the pipe is closed.
    _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    let is_fine = findings.iter().all(|finding| finding.is_warning);
    Ok(if is_fine { ExitStatus::Done } else { ExitStatus::Problems })
}

/// What is not as it should be.
pub(super) async fn findings(config: &Config) -> Result<Vec<Finding>, Problem> {
    let checkpoint = Store::peek(config).await?;
    let mut findings = match &config.source {
        Source::Postgres(source) => {
            let options = pipeline::options(source, config)?;
            let position =
                checkpoint.and_then(|checkpoint| checkpoint.position).and_then(|position| match position {
                    Position::Postgres(lsn) => Some(lsn),
                    Position::Binlog(_) => None,
                });
            let is_running = ask(&config.pipeline.control_socket(), &Request::Status {}).await.is_ok();
            let state = config.pipeline.folder().display().to_string();
            let known = Known { position, is_running, state };
            wal_reader::check(&options, known).await.map_err(Error::from)?
        }
        Source::Mysql(source) => {
            let options = pipeline::mysql::options(source, config)?;
            let known = checkpoint.and_then(|checkpoint| match (checkpoint.source, checkpoint.position) {
                (SourceIdentity::Binlog { server, base }, Some(Position::Binlog(position))) => {
                    Some(binlog_reader::Known { server, base, position })
                }
                _ => None,
            });
            binlog_reader::check(&options, known.as_ref()).await.map_err(Error::from)?
        }
        Source::Odbc(source) => {
            let options = pipeline::poll::options(source, config)?;
            block_in_place(|| poll_reader::check(&options))
        }
    };
    findings.extend(check_sink(config).await);
    findings.extend(check_admin(&config.admin));
    Ok(findings)
}

/// Findings for a person, problems first.
pub(super) fn render(findings: &[Finding], colour: Colour) -> String {
    let mut text = String::new();
    for finding in problems_first(findings) {
        let (word, codes) = if finding.is_warning { ("warning", "1;33") } else { ("problem", "1;31") };
        let Explanation { what, why, mend, sql } = &finding.explanation;
        let (title, why_is, mend_by) =
            (format!("{word}[{}]", finding.code), colour.paint("1;36", "why"), colour.paint("1;36", "mend"));
        _ = writeln!(text, "{}: {}", colour.paint(codes, &title), colour.paint("1", what));
        _ = writeln!(text, "   {why_is}: {why}");
        // Statements stand on lines of their own, without anything that would have to be taken off again.
        _ = writeln!(text, "  {mend_by}: {mend}{}", if sql.is_empty() { "" } else { ":\n" });
        for statement in sql {
            _ = writeln!(text, "{}", colour.paint("32", statement));
        }
        _ = writeln!(text, "{}   see: {}\n", if sql.is_empty() { "" } else { "\n" }, page(finding.code));
    }
    let warnings = findings.iter().filter(|finding| finding.is_warning).count();
    let (problems, warnings) = (findings.len() - warnings, counted(warnings, "warning"));
    _ = match problems {
        0 => writeln!(text, "nothing keeps this pipeline from running ({warnings})"),
        problems => writeln!(text, "{}, {warnings}", counted(problems, "problem")),
    };
    text
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// The same for machines.
fn to_json(findings: &[Finding]) -> String {
    #[derive(Serialize)]
    struct Found<'f> {
        code: &'f str,
        severity: &'static str,
        what: &'f str,
        why: &'f str,
        mend: &'f str,
        sql: &'f [String],
        page: String,
    }
    let found: Vec<Found<'_>> = problems_first(findings)
        .map(|Finding { code, is_warning, explanation: Explanation { what, why, mend, sql } }| Found {
            code,
            severity: if *is_warning { "warning" } else { "problem" },
            what,
            why,
            mend,
            sql,
            page: page(code),
        })
        .collect();
    // Texts have nothing that JSON can't hold.
    serde_json::to_string_pretty(&serde_json::json!({ "findings": found })).unwrap_or_default()
}

fn problems_first(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    let problems = findings.iter().filter(|finding| !finding.is_warning);
    problems.chain(findings.iter().filter(|finding| finding.is_warning))
}

fn page(code: &str) -> String {
    format!("docs/errors.md#{}", code.to_ascii_lowercase())
}

/// Whether anybody listens where the events are to go. Asks for no more: opening a sink creates topics and streams. An HTTP
/// receiver gets an empty batch, as at each start.
async fn check_sink(config: &Config) -> Vec<Finding> {
    let (addresses, key) = match &config.sink {
        Sink::Kafka(options) => (options.brokers.clone(), "[sink.kafka] brokers"),
        // Shown without passwords, by commas.
        Sink::Nats(options) => {
            (options.servers.to_string().split(',').map(str::to_owned).collect(), "[sink.nats] servers")
        }
        Sink::Http(options) => {
            let asked = sinks::Http::ask(options, &pipeline::about(config), config.format.framing()).await;
            return asked.err().map(refused_by_receiver).into_iter().collect();
        }
        Sink::File(_) | Sink::Stdout(_) | Sink::Null(_) => return Vec::new(),
    };
    let mut reasons = Vec::new();
    for address in &addresses {
        let place = address.split_once("://").map_or(address.as_str(), |(_, place)| place);
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        match timeout(REACH, TcpStream::connect(place)).await {
            Ok(Ok(_)) => return Vec::new(),
            Ok(Err(error)) => reasons.push(format!("{place}: {error}")),
            Err(_) => reasons.push(format!("{place}: no answer within {} s", REACH.as_secs())),
        }
    }
    let explanation = Explanation::new(
        format!("the sink can't be reached ({})", reasons.join("; ")),
        "the pipeline waits for it, and meanwhile the database keeps its log",
        format!("start it, or correct {key}"),
    );
    vec![Finding { code: "CDC-SINK-003", is_warning: false, explanation }]
}

fn refused_by_receiver(error: sinks::Error) -> Finding {
    let explanation = Explanation::new(
        error.to_string(),
        "the pipeline can't deliver anything there, and meanwhile the database keeps its log",
        "as it says; the page of the code has more",
    );
    Finding { code: error.code(), is_warning: false, explanation }
}

/// Whether the admin pages can be guarded as they should be, and are. Not whether the port is free: the pipeline that is
/// checked may be running.
fn check_admin(admin: &Admin) -> Vec<Finding> {
    let broken = admin::check_files(admin).err().map(|error| Finding {
        code: error.code(),
        is_warning: false,
        explanation: Explanation::new(
            error.to_string(),
            "the pipeline does not start without what is to guard its pages",
            "mend the file, or name another",
        ),
    });
    let exposed = admin.exposure().map(|(what, mend)| Finding {
        code: admin::EXPOSED,
        is_warning: true,
        explanation: Explanation::new(
            what,
            "whoever reaches the pages reads names of tables, errors and the configuration",
            mend,
        ),
    });
    broken.into_iter().chain(exposed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> [Finding; 2] {
        let explanation = Explanation::new("it is so".to_owned(), "it hurts", "as the owner")
            .with_sql(["ALTER TABLE t;".to_owned()]);
        let problem = Finding { code: "CDC-PG-031", is_warning: false, explanation };
        let explanation = Explanation::new("it is odd".to_owned(), "it may hurt", "look");
        [Finding { code: "CDC-PG-038", is_warning: true, explanation }, problem]
    }

    #[test]
    fn a_finding_says_what_why_and_how_to_mend_it() {
        let text = render(&findings(), Colour::No);
        let expected = "problem[CDC-PG-031]: it is so\n   why: it hurts\n  mend: as the owner:\n\nALTER TABLE t;\n\n   \
                        see: docs/errors.md#cdc-pg-031\n\nwarning[CDC-PG-038]: it is odd\n   why: it may hurt\n  \
                        mend: look\n   see: docs/errors.md#cdc-pg-038\n\n1 problem, 1 warning\n";
        assert_eq!(text, expected);
        assert!(render(&findings(), Colour::Yes).contains("\x1b[32mALTER TABLE t;\x1b[0m\n"));
        assert_eq!(render(&[], Colour::No), "nothing keeps this pipeline from running (no warnings)\n");
    }

    #[test]
    fn machines_are_told_the_same() {
        let told: serde_json::Value = serde_json::from_str(&to_json(&findings())).unwrap();
        assert_eq!(told["findings"][0]["severity"], "problem");
        assert_eq!(told["findings"][0]["sql"][0], "ALTER TABLE t;");
        assert_eq!(told["findings"][1]["page"], "docs/errors.md#cdc-pg-038");
    }
}
