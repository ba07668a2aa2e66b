use std::fmt::Write as _;
use std::io::Write as _;

use checkpoint::Checkpoint;
use event::{BinlogPosition, Executed, Position};

use crate::config::Config;
use crate::control::{AskError, Reply, Request, ask};
use crate::diagnostics::Problem;
use crate::exit::ExitStatus;
use crate::status::{Report, State};
use crate::store::Store;

/// Tells what the running pipeline does; without one, what the checkpoint says.
/// With `must_be_healthy`, one that gives no sign of life counts as unreachable.
pub(crate) async fn status(
    config: &Config,
    must_be_healthy: bool,
    json: bool,
) -> Result<ExitStatus, Problem> {
    match ask(&config.pipeline.control_socket(), &Request::Status {}).await {
        Ok(Reply::Status(report)) => {
            print(&if json { to_json(&report) } else { table(&report) });
            let is_well = report.is_healthy || !must_be_healthy;
            Ok(if is_well { ExitStatus::Done } else { ExitStatus::Unreachable })
        }
        Ok(Reply::Snapshot { .. } | Reply::Error { .. }) => {
            let what = "the pipeline answered something else".to_owned();
            Err(Problem::new(
                ExitStatus::Failed,
                "CDC-CTL-005",
                what,
                "run the same version of cdc on both sides",
            ))
        }
        Err(AskError::NotRunning { .. }) => {
            let checkpoint = Store::peek(config).await?;
            let name = config.pipeline.name.as_str();
            print(&if json {
                idle_json(name, checkpoint.as_ref())
            } else {
                idle_table(name, checkpoint.as_ref())
            });
            Ok(ExitStatus::Unreachable)
        }
        Err(error) => Err(error.into()),
    }
}

fn print(text: &str) {
    // Nobody reads it if the pipe is closed.
    _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

fn to_json(report: &Report) -> String {
    // A report has nothing that JSON can't hold.
    serde_json::to_string_pretty(report).unwrap_or_default()
}

fn table(report: &Report) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| _ = writeln!(out, "{name:<12} {value}");
    line(
        "pipeline",
        format!("{} (cdc {}, up {})", report.pipeline, report.version, duration(report.uptime_seconds)),
    );
    line("state", state(&report.state));
    line(
        "healthy",
        format!(
            "{}, {}",
            yes(report.is_healthy, "alive", "no sign of life"),
            yes(report.is_ready, "ready", "not ready")
        ),
    );
    line("position", report.position.as_ref().map_or_else(|| "none yet".to_owned(), position));
    if let Some(bytes) = report.lag_bytes {
        let time = report.lag_seconds.map(|seconds| format!(", {seconds:.1} s")).unwrap_or_default();
        line("lag", format!("{}{time}", size(bytes)));
    }
    line("in flight", format!("{} in {} batches", size(report.in_flight.bytes), report.in_flight.batches));
    if let Some(saved) = &report.checkpoint {
        let age = saved.age_seconds.map(|age| format!(", saved {} ago", duration(age))).unwrap_or_default();
        line("checkpoint", format!("{}{age}", position(&saved.position)));
    }
    if let Some(load) = report.load {
        line("load", format!("{} of {} tables, {} rows", load.tables_done, load.tables, load.rows));
    }
    for scan in &report.scans {
        let kind = if scan.is_full { "all" } else { "new" };
        let (inserted, updated, deleted) = (scan.inserted, scan.updated, scan.deleted);
        let found = format!("{inserted} inserted, {updated} updated, {deleted} deleted");
        let when = format!("{} ago, in {:.1} s", duration(scan.seconds_ago), scan.seconds);
        line("scan", format!("{}: {} {kind} rows, {found} ({when})", scan.resource, scan.rows));
        if scan.held_deletes > 0 {
            let (rows, name) = (scan.held_deletes, &scan.resource);
            let answer = format!("cdc resync --table {name} --confirm-deletes");
            line(
                "",
                format!("HELD BACK: {rows} more are gone, too many at once. If that is right: {answer}"),
            );
        }
    }
    line("retries", report.retries.to_string());
    if report.dead_letters > 0 {
        line("dead letters", report.dead_letters.to_string());
    }
    if !report.tables.is_empty() {
        _ = writeln!(out, "\ndelivered since the start");
        let width = report.tables.iter().map(|table| table.table.chars().count()).max().unwrap_or(0);
        for table in &report.tables {
            let events =
                table.events.iter().map(|(op, count)| format!("{op} {count}")).collect::<Vec<_>>().join(", ");
            _ = writeln!(out, "  {:<width$}  {events} ({})", table.table, size(table.bytes));
        }
    }
    if !report.last_errors.is_empty() {
        _ = writeln!(out, "\nlast errors");
        for error in report.last_errors.iter().rev() {
            let times = if error.times > 1 { format!(", {} times", error.times) } else { String::new() };
            _ = writeln!(
                out,
                "  [{}] {} ({} ago{times})",
                error.code,
                error.message,
                duration(error.seconds_ago)
            );
        }
    }
    out
}

