//! Reads the body of a request completely, or refuses it.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use common::http::MAX_BODY;
use common::problem::{Kind, Problem};
use http::request::Parts;
use http::{Version, header};
use http_body_util::BodyExt;

/// How much of a too large body is read and discarded, so that a client that sends all of it before
/// reading gets the answer. For a larger body the connection is closed.
const DISCARDED: usize = 8 * 1024 * 1024;

/// Reads a body. Of a too large one, nothing more is kept once its size is known.
///
/// # Errors
/// 400 when it was cut off, 408 when it took longer than `time`; the request was not processed.
pub(crate) async fn read(parts: &Parts, body: Body, time: Duration) -> Result<Bytes, Problem> {
    let declared = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let too_large = declared.is_some_and(|length| length > MAX_BODY as u64);
    if too_large && waits(parts) {
        // The client waits before it sends the body, so nothing needs to be read.
        return Err(too_large_problem());
    }
    match tokio::time::timeout(time, collect(body)).await {
        Ok(read) => read,
        Err(_) => Err(timed_out(parts)),
    }
}

/// Reads the body of a refused request, so that the client can read the answer.
pub(crate) async fn discard(parts: &Parts, body: Body, time: Duration) {
    if !waits(parts) {
        let _ = tokio::time::timeout(time, collect(body)).await;
    }
}

/// Whether the client waits for 100 (Continue) before it sends the body (RFC 9110, section 10.1.1).
fn waits(parts: &Parts) -> bool {
    parts
        .headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

async fn collect(mut body: Body) -> Result<Bytes, Problem> {
    let (mut kept, mut length) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Problem::malformed_body("", "broke off before its end").caused_by(error)
        })?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        length += data.len();
        if length > MAX_BODY {
            kept.clear();
        } else {
            kept.extend_from_slice(data);
        }
        if length > DISCARDED {
            break;
        }
    }
    if length > MAX_BODY {
        Err(too_large_problem())
    } else {
        Ok(kept.freeze())
    }
}

fn too_large_problem() -> Problem {
    Problem::new(
        Kind::TOO_LARGE,
        format!("The body must have at most {MAX_BODY} bytes."),
    )
}

fn timed_out(parts: &Parts) -> Problem {
    let problem = Problem::new(
        Kind::REQUEST_TIMEOUT,
        "The body did not arrive in time; nothing was changed.",
    );
    // The rest of the body may still arrive, so the connection cannot be used again (RFC 9110,
    // section 15.5.9). HTTP/2 only ends the stream.
    if parts.version == Version::HTTP_2 {
        problem
    } else {
        problem.with_header(header::CONNECTION, "close")
    }
}
