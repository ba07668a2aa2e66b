//! A report as Prometheus and OpenMetrics read it. docs/metrics.md lists what is here.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use crate::process::Process;
use crate::status::{Report, State, TableReport};

/// What `/metrics` answers with.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;

/// Tables beyond so many, in the order in which they were first delivered, share one label: their number is the
/// database's choice, and each costs the monitoring several time series for ever.
const TABLES_NAMED: u64 = 1000;

/// The text. A value that is not known at present has no line.
pub(crate) fn text(report: &Report) -> String {
    let mut registry = Registry::default();
    process(&mut registry, &Process::read());
    let ours = registry.sub_registry_with_label(("pipeline".into(), report.pipeline.clone().into()));
    state(ours, report);
    events(ours, report);
    errors(ours, report);
    scans(ours, report);
    for (name, help, value) in gauges(report) {
        gauge(ours, name, help, value);
    }
    let mut text = String::new();
    // Writing to a string fails only if an encoder does, and these are the library's own.
    if encode(&mut text, &registry).is_err() {
        tracing::error!("the metrics could not be written");
    }
    text
}

fn state(registry: &mut Registry, report: &Report) {
    let build = Family::<Labels, Gauge>::default();
    build.get_or_create(&vec![("version", report.version.clone())]).set(1);
    add(registry, "cdc_build_info", "1 for the version that is running", build);
    let name = match report.state {
        State::Starting => "starting",
        State::Loading { .. } => "loading",
        State::Streaming => "streaming",
        State::Waiting { .. } => "waiting",
        State::Stopped { .. } => "stopped",
    };
    let states = ["starting", "loading", "streaming", "waiting", "stopped"];
    add(registry, "cdc_state", "1 for the state that the pipeline is in", one_of("state", states, name));
    if let Some(status) = report.source.slot.as_ref().and_then(|slot| slot.wal_status.as_deref()) {
        let statuses = ["reserved", "extended", "unreserved", "lost"];
        let help = "1 for what the server says of the slot's WAL (pg_replication_slots.wal_status)";
        add(registry, "cdc_slot_wal_status", help, one_of("status", statuses, status));
    }
}

fn events(registry: &mut Registry, report: &Report) {
    let events = Family::<Labels, Counter>::default();
    let bytes = Family::<Labels, Counter>::default();
    for table in &report.tables {
        let is_named = table.number.is_none_or(|number| number < TABLES_NAMED);
        let name = if is_named { table.table.as_str() } else { TableReport::OTHER };
        for (op, count) in &table.events {
            let labels = vec![("table", name.to_owned()), ("op", op.clone())];
            events.get_or_create(&labels).inc_by(*count);
        }
        if table.bytes > 0 {
            bytes.get_or_create(&vec![("table", name.to_owned())]).inc_by(table.bytes);
        }
    }
    // The encoder adds `_total` to counters.
    add(registry, "cdc_events", "Events that became durable in the sink, by table and operation", events);
    add(registry, "cdc_event_bytes", "Encoded bytes that became durable in the sink, by table", bytes);
}

fn errors(registry: &mut Registry, report: &Report) {
    let retries = Counter::<u64>::default();
    retries.inc_by(report.retries);
    let help = "How often both ends were opened anew from the checkpoint after a failure";
    add(registry, "cdc_retries", help, retries);
    let dead_letters = Counter::<u64>::default();
    dead_letters.inc_by(report.dead_letters);
    let help = "Events that the sink's other end refused for good, in its dead-letter file";
    add(registry, "cdc_dead_letters", help, dead_letters);
    let errors = Family::<Labels, Counter>::default();
    for (code, count) in &report.error_counts {
        errors.get_or_create(&vec![("code", code.clone())]).inc_by(*count);
    }
    add(registry, "cdc_errors", "Failures by code (docs/errors.md)", errors);
}

