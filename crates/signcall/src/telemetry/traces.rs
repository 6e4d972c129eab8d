//! What became of one request, in every process that had a hand in it, as one trace at a collector
//! (OTLP over HTTP). Nothing of it runs unless `otlp_endpoint` names one.
//!
//! A step is a log event with a field `step`, told by the role that took it, whatever lines are
//! shown; [`layer`] makes a span of it. The trace is the request's id, and a span's id follows from
//! request, command and step ([`identity`]), so that processes have nothing to tell each other that
//! is not in the log anyway. [`export`] sends spans in batches, and rather loses them than makes
//! anybody wait.

mod export;
mod http;
mod identity;
mod layer;

use std::time::Duration;

use anyhow::Result;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::config::Otlp;
use export::Exporter;
use http::Client;
use layer::Spans;

/// Spans that wait to be sent; one more is dropped.
const WAITING_MAX: usize = 8_192;
/// What is left at shutdown may take this long: the roles have had theirs.
const FINISH_WITHIN: Duration = Duration::from_millis(900);

/// The export of this process, if there is one.
pub(crate) struct Traces(Option<Running>);

/// What makes spans out of log events.
type SpanLayer<S> = Box<dyn Layer<S> + Send + Sync>;

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Traces {
    /// Begins to export: what takes the spans, and the handle that ends it.
    pub(super) fn start<S>(otlp: &Otlp) -> Result<(SpanLayer<S>, Self)>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let (sender, spans) = mpsc::channel(WAITING_MAX);
        let stop = CancellationToken::new();
        let exporter = Exporter::new(Client::new(otlp)?, stop.clone());
        let task = tokio::spawn(exporter.run(spans));
        let layer = Spans::new(sender, otlp.share).with_filter(layer::steps()).boxed();
        Ok((layer, Self(Some(Running { stop, task }))))
    }

    /// Nothing is exported.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Sends what waits, if the collector takes it soon.
    pub(crate) async fn finish(self) {
        let Some(Running { stop, mut task }) = self.0 else { return };
        stop.cancel();
        if tokio::time::timeout(FINISH_WITHIN, &mut task).await.is_err() {
            task.abort();
            tracing::warn!("the collector of traces did not take the last spans in time");
        }
    }
}

/// Sends a request without spans: whether the collector is there, and takes what we send.
pub(crate) async fn probe(otlp: &Otlp) -> Result<()> {
    let nothing = ExportTraceServiceRequest::default().encode_to_vec();
    export::taken(Client::new(otlp)?.post(nothing).await?)?;
    Ok(())
}
