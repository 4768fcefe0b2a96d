//! What both functions with a store do, each with a client of its own: read one item and show it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::{Body, Error, Request, Response};

/// Shows a task of the owner.
pub(crate) async fn show(
    client: &Client,
    table: &str,
    owner: &str,
    request: Request,
) -> Result<Response<Body>, Error> {
    let task = request.uri().path().rsplit('/').next().unwrap_or_default();
    let get = client.get_item().table_name(table).consistent_read(true);
    let key = get
        .key("pk", AttributeValue::S(owner.to_owned()))
        .key("sk", AttributeValue::S(format!("task#{task}")));
    let item = key.send().await?.item.ok_or("there is no such task")?;
    let json = serde_json::to_string(&serde_dynamo::from_item::<_, serde_json::Value>(item)?)?;
    Ok(Response::builder()
        .header("content-type", "application/json")
        .body(Body::from(json))?)
}