fn scans(registry: &mut Registry, report: &Report) {
    if report.scans.is_empty() {
        return;
    }
    let family = Family::<Labels, Gauge<f64, AtomicU64>>::default;
    let (rows, held, seconds, age) = (family(), family(), family(), family());
    for scan in &report.scans {
        let table = vec![("table", scan.resource.clone())];
        rows.get_or_create(&table).set(scan.rows as f64);
        held.get_or_create(&table).set(scan.held_deletes as f64);
        seconds.get_or_create(&table).set(scan.seconds);
        age.get_or_create(&table).set(scan.seconds_ago as f64);
    }
    add(registry, "cdc_scan_rows", "Rows that the last scan of a polled table read", rows);
    add(
        registry,
        "cdc_scan_held_deletes",
        "Rows that are gone, and whose deletes wait for confirmation",
        held,
    );
    add(registry, "cdc_scan_seconds", "How long the last scan of a polled table took", seconds);
    add(registry, "cdc_scan_age_seconds", "Time since the last scan of a polled table ended", age);
}

fn gauges(report: &Report) -> Vec<(&'static str, &'static str, Option<f64>)> {
    let flag = |flag: bool| Some(f64::from(u8::from(flag)));
    let count = |count: u64| Some(count as f64);
    let slot = report.source.slot.as_ref();
    let load = report.load.unwrap_or_default();
    let age = report.checkpoint.as_ref().and_then(|saved| saved.age_seconds);
    vec![
        ("cdc_healthy", "Whether the pipeline's loop is alive", flag(report.is_healthy)),
        ("cdc_ready", "Whether changes arrive in the sink", flag(report.is_ready)),
        (
            "cdc_lag_bytes",
            "Source's log that the sink does not durably have",
            report.lag_bytes.and_then(count),
        ),
        (
            "cdc_lag_seconds",
            "Time since the source's log went beyond what the sink has, 0 when it has all",
            report.lag_seconds,
        ),
        ("cdc_source_up", "Whether the last look at the database succeeded", {
            report.source.is_reachable.and_then(flag)
        }),
        (
            "cdc_slot_wal_bytes",
            "WAL that the server keeps for the slot",
            slot.and_then(|slot| slot.wal_bytes).and_then(count),
        ),
        (
            "cdc_slot_wal_left_bytes",
            "WAL that may still be written before the slot is lost; absent without a limit",
            slot.and_then(|slot| slot.wal_left_bytes).and_then(count),
        ),
        (
            "cdc_slot_idle_left_seconds",
            "Time until the server may give the slot up because nobody reads it; absent while somebody does",
            slot.and_then(|slot| slot.idle_left_seconds).and_then(count),
        ),
        (
            "cdc_log_purge_left_seconds",
            "Time until the server may purge what is still needed of its binary log; absent without such a limit",
            report.source.purge_left_seconds.and_then(count),
        ),
        ("cdc_in_flight_events", "Events read and not durable yet", count(report.in_flight.events)),
        ("cdc_in_flight_bytes", "Encoded bytes read and not durable yet", count(report.in_flight.bytes)),
        ("cdc_in_flight_batches", "Batches read and not durable yet", count(report.in_flight.batches)),
        ("cdc_checkpoint_age_seconds", "Time since the position was saved", age.and_then(count)),
        ("cdc_load_tables", "Tables that this process was to load", count(load.tables)),
        ("cdc_load_tables_left", "Tables that are still to be loaded", count(load.tables - load.tables_done)),
        ("cdc_load_units", "Tables, or ranges of large ones, that were loaded", count(load.units)),
        ("cdc_load_rows", "Loaded rows that are durable in the sink", count(load.rows)),
        (
            "cdc_load_rows_expected",
            "Rows of the tables to be loaded as the planner guesses; absent where it does not",
            report.load.and_then(|load| load.rows_expected).and_then(count),
        ),
    ]
}

/// By their conventional names, so that dashboards for any process show ours.
fn process(registry: &mut Registry, process: &Process) {
    let memory = process.resident_memory_bytes.map(|bytes| bytes as f64);
    gauge(registry, "process_resident_memory_bytes", "Memory of the process", memory);
    gauge(
        registry,
        "process_start_time_seconds",
        "When the process was started, since 1970",
        process.start_time_seconds,
    );
    if let Some(seconds) = process.cpu_seconds {
        let cpu = Counter::<f64, AtomicU64>::default();
        cpu.inc_by(seconds);
        add(registry, "process_cpu_seconds", "Processor time that the process took", cpu);
    }
}

