//! Checks on every request before an endpoint handles it, including those for the docs page.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::middleware::Next;
use bytes::Bytes;
use common::http::{Endpoint, Request, fail};
use common::problem::Problem;
use http::request::Parts;
use uuid::Uuid;

use crate::network_options::NetworkOptions;
use crate::proxies::{ForwardedHeader, Sender, TrustedProxies};
use crate::request_limits::SourceLimit;
use crate::{body, host};

pub(crate) struct Gate {
    proxies: TrustedProxies,
    forwarded_header: ForwardedHeader,
    sources: SourceLimit,
    body_timeout: Duration,
    /// The endpoint that requests refused before routing are logged under.
    nowhere: &'static Endpoint,
}

impl Gate {
    pub(crate) fn new(network_options: &NetworkOptions, nowhere: &'static Endpoint) -> Self {
        Self {
            proxies: network_options.proxies.clone(),
            forwarded_header: network_options.forwarded_header,
            sources: SourceLimit::new(&network_options.requests),
            body_timeout: network_options.connections.body_timeout,
            nowhere,
        }
    }

    /// Reads a request, and returns the problem to answer with instead, if there is one.
    pub(crate) async fn read(
        &self,
        peer: SocketAddr,
        parts: Parts,
        body: Body,
    ) -> (Request, Option<Problem>) {
        let (sender, problem) = self.admit(peer.ip(), &parts);
        let read = match problem {
            None => body::read(&parts, body, self.body_timeout).await,
            Some(problem) => Err(self.discard(&parts, body, problem).await),
        };
        match read {
            Ok(body) => (request(parts, sender, body), None),
            Err(problem) => (request(parts, sender, Bytes::new()), Some(problem)),
        }
    }

    /// The sender of a request as far as known, and the problem if it is not admitted.
    fn admit(&self, peer: IpAddr, parts: &Parts) -> (Sender, Option<Problem>) {
        match self
            .proxies
            .sender(peer, &parts.headers, self.forwarded_header)
        {
            Ok(sender) => (sender, self.sources.count(sender.source).err()),
            Err(problem) => (
                Sender {
                    source: peer.to_canonical(),
                    secure: false,
                },
                Some(problem),
            ),
        }
    }

    /// Reads what the client still sends, so that it can read the answer.
    async fn discard(&self, parts: &Parts, body: Body, problem: Problem) -> Problem {
        body::discard(parts, body, self.body_timeout).await;
        problem
    }

    async fn refuse(
        &self,
        sender: Sender,
        parts: Parts,
        body: Body,
        problem: Problem,
    ) -> http::Response<Body> {
        let problem = self.discard(&parts, body, problem).await;
        fail(self.nowhere, &request(parts, sender, Bytes::new()), problem).map(Body::from)
    }
}

fn request(parts: Parts, sender: Sender, body: Bytes) -> Request {
    Request {
        id: Uuid::now_v7().to_string(),
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
        invocation: None,
        source: sender.source,
        secure: sender.secure,
        parameters: Vec::new(),
    }
}

/// Passes only requests with a valid host.
pub(crate) async fn with_host(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: axum::extract::Request,
    next: Next,
) -> http::Response<Body> {
    let (parts, body) = request.into_parts();
    match host::check(&parts) {
        Ok(()) => {
            next.run(axum::extract::Request::from_parts(parts, body))
                .await
        }
        Err(problem) => {
            let (sender, _) = gate.admit(peer.ip(), &parts);
            gate.refuse(sender, parts, body, problem).await
        }
    }
}

/// Passes only requests that their source may send, on routes without an endpoint.
pub(crate) async fn admitted(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: axum::extract::Request,
    next: Next,
) -> http::Response<Body> {
    let (parts, body) = request.into_parts();
    match gate.admit(peer.ip(), &parts) {
        (_, None) => {
            next.run(axum::extract::Request::from_parts(parts, body))
                .await
        }
        (sender, Some(problem)) => gate.refuse(sender, parts, body, problem).await,
    }
}