fn idle_table(name: &str, checkpoint: Option<&Checkpoint>) -> String {
    let mut out = format!("pipeline     {name}\nstate        not running\n");
    let Some(checkpoint) = checkpoint else {
        out.push_str("checkpoint   none: it never ran with this state_dir\n");
        return out;
    };
    let saved = checkpoint.position.as_ref().map_or_else(|| "none yet".to_owned(), position);
    _ = writeln!(out, "checkpoint   {saved}, epoch {}", checkpoint.epoch);
    let pending = checkpoint.pending_loads().count();
    let loaded = if pending == 0 { String::new() } else { format!(", {pending} still to be loaded") };
    _ = writeln!(out, "tables       {}{loaded}", checkpoint.tables.len());
    out
}

fn idle_json(name: &str, checkpoint: Option<&Checkpoint>) -> String {
    let checkpoint = checkpoint.map(|checkpoint| {
        let pending = checkpoint.pending_loads().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
        let tables = checkpoint.tables.keys().map(ToString::to_string).collect::<Vec<_>>();
        serde_json::json!({
            "position": checkpoint.position, "epoch": checkpoint.epoch, "tables": tables, "pending_loads": pending,
        })
    });
    let report = serde_json::json!({
        "pipeline": name, "state": { "name": "not_running" }, "is_healthy": false, "is_ready": false,
        "checkpoint": checkpoint,
    });
    format!("{report:#}")
}

fn state(state: &State) -> String {
    match state {
        State::Starting => "starting".to_owned(),
        State::Loading { table, done, total } => {
            let table = table.as_ref().map(|table| format!(" {table},")).unwrap_or_default();
            format!("loading{table} {done} of {total} tables done")
        }
        State::Streaming => "streaming".to_owned(),
        State::Waiting { reason } => format!("waiting: {reason}"),
        State::Stopped { code: None, .. } => "stopped".to_owned(),
        State::Stopped { code: Some(code), message } => {
            format!("stopped by [{code}] {}", message.as_deref().unwrap_or_default())
        }
    }
}

pub(super) fn position(position: &Position) -> String {
    match position {
        Position::Postgres(lsn) => lsn.to_string(),
        Position::Binlog(BinlogPosition { offset, executed }) => match executed {
            Executed::Untracked => offset.to_string(),
            Executed::Mysql(executed) => format!("{offset}, {executed}"),
            Executed::Mariadb(executed) => format!("{offset}, {executed}"),
        },
    }
}

fn yes(is: bool, yes: &'static str, no: &'static str) -> &'static str {
    if is { yes } else { no }
}

pub(super) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in units {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86400, seconds % 86400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::tests::busy;

    #[tokio::test(start_paused = true)]
    async fn people_see_this() {
        let mut report = busy().await.report();
        report.version = "0.0.0".to_owned();
        report.tables[0].bytes = 99;
        assert_eq!(
            table(&report),
            "\
pipeline     shop (cdc 0.0.0, up 7 s)
state        streaming
healthy      alive, ready
position     0/10
lag          4.0 KiB, 7.0 s
in flight    1000 B in 1 batches
checkpoint   0/10, saved 7 s ago
load         0 of 1 tables, 0 rows
retries      1

delivered since the start
  public.orders  insert 2 (99 B)

last errors
  [CDC-TEST-001] sending to 127.0.0.1:9092: refused (7 s ago, 2 times)
"
        );
    }

    #[tokio::test]
    async fn without_a_running_pipeline_the_checkpoint_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[pipeline]\nname = \"shop\"\nstate_dir = {:?}\n[source.postgres]\nurl = \"postgres://h/d\"\n[sink.null]\n",
            folder.path()
        );
        let config =
            Config::parse(std::path::Path::new("cdc.toml"), &text, &crate::config::Overrides::default());
        let status = status(&config.unwrap(), false, true).await.unwrap();
        assert_eq!(status, ExitStatus::Unreachable);

        assert!(idle_table("shop", None).contains("it never ran"));
        let source = checkpoint::SourceIdentity::Postgres {
            system_identifier: "7".into(),
            timeline: 1,
            database: "shop".into(),
            slot: "cdc_shop".into(),
        };
        let mut checkpoint = Checkpoint::new(source, 17, 0);
        checkpoint.position = Some(Position::Postgres(event::Lsn::from(0x10)));
        checkpoint.tables.insert(event::TableName::new("public", "orders"), Default::default());
        assert!(
            idle_table("shop", Some(&checkpoint)).contains("checkpoint   0/10, epoch 17\ntables       1\n")
        );
        let json: serde_json::Value = serde_json::from_str(&idle_json("shop", Some(&checkpoint))).unwrap();
        assert_eq!(json["checkpoint"]["tables"][0], "public.orders");
        assert_eq!(json["state"]["name"], "not_running");
    }

    #[test]
    fn sizes_and_durations_are_for_people() {
        assert_eq!([0, 1023, 1024, 5 << 30].map(size), ["0 B", "1023 B", "1.0 KiB", "5.0 GiB"]);
        assert_eq!([59, 61, 3661, 90_000].map(duration), ["59 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
