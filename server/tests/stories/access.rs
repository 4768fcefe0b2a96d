//! Access: every endpoint of the endpoint list with every kind of token.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::auth::{Issuer, SigningKeys};
use common::http::{Access, Endpoint, Method};
use ring::signature::Ed25519KeyPair;
use serde_json::{Value, json};
use server::SERVICES;

use crate::client::Server;
use crate::secrets;

const SOMEBODY: &str = "0190a5d2-6f3c-7cc1-b2a9-3f2f9a1d7e55";

fn endpoints() -> impl Iterator<Item = &'static Endpoint> {
    SERVICES
        .iter()
        .flat_map(|service| service.endpoints.iter().copied())
        .filter(|endpoint| endpoint.method != Method::Any)
}

fn path(endpoint: &Endpoint) -> String {
    let segment = |segment: &str| {
        if segment.starts_with('{') {
            SOMEBODY.to_owned()
        } else {
            segment.to_owned()
        }
    };
    endpoint
        .path
        .split('/')
        .map(segment)
        .collect::<Vec<_>>()
        .join("/")
}

fn now() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    i64::try_from(since.as_secs()).expect("before the year 292 billion")
}

/// Valid claims, except this one.
fn claims(name: &str, value: Value) -> Value {
    let mut claims = json!({
        "iss": "tasklane", "aud": "tasklane", "sub": SOMEBODY, "sid": SOMEBODY, "role": "user",
        "iat": now(), "exp": now() + 900, "jti": SOMEBODY,
    });
    claims[name] = value;
    claims
}

fn sign(keys: &SigningKeys, claims: &Value) -> String {
    Issuer::new(keys, "tasklane", "tasklane")
        .expect("keys")
        .sign(claims)
        .expect("signed")
}

/// A token with a valid signature that is invalid only because of `crit`.
fn sign_header(keys: &SigningKeys, crit: &Value) -> String {
    let set: Value = serde_json::from_str(&keys.to_json()).expect("JSON");
    let seed = URL_SAFE_NO_PAD
        .decode(set["keys"][0]["d"].as_str().expect("a private key"))
        .expect("base64url");
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key pair");
    let header =
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": set["keys"][0]["kid"], "crit": crit});
    let said = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims("nbf", json!(now())).to_string())
    );
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(said.as_bytes()));
    format!("{said}.{signature}")
}

/// The same token and signature with another header.
fn with_header(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').expect("a token");
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

#[tokio::test]
async fn every_endpoint_for_users_refuses_an_invalid_token() {
    let server = Server::start().await;
    let valid = sign(&server.keys, &claims("jti", json!(SOMEBODY)));
    let kid = server.keys.public().keys[0].kid.clone();
    let mut in_ten_years = claims("iat", json!(now() + 10 * 365 * 86400));
    in_ten_years["exp"] = json!(now() + 10 * 365 * 86400 + 900);
    let unsigned = valid.rsplit_once('.').expect("a token").0.to_owned() + ".";
    let bad = [
        ("garbage", "garbage".to_owned()),
        (
            "expired",
            sign(&server.keys, &claims("exp", json!(now() - 1))),
        ),
        (
            "another audience",
            sign(&server.keys, &claims("aud", json!("others"))),
        ),
        (
            "another issuer",
            sign(&server.keys, &claims("iss", json!("others"))),
        ),
        ("no expiry", sign(&server.keys, &claims("exp", Value::Null))),
        (
            "a key of somebody else",
            sign(
                &SigningKeys::generate("story").expect("keys"),
                &claims("jti", json!(SOMEBODY)),
            ),
        ),
        (
            "another algorithm",
            with_header(
                &valid,
                &json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}),
            ),
        ),
        (
            "no algorithm",
            with_header(
                &unsigned,
                &json!({"alg": "none", "typ": "at+jwt", "kid": kid}),
            ),
        ),
        (
            "another type",
            with_header(&valid, &json!({"alg": "EdDSA", "typ": "JWT", "kid": kid})),
        ),
        (
            "an unknown key",
            with_header(
                &valid,
                &json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "other"}),
            ),
        ),
        ("another signature", valid.clone() + "A"),
        (
            "a life of ten years",
            sign(
                &server.keys,
                &claims("exp", json!(now() + 10 * 365 * 86400)),
            ),
        ),
        (
            "a second more than is issued",
            sign(&server.keys, &claims("exp", json!(now() + 902))),
        ),
        (
            "a life that begins in ten years",
            sign(&server.keys, &in_ten_years),
        ),
        (
            "no time of issue",
            sign(&server.keys, &claims("iat", Value::Null)),
        ),
        (
            "a time of validity in the future",
            sign(&server.keys, &claims("nbf", json!(now() + 300))),
        ),
        (
            "a critical extension",
            sign_header(&server.keys, &json!(["exp"])),
        ),
        (
            "an unknown critical extension",
            sign_header(&server.keys, &json!(["https://example.com/extension"])),
        ),
        (
            "an empty list of critical extensions",
            sign_header(&server.keys, &json!([])),
        ),
    ];

    for endpoint in endpoints().filter(|endpoint| endpoint.access != Access::Public) {
        let method: reqwest::Method = endpoint.method.as_str().parse().expect("a method");

        let none = server
            .send(method.clone(), &path(endpoint), None, &[], None)
            .await;
        assert_eq!(
            (
                none.status.as_u16(),
                none.headers["www-authenticate"].as_bytes()
            ),
            (401, &b"Bearer"[..]),
            "{}",
            endpoint.name
        );

        for (what, token) in &bad {
            let answer = server
                .send(method.clone(), &path(endpoint), Some(token), &[], None)
                .await;

            assert_eq!(answer.status, 401, "{} with {what}", endpoint.name);
            assert_eq!(
                answer.headers["www-authenticate"], "Bearer error=\"invalid_token\"",
                "{} with {what}",
                endpoint.name
            );
        }

        let owner = server
            .register(&format!("{}@example.com", endpoint.name))
            .await;
        assert_ne!(
            owner.call(method, &path(endpoint), &[], None).await.status,
            401,
            "{} with a valid token",
            endpoint.name
        );
    }
}

