//! The deadline a client sets with `grpc-timeout`: answered with `DEADLINE_EXCEEDED` when it
//! passes, and known to the handlers so that it can be the queue's deadline too.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tower::{Layer, Service};

/// The moment a client stops waiting, among the extensions of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub Instant);

/// Holds every call to the deadline its client set.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeadlineLayer;

/// See [`DeadlineLayer`].
#[derive(Clone, Debug)]
pub struct WithDeadline<S> {
    inner: S,
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = WithDeadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithDeadline { inner }
    }
}

impl<S, B> Service<Request<B>> for WithDeadline<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some(timeout) = timeout(request.headers()) else {
            return Box::pin(self.inner.call(request));
        };
        let deadline = Instant::now() + timeout;
        request.extensions_mut().insert(Deadline(deadline));
        let answer = self.inner.call(request);
        Box::pin(async move {
            match time::timeout_at(deadline.into(), answer).await {
                Ok(answer) => answer,
                Err(_) => Ok(Status::deadline_exceeded(format!(
                    "deadline of {} ms passed before the answer was there",
                    timeout.as_millis()
                ))
                .into_http()),
            }
        })
    }
}

/// What the `grpc-timeout` header says, `None` where there is none or it says nothing: at most eight
/// digits and a unit.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3_600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future;

    use tonic::Code;
    use tonic::codegen::http::HeaderValue;
    use tower::{ServiceBuilder, ServiceExt, service_fn};

    use super::*;

    fn request(timeout: &'static str) -> Request<()> {
        let mut request = Request::new(());
        request.headers_mut().insert("grpc-timeout", HeaderValue::from_static(timeout));
        request
    }

    #[test]
    fn reads_every_unit_and_nothing_else() {
        let cases = [
            ("2H", Some(Duration::from_hours(2))),
            ("3M", Some(Duration::from_mins(3))),
            ("99999999S", Some(Duration::from_secs(99_999_999))),
            ("5m", Some(Duration::from_millis(5))),
            ("6u", Some(Duration::from_micros(6))),
            ("7n", Some(Duration::from_nanos(7))),
            ("100000000S", None),
            ("S", None),
            ("", None),
            ("+1S", None),
            ("1s", None),
            ("1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(timeout(request(text).headers()), expected, "{text:?}");
        }
        assert_eq!(timeout(&HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn a_handler_that_never_answers_is_cut_off_at_the_deadline() {
        let never = service_fn(|_: Request<()>| future::pending::<Result<Response<Body>, Infallible>>());
        let response = ServiceBuilder::new()
            .layer(DeadlineLayer)
            .service(never)
            .oneshot(request("1n"))
            .await
            .expect("an answer in any case");
        let status = Status::from_header_map(response.headers()).expect("a status");
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn a_handler_knows_its_deadline() {
        let handler = service_fn(async |request: Request<()>| {
            assert!(
                request.extensions().get::<Deadline>().is_some_and(|deadline| deadline.0 > Instant::now())
            );
            Ok::<_, Infallible>(Response::new(Body::empty()))
        });
        let served = ServiceBuilder::new().layer(DeadlineLayer).service(handler).oneshot(request("1H"));
        served.await.expect("the handler's answer");
    }
}
