//! From the queue of spans to the collector: in batches, each tried a few times, all of them
//! counted by what became of them.

use std::time::Duration;

use hyper::StatusCode;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::http::{Answer, Client};

/// Spans by what became of them: `sent`, `rejected` (by the collector), `failed` (it could not be
/// reached, or did not take them), `dropped` (too many waited).
pub(super) const COUNTER: &str = "signcall_trace_spans_total";
/// Spans of one batch.
const BATCH_MAX: usize = 512;
/// How long a batch is gathered that does not get full.
const GATHER: Duration = Duration::from_secs(1);
/// Attempts at one batch; the queue fills meanwhile.
const ATTEMPTS_MAX: u32 = 3;
/// The pause after the first; it doubles.
const PAUSE: Duration = Duration::from_secs(1);

/// A span, and the role that it is of.
pub(super) struct Taken {
    pub(super) role: &'static str,
    pub(super) span: Span,
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("the collector answered {0}")]
    ForNow(StatusCode),
    #[error("the collector answered {0}: is otlp_endpoint right, and otlp_headers?")]
    ForGood(StatusCode),
}

/// How many of a batch the collector did not want, though it took the batch.
pub(super) fn taken(answer: Answer) -> Result<u64, Refused> {
    let status = answer.status;
    if status.is_success() {
        // An answer that can't be read takes nothing back.
        let said = ExportTraceServiceResponse::decode(answer.body).unwrap_or_default();
        let rejected = said.partial_success.unwrap_or_default().rejected_spans;
        return Ok(u64::try_from(rejected).unwrap_or(0));
    }
    // The protocol's list of answers after which to try again.
    let passes = matches!(status.as_u16(), 429 | 502 | 503 | 504);
    Err(if passes { Refused::ForNow(status) } else { Refused::ForGood(status) })
}

/// Sends what comes out of the queue until it is stopped.
pub(super) struct Exporter {
    client: Client,
    stop: CancellationToken,
    /// Names this process at the collector.
    instance: String,
    failing: bool,
}

impl Exporter {
    pub(super) fn new(client: Client, stop: CancellationToken) -> Self {
        Self { client, stop, instance: Uuid::new_v4().to_string(), failing: false }
    }

    pub(super) async fn run(mut self, mut spans: mpsc::Receiver<Taken>) {
        let stop = self.stop.clone();
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            let first = stop.run_until_cancelled(spans.recv_many(&mut batch, BATCH_MAX)).await;
            if first.is_none_or(|count| count == 0) {
                break;
            }
            let full = async {
                let mut more = true;
                while more && batch.len() < BATCH_MAX {
                    let room = BATCH_MAX - batch.len();
                    more = spans.recv_many(&mut batch, room).await > 0;
                }
            };
            // Full, or late enough, or the end.
            let _ended = tokio::time::timeout(GATHER, stop.run_until_cancelled(full)).await;
            self.send(std::mem::take(&mut batch)).await;
        }
        spans.close();
        while spans.recv_many(&mut batch, BATCH_MAX).await > 0 {
            self.send(std::mem::take(&mut batch)).await;
        }
    }

    async fn send(&mut self, batch: Vec<Taken>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let body = self.request(batch).encode_to_vec();
        match self.attempts(body).await {
            Ok(rejected) => {
                let rejected = rejected.min(count);
                metrics::counter!(COUNTER, "result" => "sent").increment(count - rejected);
                metrics::counter!(COUNTER, "result" => "rejected").increment(rejected);
                if self.failing {
                    tracing::info!("the collector takes traces again");
                }
                self.failing = false;
            }
            Err(error) => {
                metrics::counter!(COUNTER, "result" => "failed").increment(count);
                if !self.failing {
                    let error = format!("{error:#}");
                    tracing::warn!(error, url = %self.client.url(), "traces can't be exported");
                }
                self.failing = true;
            }
        }
    }

    /// Tries until the batch is taken, or refused for good, or often enough.
    async fn attempts(&self, body: Vec<u8>) -> anyhow::Result<u64> {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS_MAX {
            match self.client.post(body.clone()).await.map(taken) {
                Ok(Ok(rejected)) => return Ok(rejected),
                Ok(Err(error @ Refused::ForGood(_))) => return Err(error.into()),
                Ok(Err(Refused::ForNow(_))) | Err(_) => {}
            }
            // At the end there is no time for more than one more.
            let paused = self.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            if paused.is_none() {
                break;
            }
            pause *= 2;
        }
        Ok(taken(self.client.post(body).await?)?)
    }

    /// One message with the spans of each role as those of a service of its own.
    fn request(&self, batch: Vec<Taken>) -> ExportTraceServiceRequest {
        let mut roles: Vec<(&'static str, Vec<Span>)> = Vec::new();
        for Taken { role, span } in batch {
            match roles.iter_mut().find(|(known, _)| *known == role) {
                Some((_, spans)) => spans.push(span),
                None => roles.push((role, vec![span])),
            }
        }
        let resource_spans = roles.into_iter().map(|(role, spans)| {
            let attributes = vec![
                attribute("service.namespace", "signcall"),
                attribute("service.name", &format!("signcall-{role}")),
                attribute("service.version", env!("CARGO_PKG_VERSION")),
                attribute("service.instance.id", &self.instance),
            ];
            let scope = InstrumentationScope { name: role.to_owned(), ..Default::default() };
            ResourceSpans {
                resource: Some(Resource { attributes, ..Resource::default() }),
                scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..Default::default() }],
                ..ResourceSpans::default()
            }
        });
        ExportTraceServiceRequest { resource_spans: resource_spans.collect() }
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}
