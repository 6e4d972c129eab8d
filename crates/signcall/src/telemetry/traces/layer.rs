//! From a log event with a field `step` to a span. Only the fields that are named here get into
//! one: none of them holds a text, a name, an address or a secret.

use std::fmt::Debug;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::Context;

use super::export::{COUNTER, Taken};
use super::identity::{self, SpanId, Trace};

/// Older commits are history that a new process or table takes in, and nobody's open trace.
const AGE_MAX: Duration = Duration::from_mins(15);

/// A step that is known here, and where its span hangs.
struct Step {
    name: &'static str,
    kind: SpanKind,
    place: Place,
    /// Who takes it, where that is not the crate that tells of it.
    role: Option<&'static str>,
}

enum Place {
    /// What everything else came of.
    Root,
    /// Once for each command, below the step of that name or else the root.
    Below(Option<&'static str>),
    /// As often as it likes, below the step of that name.
    Beside(&'static str),
}

static STEPS: [Step; 9] = [
    step("request", SpanKind::Server, Place::Root),
    step("recognize", SpanKind::Internal, Place::Root),
    step("due", SpanKind::Internal, Place::Root),
    step("submit", SpanKind::Client, Place::Below(None)),
    step("decide", SpanKind::Server, Place::Below(Some("submit"))),
    step("append", SpanKind::Producer, Place::Below(Some("decide"))),
    step("project", SpanKind::Consumer, Place::Below(Some("append"))),
    // The Follower is the decider's other half, and lives in the API's processes.
    Step { role: Some("api"), ..step("follow", SpanKind::Consumer, Place::Beside("append")) },
    step("deliver", SpanKind::Client, Place::Beside("append")),
];

const fn step(name: &'static str, kind: SpanKind, place: Place) -> Step {
    Step { name, kind, place, role: None }
}

/// Takes the events that are steps, whatever lines are shown.
pub(super) fn steps() -> FilterFn {
    let is_step = |event: &Metadata<'_>| event.is_event() && event.fields().field("step").is_some();
    FilterFn::new(is_step as fn(&Metadata<'_>) -> bool).with_max_level_hint(LevelFilter::DEBUG)
}

/// Makes spans and puts them into the queue.
pub(super) struct Spans {
    queue: mpsc::Sender<Taken>,
    share: f64,
}

impl Spans {
    pub(super) fn new(queue: mpsc::Sender<Taken>, share: f64) -> Self {
        Self { queue, share }
    }
}

impl<S: Subscriber> Layer<S> for Spans {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let target = event.metadata().target();
        let role = target.split("::").next().unwrap_or(target);
        let Some(taken) = fields.into_span(role, self.share, SystemTime::now()) else { return };
        if self.queue.try_send(taken).is_err() {
            metrics::counter!(COUNTER, "result" => "dropped").increment(1);
        }
    }
}

/// What an event said, as far as it may be told.
#[derive(Default)]
struct Fields {
    step: Option<&'static Step>,
    request_id: Option<String>,
    command: Option<String>,
    parent: Option<SpanId>,
    took: Duration,
    decided_us: Option<i64>,
    method: Option<String>,
    route: Option<String>,
    repeated: bool,
    failed: bool,
    attributes: Vec<KeyValue>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "step" => self.step = STEPS.iter().find(|step| step.name == value),
            "request_id" => {
                self.request_id = Some(value.to_owned());
                self.tell("signcall.request_id", text(value));
            }
            "parent" => self.parent = identity::digits(value),
            "method" => self.method = Some(value.to_owned()),
            "route" => self.route = Some(value.to_owned()),
            "outcome" => {
                self.failed |= value == "failed";
                self.tell("signcall.outcome", text(value));
            }
            "model" => self.tell("signcall.model", text(value)),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "took_us" => self.took = Duration::from_micros(value),
            "status" => {
                self.failed |= value >= 500;
                self.tell("http.response.status_code", Value::IntValue(value as i64));
            }
            _ => {}
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "decided_us" {
            self.decided_us = Some(value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "repeated" {
            self.repeated = value;
            self.tell("signcall.repeated", Value::BoolValue(value));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "command" => {
                let command = format!("{value:?}");
                self.tell("signcall.command", text(&command));
                self.command = Some(command);
            }
            "position" => {
                if let Ok(position) = format!("{value:?}").parse() {
                    self.tell("signcall.position", Value::IntValue(position));
                }
            }
            _ => {}
        }
    }
}

impl Fields {
    fn tell(&mut self, key: &str, value: Value) {
        let value = Some(AnyValue { value: Some(value) });
        self.attributes.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() });
    }

    /// The span, if the step is one, and its trace is among those that are exported.
    fn into_span(mut self, teller: &'static str, share: f64, now: SystemTime) -> Option<Taken> {
        let step = self.step?;
        let trace = Trace::of(self.request_id.as_deref(), self.command.as_deref())?;
        if !trace.is_within(share) || self.is_old(now) || self.is_a_probe() {
            return None;
        }
        let command = self.command.as_deref().unwrap_or_default();
        let (id, parent) = match step.place {
            Place::Root => (trace.root, self.parent),
            Place::Below(None) => (trace.step(step.name, command), Some(trace.root)),
            Place::Below(Some(above)) => {
                (trace.step(step.name, command), Some(trace.step(above, command)))
            }
            Place::Beside(above) => (identity::fresh(), Some(trace.step(above, command))),
        };
        // The first time has its id already, in another trace or in this one.
        let id = if self.repeated { identity::fresh() } else { id };
        let name = match (&self.method, &self.route) {
            (Some(method), Some(route)) => format!("{method} {route}"),
            (Some(method), None) => method.clone(),
            (None, _) => step.name.to_owned(),
        };
        for (key, value) in
            [("http.request.method", self.method.take()), ("http.route", self.route.take())]
        {
            if let Some(value) = value {
                self.tell(key, Value::StringValue(value));
            }
        }
        let code = if self.failed { StatusCode::Error } else { StatusCode::Unset };
        let span = Span {
            trace_id: trace.id.to_vec(),
            span_id: id.to_vec(),
            parent_span_id: parent.map(Vec::from).unwrap_or_default(),
            name,
            kind: step.kind.into(),
            start_time_unix_nano: nanos(now.checked_sub(self.took).unwrap_or(now)),
            end_time_unix_nano: nanos(now),
            attributes: self.attributes,
            status: Some(Status { code: code.into(), message: String::new() }),
            ..Span::default()
        };
        Some(Taken { role: step.role.unwrap_or(teller), span })
    }

    fn is_old(&self, now: SystemTime) -> bool {
        let at = self.decided_us.and_then(|us| u64::try_from(us).ok()).map(Duration::from_micros);
        at.is_some_and(|at| now.duration_since(UNIX_EPOCH + at).is_ok_and(|age| age > AGE_MAX))
    }

    /// What asks every few seconds whether the process is well has no story.
    fn is_a_probe(&self) -> bool {
        matches!(self.route.as_deref(), Some("/livez" | "/readyz"))
    }
}

fn text(value: &str) -> Value {
    Value::StringValue(value.to_owned())
}

fn nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    const REQUEST: &str = "0af7651916cd43dd8448eb211c80319c";
    const COMMAND: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

    /// What becomes of the events of `work`, and the figures that it moves.
    fn spans(share: f64, room: usize, work: impl FnOnce()) -> (Vec<Taken>, String) {
        let (queue, mut taken) = mpsc::channel(room);
        let layer = Spans::new(queue, share).with_filter(steps());
        let subscriber = tracing_subscriber::registry().with(layer);
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            tracing::subscriber::with_default(subscriber, work);
        });
        let spans = std::iter::from_fn(|| taken.try_recv().ok()).collect();
        (spans, recorder.handle().render())
    }

    fn request(took_us: u64, status: u16) {
        let (step, method, route) = ("request", "GET", Some("/api/v1/users/me"));
        tracing::debug!(step, request_id = REQUEST, method, route, status, took_us, "answered");
    }

    #[test]
    fn a_step_is_a_span_with_what_may_be_told() {
        let (taken, _) = spans(1.0, 8, || {
            request(1_500, 503);
            let (step, command) = ("submit", uuid::Uuid::parse_str(COMMAND).unwrap());
            let (position, repeated, outcome) = (7_u64, false, "accepted");
            let (path, name, text) = ("/rooms/secret", "ada", "what was said");
            tracing::debug!(step, request_id = REQUEST, %command, %position, repeated, outcome, path, name, text, "accepted");
        });
        let [root, submit] = taken.as_slice() else { panic!("{} spans", taken.len()) };
        assert_eq!((root.role, root.span.name.as_str()), ("signcall", "GET /api/v1/users/me"));
        assert_eq!(hex::encode(&root.span.trace_id), REQUEST);
        assert!(root.span.parent_span_id.is_empty());
        let took = root.span.end_time_unix_nano - root.span.start_time_unix_nano;
        assert_eq!(took, 1_500_000);
        let code = |span: &Span| span.status.as_ref().unwrap().code();
        assert_eq!(code(&root.span), StatusCode::Error);
        assert_eq!(submit.span.parent_span_id, root.span.span_id);
        assert_eq!(code(&submit.span), StatusCode::Unset);
        let keys: Vec<_> = submit.span.attributes.iter().map(|one| one.key.as_str()).collect();
        let told = ["request_id", "command", "position", "repeated", "outcome"];
        assert_eq!(keys, told.map(|key| format!("signcall.{key}")));
    }

    #[test]
    fn what_is_no_step_or_has_no_trace_is_none() {
        let (taken, figures) = spans(1.0, 8, || {
            tracing::debug!(request_id = REQUEST, "answered");
            tracing::info!(step = "dance", request_id = REQUEST, "answered");
            tracing::info!(step = "submit", "of nobody");
            let route = Some("/readyz");
            tracing::debug!(
                step = "request",
                request_id = REQUEST,
                method = "GET",
                route,
                "answered"
            );
        });
        assert_eq!((taken.len(), figures.as_str()), (0, ""));
        assert_eq!(spans(0.0, 8, || request(1, 200)).0.len(), 0);
    }

    #[test]
    fn history_is_nobodys_open_trace() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let follow = |age: Duration| {
            let decided_us = now.saturating_sub(age).as_micros() as i64;
            tracing::debug!(step = "follow", request_id = REQUEST, decided_us, "followed");
        };
        assert_eq!(spans(1.0, 8, || follow(Duration::from_mins(14))).0.len(), 1);
        assert_eq!(spans(1.0, 8, || follow(Duration::from_mins(16))).0.len(), 0);
    }

    #[test]
    fn a_repeat_is_a_span_of_its_own() {
        let submit = |repeated: bool| {
            let (step, command) = ("decide", uuid::Uuid::parse_str(COMMAND).unwrap());
            tracing::debug!(step, request_id = REQUEST, %command, repeated, "decided");
        };
        let (taken, _) = spans(1.0, 8, || [false, true].into_iter().for_each(submit));
        assert_ne!(taken[0].span.span_id, taken[1].span.span_id);
        assert_eq!(taken[0].span.parent_span_id, taken[1].span.parent_span_id);
    }

    #[test]
    fn what_finds_no_place_is_dropped_and_counted() {
        let (taken, figures) = spans(1.0, 2, || (0..5).for_each(|_| request(1, 200)));
        assert_eq!(taken.len(), 2);
        let dropped = format!("{COUNTER}{{result=\"dropped\"}} 3");
        assert!(figures.contains(&dropped), "{figures}");
    }
}
