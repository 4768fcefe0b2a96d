//! What a connection waits for, and since when: the header of a request, the next request, or an
//! answer.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::connections::ConnectionLimits;

/// The activity of one connection. A request costs two readings of the clock and no timer.
#[derive(Clone)]
pub(crate) struct Activity(Arc<Mutex<State>>);

struct State {
    header_timeout: Duration,
    idle_timeout: Duration,
    requests: usize,
    waiting_for: Wait,
    /// When the client has waited too long, unless a request is being answered.
    deadline: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// The rest of a header; its first bytes may not have arrived yet.
    Header,
    /// The first byte of the next header.
    Request,
    /// The client closing the connection, or the next HTTP/2 frame: incoming bytes are not
    /// inspected.
    Anything,
}

/// A request that is being answered; it is finished when this is dropped.
pub(crate) struct Busy(Activity);

impl Activity {
    pub(crate) fn new(limits: &ConnectionLimits) -> Self {
        let (header_timeout, idle_timeout) = (limits.header_timeout, limits.idle_timeout);
        let deadline = Instant::now() + header_timeout;
        Self(Arc::new(Mutex::new(State {
            header_timeout,
            idle_timeout,
            requests: 0,
            waiting_for: Wait::Header,
            deadline,
        })))
    }

    pub(crate) fn begin(&self, http2: bool) -> Busy {
        let mut state = self.state();
        state.requests += 1;
        if state.waiting_for != Wait::Anything {
            state.waiting_for = if http2 { Wait::Anything } else { Wait::Request };
        }
        drop(state);
        Busy(self.clone())
    }

    /// Notes that bytes have arrived. On HTTP/2, bytes of an idle client may be the answer to a
    /// ping instead of a request.
    fn received(&self) {
        let mut state = self.state();
        if state.requests == 0 && state.waiting_for == Wait::Request {
            (state.waiting_for, state.deadline) =
                (Wait::Header, Instant::now() + state.header_timeout);
        }
    }

    /// Whether the rest of a header is missing.
    pub(crate) fn awaits_header(&self) -> bool {
        self.state().waiting_for == Wait::Header
    }

    /// Gives the client this much time after everything is answered.
    pub(crate) fn end_within(&self, time: Duration) {
        let mut state = self.state();
        (state.idle_timeout, state.waiting_for, state.deadline) =
            (time, Wait::Anything, Instant::now() + time);
    }

    /// Resolves when the client has kept the server waiting too long.
    pub(crate) async fn expired(&self) {
        loop {
            let now = Instant::now();
            // The deadline may move closer during the sleep: the first bytes turn the wait for a
            // request into the wait for a header.
            let next_look = {
                let state = self.state();
                let next = now + state.header_timeout.min(state.idle_timeout) / 4;
                match state.requests {
                    0 if state.deadline <= now => return,
                    0 => state.deadline.min(next),
                    _ => next,
                }
            };
            tokio::time::sleep_until(next_look).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests -= 1;
        state.deadline = Instant::now() + state.idle_timeout;
    }
}

/// A connection that reports arriving bytes to its activity.
pub(crate) struct Watched {
    stream: TcpStream,
    activity: Activity,
}

impl Watched {
    pub(crate) fn new(stream: TcpStream, activity: Activity) -> Self {
        Self { stream, activity }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.received();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
