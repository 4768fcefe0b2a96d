//! What most people would write: every library with its default features and every default of the SDK's configuration.

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::{Body, Error, Request, Response, run, service_fn, tracing};

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let (client, table, owner) = (&Client::new(&config), &std::env::var("TABLE")?, &std::env::var("OWNER")?);
    run(service_fn(|request: Request| async move {
        let task = request.uri().path().rsplit('/').next().unwrap_or_default();
        let get = client.get_item().table_name(table).consistent_read(true);
        let key = get.key("pk", AttributeValue::S(owner.clone())).key("sk", AttributeValue::S(format!("task#{task}")));
        let item = key.send().await?.item.ok_or("there is no such task")?;
        let json = serde_json::to_string(&serde_dynamo::from_item::<_, serde_json::Value>(item)?)?;
        Ok::<_, Error>(Response::builder().header("content-type", "application/json").body(Body::from(json))?)
    }))
    .await
}
