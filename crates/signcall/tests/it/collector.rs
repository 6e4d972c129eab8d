//! A collector of traces: a socket that takes OTLP over HTTP and keeps every span, or refuses them
//! for as long as it is told to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Until a span must have come: gathering takes a second, a busy machine some more.
const WITHIN: Duration = Duration::from_secs(30);

/// A span, and which process it is from.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) service: String,
    pub(crate) instance: String,
    pub(crate) span: Span,
}

/// What has been taken so far.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) spans: Vec<Told>,
    /// All bodies, as they came.
    pub(crate) bodies: Vec<u8>,
    /// The heads, in lower case.
    pub(crate) heads: Vec<String>,
    /// How many messages were not taken.
    refused: usize,
}

/// Listens on loopback.
pub(crate) struct Collector {
    pub(crate) url: String,
    taken: Arc<Mutex<Taken>>,
    status: Arc<AtomicU16>,
}

impl Collector {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (taken, status) = (Arc::<Mutex<Taken>>::default(), Arc::new(AtomicU16::new(200)));
        let (keep, answer) = (Arc::clone(&taken), Arc::clone(&status));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (keep, answer) = (Arc::clone(&keep), Arc::clone(&answer));
                // Who hangs up in the middle has sent nothing.
                tokio::spawn(async move { take(stream, &keep, &answer).await });
            }
        });
        Self { url, taken, status }
    }

    /// Answers with this from now on; what is not taken with 200 is not kept.
    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
        self.taken.lock().unwrap().refused = 0;
    }

    /// Waits until what was taken has something.
    pub(crate) async fn until<T>(&self, what: &str, find: impl Fn(&Taken) -> Option<T>) -> T {
        let until = Instant::now() + WITHIN;
        loop {
            if let Some(found) = self.look(&find) {
                return found;
            }
            if Instant::now() > until {
                let names: Vec<_> = self
                    .look(|taken| taken.spans.iter().map(|told| told.span.name.clone()).collect());
                panic!("no {what} among {names:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a message was not taken.
    pub(crate) async fn wait_for_refusal(&self) {
        self.until("refusal", |taken| (taken.refused > 0).then_some(())).await;
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&Taken) -> T) -> T {
        look(&self.taken.lock().unwrap())
    }

    /// The spans of one trace.
    pub(crate) fn trace(&self, id: &str) -> Vec<Told> {
        let id = hex::decode(id).unwrap();
        self.look(|taken| {
            taken.spans.iter().filter(|told| told.span.trace_id == id).cloned().collect()
        })
    }

    /// Waits until a trace has a span of each service and name.
    pub(crate) async fn whole(&self, id: &str, wanted: &[(&str, &str)]) -> Vec<Told> {
        let until = Instant::now() + WITHIN;
        loop {
            let spans = self.trace(id);
            let has = |(service, name): &(&str, &str)| {
                spans.iter().any(|told| told.service == *service && told.span.name == *name)
            };
            if wanted.iter().all(has) {
                return spans;
            }
            let found: Vec<_> = spans.iter().map(|told| (&told.service, &told.span.name)).collect();
            assert!(Instant::now() < until, "of {wanted:?} in {id} only {found:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The text attributes of something.
pub(crate) fn texts(attributes: &[KeyValue]) -> HashMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some((pair.key.clone(), text.clone())),
        Value::IntValue(number) => Some((pair.key.clone(), number.to_string())),
        Value::BoolValue(_)
        | Value::DoubleValue(_)
        | Value::ArrayValue(_)
        | Value::KvlistValue(_)
        | Value::BytesValue(_)
        | Value::StringValueStrindex(_) => None,
    };
    attributes.iter().filter_map(text).collect()
}

/// One request on one connection.
async fn take(mut stream: TcpStream, keep: &Mutex<Taken>, answer: &AtomicU16) -> Option<()> {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length?.trim().parse().ok()?;
        if bytes.len() >= end + 4 + length {
            break (head, bytes[end + 4..].to_vec());
        }
    };
    assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    let status = answer.load(Ordering::SeqCst);
    if status == 200 {
        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        let mut taken = keep.lock().unwrap();
        taken.bodies.extend(&body);
        taken.heads.push(head);
        for resource in request.resource_spans {
            let names = texts(&resource.resource.unwrap().attributes);
            let name = |key: &str| names[key].clone();
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let (service, instance) = (name("service.name"), name("service.instance.id"));
                taken.spans.push(Told { service, instance, span });
            }
        }
    } else {
        keep.lock().unwrap().refused += 1;
    }
    let answer = format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.ok()
}
