//! Ends the streams of clients that would keep a stopping server from its end.
//!
//! A call whose request has arrived is answered. One whose request is a stream that stays open, as
//! reflection's, learns that the server is stopping the next time it would wait for the client.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body as HttpBody, Frame};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::Request;

/// The request as it is until `stop`; from then on, waiting for more of it is an error.
pub fn until_stopped(request: Request<Body>, stop: &CancellationToken) -> Request<Body> {
    request.map(|body| Body::new(UntilStopped { body, stopped: Box::pin(stop.clone().cancelled_owned()) }))
}

struct UntilStopped {
    body: Body,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl HttpBody for UntilStopped {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        self.stopped.as_mut().poll(cx).map(|()| Some(Err(Status::unavailable("service is stopping"))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
