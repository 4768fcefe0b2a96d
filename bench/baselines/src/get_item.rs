//! The least that a function with a store can be: it reads one item and shows it. Its client is
//! trimmed to one TLS stack, one crypto library, and the certificate authorities of one file; there
//! is no account, no rule and no log line.

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::{Client, Config};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use lambda_http::{Error, Request, service_fn};

mod item;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (client, table, owner) = (
        &client()?,
        &std::env::var("TABLE")?,
        &std::env::var("OWNER")?,
    );
    lambda_http::run(service_fn(|request: Request| {
        item::show(client, table, owner, request)
    }))
    .await
}

fn client() -> Result<Client, Error> {
    let pem = std::fs::read(std::env::var("SSL_CERT_FILE")?)?;
    let tls = TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(pem))
        .build()?;
    let credentials = Credentials::new(
        std::env::var("AWS_ACCESS_KEY_ID")?,
        std::env::var("AWS_SECRET_ACCESS_KEY")?,
        std::env::var("AWS_SESSION_TOKEN").ok(),
        None,
        "environment",
    );
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(
            Builder::new()
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .tls_context(tls)
                .build_https(),
        )
        .region(Region::new(std::env::var("AWS_REGION")?))
        .credentials_provider(credentials)
        .endpoint_url(std::env::var("AWS_ENDPOINT_URL_DYNAMODB")?);
    Ok(Client::from_conf(config.build()))
}
