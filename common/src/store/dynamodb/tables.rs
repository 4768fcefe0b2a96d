//! The tables, as `template.yaml` has them in AWS: made here for the embedded engine.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, LocalSecondaryIndex, Projection, ProjectionType, ScalarAttributeType,
    TimeToLiveSpecification,
};

use super::client::failed;
use crate::problem::StoreError;

/// The tasks table's local secondary indexes. The range key of each is the attribute of the same name.
const INDEXES: [&str; 5] = ["by_created", "by_updated", "by_due", "by_priority", "by_deleted"];

/// Makes the tables that are not there yet.
///
/// # Errors
/// The engine refuses.
pub async fn create_tables(client: &Client, users_table: &str, tasks_table: &str) -> Result<(), StoreError> {
    create_table(client, users_table, &[]).await?;
    create_table(client, tasks_table, &INDEXES).await
}

async fn create_table(client: &Client, name: &str, indexes: &[&str]) -> Result<(), StoreError> {
    let invalid = |error: aws_sdk_dynamodb::error::BuildError| StoreError::Corrupt(error.into());
    let attribute =
        |name: &str| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().map_err(invalid);
    let element = |name: &str, kind: KeyType| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(invalid);

    let mut table = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk")?)
        .attribute_definitions(attribute("sk")?)
        .key_schema(element("pk", KeyType::Hash)?)
        .key_schema(element("sk", KeyType::Range)?);
    for index in indexes {
        let index = LocalSecondaryIndex::builder()
            .index_name(*index)
            .key_schema(element("pk", KeyType::Hash)?)
            .key_schema(element(index, KeyType::Range)?)
            .projection(Projection::builder().projection_type(ProjectionType::All).build());
        table = table.local_secondary_indexes(index.build().map_err(invalid)?);
    }
    for index in indexes {
        table = table.attribute_definitions(attribute(index)?);
    }
    match table.send().await {
        Ok(_) => {}
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    let ttl = TimeToLiveSpecification::builder().attribute_name("expires_at").enabled(true).build().map_err(invalid)?;
    client.update_time_to_live().table_name(name).time_to_live_specification(ttl).send().await.map(drop).map_err(failed)
}
