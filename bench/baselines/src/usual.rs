//! What most people would write: every library with its default features and every default of the
//! SDK's configuration.

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use lambda_http::{Error, Request, run, service_fn, tracing};

mod item;

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let (client, table, owner) = (
        &Client::new(&config),
        &std::env::var("TABLE")?,
        &std::env::var("OWNER")?,
    );
    run(service_fn(|request: Request| {
        item::show(client, table, owner, request)
    }))
    .await
}
