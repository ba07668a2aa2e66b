use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use checkpoint::FileStore;
use event::{Failure as _, Position};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wal_reader::{Finding, Known};

use crate::admin;
use crate::config::{Admin, Config, Sink, Source};
use crate::diagnostics::Problem;
use crate::error::Error;
use crate::exit::ExitStatus;
use crate::pipeline;

/// How long a broker may take to accept a connection.
const REACH: Duration = Duration::from_secs(5);

/// Names everything that would fail or lose data later.
pub(crate) async fn check(config: Config) -> Result<ExitStatus, Problem> {
    let checkpoint = FileStore::peek(&config.pipeline.folder())?;
    let position = checkpoint.and_then(|checkpoint| checkpoint.position).map(|Position::Postgres(lsn)| lsn);
    let Source::Postgres(source) = &config.source;
    let options = pipeline::options(source, &config)?;
    let mut findings = wal_reader::check(&options, Known { position }).await.map_err(Error::from)?;
    findings.extend(check_sink(&config.sink).await);
    findings.extend(check_admin(&config.admin));
    let (text, status) = render(&findings);
    // Nobody reads it if the pipe is closed.
    _ = write!(std::io::stdout(), "{text}");
    Ok(status)
}

/// Whether anybody listens where the events are to go. Asks for no more: opening a sink creates topics and streams.
async fn check_sink(sink: &Sink) -> Vec<Finding> {
    let addresses = match sink {
        Sink::Kafka(options) => options.brokers.clone(),
        // Shown without passwords, by commas.
        Sink::Nats(options) => options.servers.to_string().split(',').map(str::to_owned).collect(),
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
    let what = format!("the sink can't be reached ({}). Start it, or mend the addresses", reasons.join("; "));
    vec![Finding { code: "CDC-SINK-003", is_warning: false, what }]
}

/// Whether the admin pages can be guarded as they should be, and are. Not whether the port is free: the pipeline that is
/// checked may be running.
fn check_admin(admin: &Admin) -> Vec<Finding> {
    let broken = admin::check_files(admin).err().map(|error| Finding {
        code: error.code(),
        is_warning: false,
        what: error.to_string(),
    });
    let exposed = admin.exposure().map(|what| Finding { code: admin::EXPOSED, is_warning: true, what });
    broken.into_iter().chain(exposed).collect()
}

/// Problems first.
fn render(findings: &[Finding]) -> (String, ExitStatus) {
    let mut text = String::new();
    let (warnings, problems): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.is_warning);
    for (word, finding) in problems
        .iter()
        .map(|finding| ("problem", finding))
        .chain(warnings.iter().map(|finding| ("warning", finding)))
    {
        _ = writeln!(text, "{word}[{}]: {}\n", finding.code, finding.what);
    }
    if problems.is_empty() {
        _ = writeln!(text, "nothing keeps this pipeline from running ({} warnings)", warnings.len());
        return (text, ExitStatus::Done);
    }
    _ = writeln!(text, "{} problems, {} warnings", problems.len(), warnings.len());
    (text, ExitStatus::Problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_come_first_and_decide_the_status() {
        let finding = |is_warning| Finding { code: "CDC-PG-020", is_warning, what: "x".to_owned() };
        assert_eq!(render(&[finding(true)]).1, ExitStatus::Done);
        let (text, status) = render(&[finding(true), finding(false)]);
        assert_eq!(status, ExitStatus::Problems);
        assert!(text.starts_with("problem[CDC-PG-020]: x\n\nwarning["), "{text}");
    }
}
