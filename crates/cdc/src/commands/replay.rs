use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use event::{BatchLimits, BatchPool, Encoder};
use sinks::{Retention, Start};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::ReplayArgs;
use crate::config::{Config, Sink};
use crate::diagnostics::Problem;
use crate::error::Error;
use crate::exit::ExitStatus;
use crate::pipeline;
use crate::store::Store;

/// Sends what is kept to another sink. Nothing is saved: interrupted, it is begun anew, or from the event that it names.
pub(crate) async fn replay(config: &Config, args: &ReplayArgs) -> Result<ExitStatus, Problem> {
    let target = Config::sink_of(&args.to)?;
    let retention = Retention::open(&config.pipeline.retained(), args.from.clone()).map_err(Error::from)?;
    if retention.kind().is_empty() {
        let what = format!("there are no retained events in {}", config.pipeline.retained().display());
        let help =
            "add a [retain] section to the pipeline's configuration: what it delivers from then on is kept";
        return Err(Problem::new(ExitStatus::Failed, "CDC-CLI-014", what, help));
    }
    let (about, framing) = (pipeline::about(config), retention.framing());
    match &target {
        Sink::Kafka(options) => {
            send(config, retention, sinks::Kafka::open(options, &about).await.map_err(Error::from)?).await
        }
        Sink::Nats(options) => {
            send(config, retention, sinks::Nats::open(options, &about).await.map_err(Error::from)?).await
        }
        Sink::Http(options) => {
            let sink = sinks::Http::open(options, &about, framing).await;
            send(config, retention, sink.map_err(Error::from)?).await
        }
        Sink::File(options) => {
            send(config, retention, sinks::File::open(options, framing).map_err(Error::from)?).await
        }
        Sink::Stdout(options) => {
            send(config, retention, sinks::Stdout::open(*options, framing).map_err(Error::from)?).await
        }
        Sink::Null(options) => send(config, retention, sinks::Null::open(*options)).await,
    }
}

async fn send<K>(config: &Config, mut retention: Retention, mut sink: K) -> Result<ExitStatus, Problem>
where
    K: event::Sink<Error = sinks::Error>,
{
    refuse_own_sink(config, &sink.destination()).await?;
    // They are encoded already: the pool's encoder has nothing to do.
    let pool = BatchPool::new(Encoder::json(config.pipeline.name.as_str(), 1), BatchLimits::default());
    let in_flight = (config.pipeline.buffer_mb.bytes() / BatchLimits::default().bytes).clamp(1, 64) as u64;
    let (mut sent, mut durable, mut events) = (0, 0, 0);
    let mut last = None;
    loop {
        let mut batch = pool.batch();
        let is_more = retention.fill(&mut batch).map_err(Error::from)?;
        if !batch.is_empty() {
            events += batch.len();
            last = batch
                .message(batch.len() - 1)
                .map(|message| String::from_utf8_lossy(message.id).into_owned());
            sink.write(batch).await.map_err(|error| broken_off(error, last.as_deref()))?;
            sent += 1;
        }
        while durable < sent && (!is_more || sent - durable >= in_flight) {
            durable = sink.durable().await.map_err(|error| broken_off(error, last.as_deref()))?;
        }
        if !is_more {
            break;
        }
    }
    let up_to = last.map(|id| format!(" up to {id}")).unwrap_or_default();
    // Nobody reads it if the pipe is closed.
    _ = writeln!(std::io::stderr(), "{events} messages are in {}{up_to}", sink.destination());
    Ok(ExitStatus::Done)
}

/// Whoever reads what the pipeline delivers would see old rows after new ones.
async fn refuse_own_sink(config: &Config, destination: &str) -> Result<(), Problem> {
    let own = Store::peek(config).await?.and_then(|checkpoint| checkpoint.destination);
    if own.as_deref() != Some(destination) {
        return Ok(());
    }
    let what = format!(
        "the pipeline itself delivers to {destination}: its readers would see old rows after new ones"
    );
    let help = "name another sink for the one more consumer";
    Err(Problem::new(ExitStatus::Usage, "CDC-CLI-015", what, help))
}

fn broken_off(error: sinks::Error, last: Option<&str>) -> Problem {
    if let Some(id) = last {
        _ = writeln!(std::io::stderr(), "broken off before all up to {id} was delivered");
    }
    Error::from(error).into()
}

/// What `--from` says.
pub(crate) fn start(text: &str) -> Result<Start, String> {
    if text == "beginning" {
        return Ok(Start::Beginning);
    }
    if text.contains('/') {
        return Ok(Start::Event(text.to_owned()));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if let Some(age) = age(text) {
        return Ok(Start::Time(now.saturating_sub(age).as_millis() as u64));
    }
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
        "is none of: beginning, 90s, 30m, 2h, 3d, 2026-11-22T06:00:00Z, an event's ID".to_owned()
    })?;
    Ok(Start::Time(
        u64::try_from(time.unix_timestamp()).unwrap_or_default() * 1000 + u64::from(time.millisecond()),
    ))
}

fn age(text: &str) -> Option<Duration> {
    let seconds = match text.chars().next_back()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        _ => return None,
    };
    let count: u64 = text.get(..text.len() - 1)?.parse().ok()?;
    Some(Duration::from_secs(count.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_said_in_one_of_four_ways() {
        assert_eq!(start("beginning"), Ok(Start::Beginning));
        assert_eq!(start("shop/1/00/4"), Ok(Start::Event("shop/1/00/4".to_owned())));
        assert_eq!(start("1970-01-01T00:00:01.5Z"), Ok(Start::Time(1500)));
        assert_eq!(start("1970-01-01T02:00:00+02:00"), Ok(Start::Time(0)));
        let (Ok(Start::Time(hour)), Ok(Start::Time(day))) = (start("1h"), start("1d")) else { panic!() };
        assert!(hour > day && hour - day <= 23 * 3_600_000 && hour - day > 22 * 3_600_000);
        for wrong in ["", "h", "1w", "-1h", "yesterday", "2026-11-22", "99999999999999999999d"] {
            assert!(start(wrong).is_err(), "{wrong}");
        }
    }
}