fn one_of<const N: usize>(label: &'static str, all: [&str; N], one: &str) -> Family<Labels, Gauge> {
    let family = Family::<Labels, Gauge>::default();
    for each in all {
        family.get_or_create(&vec![(label, each.to_owned())]).set(i64::from(each == one));
    }
    family
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: Option<f64>) {
    if let Some(value) = value {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value);
        add(registry, name, help, gauge);
    }
}

fn add(registry: &mut Registry, name: &str, help: &str, metric: impl Metric) {
    registry.register(name, help, metric);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::status::tests::busy;

    #[tokio::test(start_paused = true)]
    async fn the_text_is_as_prometheus_wants_it() {
        let text = text(&busy().await.report());
        for line in [
            "# TYPE cdc_events counter",
            "cdc_events_total{pipeline=\"shop\",table=\"public.orders\",op=\"insert\"} 2",
            "cdc_lag_bytes{pipeline=\"shop\"} 4096.0",
            "cdc_lag_seconds{pipeline=\"shop\"} 7.0",
            "cdc_checkpoint_age_seconds{pipeline=\"shop\"} 7.0",
            "cdc_in_flight_bytes{pipeline=\"shop\"} 1000.0",
            "cdc_in_flight_events{pipeline=\"shop\"} 1.0",
            "cdc_slot_wal_bytes{pipeline=\"shop\"} 5000.0",
            "cdc_slot_wal_left_bytes{pipeline=\"shop\"} 1073741824.0",
            "cdc_slot_idle_left_seconds{pipeline=\"shop\"} 1800.0",
            "cdc_slot_wal_status{pipeline=\"shop\",status=\"reserved\"} 1",
            "cdc_retries_total{pipeline=\"shop\"} 1",
            "cdc_errors_total{pipeline=\"shop\",code=\"CDC-TEST-001\"} 2",
            "cdc_load_tables_left{pipeline=\"shop\"} 1.0",
            "cdc_load_rows_expected{pipeline=\"shop\"} 100.0",
            "cdc_state{pipeline=\"shop\",state=\"streaming\"} 1",
            "cdc_state{pipeline=\"shop\",state=\"waiting\"} 0",
            "cdc_ready{pipeline=\"shop\"} 1.0",
            "# EOF",
        ] {
            assert!(text.lines().any(|each| each == line), "{line} is not in\n{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_no_limit_or_is_not_known_has_no_line() {
        let mut report = busy().await.report();
        let slot = report.source.slot.as_mut().unwrap();
        slot.wal_left_bytes = None;
        assert!(!text(&report).contains("cdc_slot_wal_left_bytes"));
        report.source.slot = None;
        assert!(!text(&report).contains("cdc_slot"));
    }

    #[tokio::test(start_paused = true)]
    async fn tables_above_the_cap_share_a_label() {
        let mut report = busy().await.report();
        let table = report.tables[0].clone();
        report.tables = (0..TABLES_NAMED + 5)
            .map(|number| TableReport {
                table: format!("public.t{number}"),
                number: Some(number),
                ..table.clone()
            })
            .collect();
        let text = text(&report);
        let lines = text.lines().filter(|line| line.starts_with("cdc_events_total")).count();
        assert_eq!(lines as u64, TABLES_NAMED + 1);
        assert!(
            text.contains("cdc_events_total{pipeline=\"shop\",table=\"other\",op=\"insert\"} 10\n"),
            "{text}"
        );
    }

    /// The metrics of the table in docs/metrics.md are those that are served, of the same type.
    #[tokio::test(start_paused = true)]
    async fn every_metric_is_documented_and_nothing_else() {
        let mut report = busy().await.report();
        // Not of the same source as a slot.
        report.source.purge_left_seconds = Some(3600);
        report.scans = vec![crate::status::ScanReport::default()];
        let text = text(&report);
        let served: BTreeSet<(String, String)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
            .map(|(name, kind)| {
                let suffix = if kind == "counter" { "_total" } else { "" };
                (format!("{name}{suffix}"), kind.to_owned())
            })
            .collect();
        let documented: BTreeSet<(String, String)> = include_str!("../../../docs/metrics.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
            .map(|(name, rest)| (name.to_owned(), rest.split(" |").next().unwrap_or_default().to_owned()))
            .collect();
        assert_eq!(served, documented);
        for line in text.lines().filter(|line| line.starts_with("# HELP ")) {
            assert!(line.split_whitespace().count() > 4, "{line}");
        }
    }
}
