//! `Idempotency-Key`: a request that is repeated with the same key and body is executed only once.
//!
//! The store saves the key together with the write itself, atomically: neither ever exists without
//! the other. See docs/data-model.md.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderName;
use percent_encoding::percent_decode_str;
use serde_json::json;
use uuid::Uuid;

use super::endpoint::Extract;
use super::openapi::Operation;
use super::request::Request;
use crate::idempotency::IdempotencyKey;
use crate::problem::{Kind, Problem};

/// The `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header), if it was sent.
#[derive(Clone, Debug)]
pub struct Idempotency(pub Option<IdempotencyKey>);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key, in characters.
const MAX_KEY: usize = 255;

impl Extract for Idempotency {
    fn extract(request: &Request) -> Result<Self, Problem> {
        let Some(value) = request.header(&IDEMPOTENCY_KEY)? else {
            return Ok(Self(None));
        };
        // In the draft the key is a quoted string; most clients send it without quotes. Both are
        // the same key.
        let key = value
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(value);
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:~+/=".contains(c);
        if key.is_empty() || key.len() > MAX_KEY || !key.chars().all(allowed) {
            let rule = format!(
                "must have 1 to {MAX_KEY} characters, each a letter, a digit or one of - _ . : ~ + / ="
            );
            return Err(Problem::malformed_header(&IDEMPOTENCY_KEY, rule));
        }
        Ok(Self(Some(IdempotencyKey {
            key: key.to_owned(),
            fingerprint: fingerprint(request),
        })))
    }

    fn describe(operation: &mut Operation) {
        operation.takes_header(
            "Idempotency-Key",
            "Any unique value, such as a UUID. A repeated request with the same key and body within 24 hours gets the same response and is not executed again.",
            json!({"type": "string", "pattern": "^(\"[A-Za-z0-9_.:~+/=-]{1,255}\"|[A-Za-z0-9_.:~+/=-]{1,255})$"}),
            "6f1c0a3e-9d0b-4b4e-8f53-6a1c8a6a2f10",
        );
        operation.may_answer(&[
            Kind::MALFORMED_HEADER,
            Kind::STILL_RUNNING,
            Kind::IDEMPOTENCY_KEY_REUSED,
        ]);
    }
}

/// The digest that identifies a request: method, path and body. An identifier in upper case gives
/// the same digest.
fn fingerprint(request: &Request) -> String {
    let path: Vec<String> = request.path.split('/').map(canonical).collect();
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for part in [
        request.method.as_str().as_bytes(),
        path.join("/").as_bytes(),
        &request.body,
    ] {
        // Each part is preceded by its length, so that different requests never give the same
        // bytes.
        digest.update(&part.len().to_be_bytes());
        digest.update(part);
    }
    URL_SAFE_NO_PAD.encode(digest.finish())
}

/// A segment of a path as the endpoint reads it: an identifier in its usual form, anything else
/// unchanged.
fn canonical(segment: &str) -> String {
    let decoded = percent_decode_str(segment).decode_utf8_lossy();
    Uuid::try_parse(&decoded).map_or_else(|_| segment.to_owned(), |id| id.hyphenated().to_string())
}
