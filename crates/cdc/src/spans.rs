//! What a pipeline does, as spans for an OpenTelemetry collector, if one is named: OTLP over HTTP, as protobuf.
//!
//! Few and coarse, none for a row: `open` until both ends are open, `load` for each unit of a table, `deliver` for each
//! batch from its hand-over until the sink durably has it, `save` for each checkpoint. Each is a trace of its own: one
//! of the whole run would be months long. Log lines know nothing of them, and without a collector they cost nothing.

mod client;

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::Span;
use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use self::client::Client;
use crate::diagnostics::Problem;
use crate::exit::ExitStatus;

/// What only the exporter sees; not the name of this module, whose own lines are for the log.
pub(crate) const TARGET: &str = "cdc_spans";

/// Sends spans until it is closed. What a collector does not take is dropped.
#[derive(Debug)]
pub(crate) struct Exporter(SdkTracerProvider);

/// How long a collector has to answer; also what the end of the program may wait for.
const PATIENCE: Duration = Duration::from_secs(5);

impl Exporter {
    /// To the collector at this URL, without the path. Headers, batching and sampling are set by OpenTelemetry's own
    /// variables: `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER` and so on.
    pub(crate) fn new(endpoint: &str) -> Result<Self, Problem> {
        let refused = |error: &dyn std::error::Error| {
            let what = format!("spans can't be sent to `{endpoint}`: {error}");
            let help = "name an OpenTelemetry collector's HTTP port, as http://127.0.0.1:4318";
            Problem::new(ExitStatus::Usage, "CDC-OTLP-001", what, help)
        };
        let client = Client::to(endpoint, Handle::current(), PATIENCE).map_err(|error| refused(&error))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| refused(&error))?;
        let mut resource = Resource::builder()
            .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("cdc");
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        Ok(Self(provider))
    }

    /// What turns this program's spans into the collector's.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'span> LookupSpan<'span>,
    {
        let tracer: SdkTracer = self.0.tracer("cdc");
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO))
    }

    /// Sends what is left.
    pub(crate) fn close(&self) {
        // What the collector did not take is told by the client.
        _ = tokio::task::block_in_place(|| self.0.shutdown_with_timeout(PATIENCE));
    }
}

/// Both ends are being opened.
pub(crate) fn open(pipeline: &str) -> Span {
    tracing::info_span!(target: TARGET, parent: None, "open", pipeline)
}

/// A unit of a table is being read; [`loaded`] says of how many rows.
pub(crate) fn load(pipeline: &str, table: &event::TableName) -> Span {
    tracing::info_span!(target: TARGET, parent: None, "load", pipeline, %table, rows = Empty)
}

/// The unit was read to its end.
pub(crate) fn loaded(load: &Span, rows: u64) {
    load.record("rows", rows);
}

/// A batch is on its way to the sink.
pub(crate) fn deliver(pipeline: &str, events: usize, bytes: usize) -> Span {
    tracing::info_span!(target: TARGET, parent: None, "deliver", pipeline, events, bytes)
}

/// The checkpoint is being saved.
pub(crate) fn save(pipeline: &str) -> Span {
    tracing::info_span!(target: TARGET, parent: None, "save", pipeline)
}
