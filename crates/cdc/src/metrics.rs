//! A report as Prometheus and OpenMetrics read it.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use crate::status::{Report, State};

/// What `/metrics` answers with.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;

/// The text. A value that is not known at present has no line.
pub(crate) fn text(report: &Report) -> String {
    let mut registry =
        Registry::with_labels(std::iter::once(("pipeline".into(), report.pipeline.clone().into())));
    events(&mut registry, report);
    errors(&mut registry, report);
    state(&mut registry, report);
    let seconds = |seconds: u64| Some(seconds as f64);
    for (name, help, value) in [
        (
            "cdc_lag_bytes",
            "Bytes of the source's log not read yet",
            report.lag_bytes.map(|bytes| bytes as f64),
        ),
        (
            "cdc_lag_seconds",
            "Time since the source's log went beyond what was read, 0 when all is read",
            report.lag_seconds,
        ),
        (
            "cdc_checkpoint_age_seconds",
            "Time since the position was saved",
            report.checkpoint.and_then(|saved| seconds(saved.age_seconds?)),
        ),
        (
            "cdc_in_flight_bytes",
            "Encoded bytes read and not durable yet",
            Some(report.in_flight.bytes as f64),
        ),
        ("cdc_in_flight_batches", "Batches read and not durable yet", Some(report.in_flight.batches as f64)),
        ("cdc_load_rows", "Rows read by loads", report.load.map(|load| load.rows as f64)),
        ("cdc_load_tables", "Tables to be read by loads", report.load.map(|load| load.tables as f64)),
        ("cdc_load_tables_done", "Tables read by loads", report.load.map(|load| load.tables_done as f64)),
        ("cdc_uptime_seconds", "Time since the pipeline was started", seconds(report.uptime_seconds)),
    ] {
        if let Some(value) = value {
            let gauge = Gauge::<f64, AtomicU64>::default();
            gauge.set(value);
            registry.register(name, help, gauge);
        }
    }
    let mut text = String::new();
    // Writing to a string fails only if an encoder does, and these are the library's own.
    if encode(&mut text, &registry).is_err() {
        tracing::error!("the metrics could not be written");
    }
    text
}

fn events(registry: &mut Registry, report: &Report) {
    let events = Family::<Labels, Counter>::default();
    let bytes = Family::<Labels, Counter>::default();
    for table in &report.tables {
        for (op, count) in &table.events {
            let labels = vec![("table", table.table.clone()), ("op", op.clone())];
            events.get_or_create(&labels).inc_by(*count);
        }
        bytes.get_or_create(&vec![("table", table.table.clone())]).inc_by(table.bytes);
    }
    // The encoder adds `_total` to counters.
    add(registry, "cdc_events", "Events that are durable in the sink", events);
    add(registry, "cdc_event_bytes", "Encoded bytes that are durable in the sink", bytes);
}

fn errors(registry: &mut Registry, report: &Report) {
    let retries = Counter::<u64>::default();
    retries.inc_by(report.retries);
    add(registry, "cdc_retries", "How often both ends were opened anew after a failure", retries);
    let errors = Family::<Labels, Counter>::default();
    for (code, count) in &report.error_counts {
        errors.get_or_create(&vec![("code", code.clone())]).inc_by(*count);
    }
    add(registry, "cdc_errors", "Failures by code", errors);
}

fn state(registry: &mut Registry, report: &Report) {
    let state = Family::<Labels, Gauge>::default();
    let name = match report.state {
        State::Starting => "starting",
        State::Loading { .. } => "loading",
        State::Streaming => "streaming",
        State::Waiting { .. } => "waiting",
        State::Stopped { .. } => "stopped",
    };
    for each in ["starting", "loading", "streaming", "waiting", "stopped"] {
        state.get_or_create(&vec![("state", each.to_owned())]).set(i64::from(each == name));
    }
    add(registry, "cdc_state", "1 for the state that the pipeline is in", state);
    let ready = Gauge::<i64>::default();
    ready.set(i64::from(report.is_ready));
    add(registry, "cdc_ready", "Whether changes arrive in the sink", ready);
}

fn add(registry: &mut Registry, name: &str, help: &str, metric: impl Metric) {
    registry.register(name, help, metric);
}

#[cfg(test)]
mod tests {
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
            "cdc_retries_total{pipeline=\"shop\"} 1",
            "cdc_errors_total{pipeline=\"shop\",code=\"CDC-TEST-001\"} 2",
            "cdc_state{pipeline=\"shop\",state=\"streaming\"} 1",
            "cdc_state{pipeline=\"shop\",state=\"waiting\"} 0",
            "cdc_ready{pipeline=\"shop\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|each| each == line), "{line} is not in\n{text}");
        }
        let without_type = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split('{').next())
            .filter(|name| !text.contains(&format!("# TYPE {} ", name.trim_end_matches("_total"))))
            .count();
        assert_eq!(without_type, 0, "{text}");
    }
}