#[tokio::test]
async fn every_endpoint_is_served_at_its_path_by_its_own_function() {
    let server = Server::start().await;

    for endpoint in endpoints() {
        let method: reqwest::Method = endpoint.method.as_str().parse().expect("a method");
        let answer = server.send(method, &path(endpoint), None, &[], None).await;
        let log = secrets::log();
        let line = log
            .lines()
            .find(|line| line.contains(answer.header("x-request-id").expect("a name")))
            .expect("a line");

        assert!(
            line.contains(&format!("\"function\":\"{}\"", endpoint.name)),
            "{}: {line}",
            endpoint.name
        );
    }
}

#[test]
fn anyone_may_call_these_endpoints_and_no_others() {
    let public: BTreeSet<_> = endpoints()
        .filter(|endpoint| endpoint.access == Access::Public)
        .map(|endpoint| endpoint.name)
        .collect();

    let expected = [
        "get-jwks",
        "get-openapi",
        "health",
        "login",
        "refresh-token",
        "register",
    ];
    assert_eq!(public, BTreeSet::from(expected));
}

#[tokio::test]
async fn public_endpoints_need_no_token() {
    let server = Server::start().await;

    for endpoint in endpoints().filter(|endpoint| endpoint.access == Access::Public) {
        let method = endpoint.method.as_str().parse().expect("a method");
        let answer = server.send(method, &path(endpoint), None, &[], None).await;

        assert!(
            answer.status != 401 && !answer.status.is_server_error(),
            "{}: {:?}",
            endpoint.name,
            answer.body
        );
    }
}

#[tokio::test]
async fn resources_of_another_account_return_404() {
    let server = Server::start().await;
    let ada = server.register("ada@example.com").await;
    let bob = server.register("bob@example.com").await;
    let task = ada.create_task(json!({"title": "Mine"})).await["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let session = ada.get("/v1/me/sessions").await.body["items"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();

    for endpoint in endpoints().filter(|endpoint| endpoint.path.contains('{')) {
        let path = endpoint
            .path
            .replace("{task_id}", &task)
            .replace("{session_id}", &session);
        let body = (endpoint.method == Method::Patch).then(|| json!({"title": "Yours"}));

        let answer = bob
            .call(
                endpoint.method.as_str().parse().expect("a method"),
                &path,
                &[],
                body,
            )
            .await;

        assert_eq!(answer.status, 404, "{}", endpoint.name);
    }

    assert_eq!(
        ada.get(&format!("/v1/tasks/{task}")).await.body["version"],
        1
    );
    assert_eq!(server.refresh(ada.refresh_token()).await.status, 200);
}
