//! The tables, the same as in `template.yaml`. Created here for the embedded engine, and by a
//! command for other engines.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, LocalSecondaryIndex, Projection,
    ProjectionType, ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification,
    TimeToLiveStatus,
};

use super::client::failed;
use crate::problem::StoreError;
use crate::schema::Table;

/// The attribute that DynamoDB's TTL uses.
const EXPIRY: &str = "expires_at";
/// How often, and at which interval, the status of a new table is polled.
const LOOKS: u32 = 120;
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Creates the missing tables, checks the others, and reports each one to `tell`.
///
/// # Errors
/// One line: which table is not as required, or why the database refuses.
pub async fn migrate(
    client: &Client,
    tables: &[Table],
    tell: &mut dyn FnMut(&str),
) -> Result<(), String> {
    for Table { name, indexes } in tables {
        migrate_table(client, name, indexes, tell)
            .await
            .map_err(|error| format!("the table {name} cannot be used: {error}"))?;
    }
    Ok(())
}

async fn migrate_table(
    client: &Client,
    name: &str,
    indexes: &[&str],
    tell: &mut dyn FnMut(&str),
) -> Result<(), String> {
    match describe(client, name).await? {
        None => {
            create(client, name, indexes)
                .await
                .map_err(|error| error.to_string())?;
            wait_until_active(client, name).await?;
            tell(&format!("table {name}: created"));
        }
        Some(table) => {
            check_keys(&table, indexes)?;
            tell(&format!("table {name}: exists"));
        }
    }
    let ttl = client
        .describe_time_to_live()
        .table_name(name)
        .send()
        .await
        .map_err(|error| failed(error).to_string())?;
    let ttl = ttl.time_to_live_description;
    let enabled = ttl
        .as_ref()
        .and_then(|ttl| ttl.time_to_live_status.as_ref());
    if matches!(
        enabled,
        Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
    ) {
        return match ttl.as_ref().and_then(|ttl| ttl.attribute_name()) {
            Some(EXPIRY) | None => {
                tell(&format!("expiry of {name}: exists"));
                Ok(())
            }
            Some(other) => Err(format!("its items expire by {other}, and must by {EXPIRY}")),
        };
    }
    enable_expiry(client, name)
        .await
        .map_err(|error| error.to_string())?;
    tell(&format!("expiry of {name}: created"));
    Ok(())
}

async fn describe(client: &Client, name: &str) -> Result<Option<TableDescription>, String> {
    match client.describe_table().table_name(name).send().await {
        Ok(output) => Ok(output.table),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|error| error.is_resource_not_found_exception()) =>
        {
            Ok(None)
        }
        Err(error) => Err(failed(error).to_string()),
    }
}

async fn wait_until_active(client: &Client, name: &str) -> Result<(), String> {
    for _ in 0..LOOKS {
        if describe(client, name)
            .await?
            .is_some_and(|table| table.table_status == Some(TableStatus::Active))
        {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Err("it is still being created; run this again later".to_owned())
}

/// Keys and local indexes cannot be changed after a table is created.
fn check_keys(table: &TableDescription, indexes: &[&str]) -> Result<(), String> {
    let are = |keys: &[KeySchemaElement], range: &str| {
        let key = |kind| {
            keys.iter()
                .find(|key| *key.key_type() == kind)
                .map(KeySchemaElement::attribute_name)
        };
        key(KeyType::Hash) == Some("pk") && key(KeyType::Range) == Some(range)
    };
    if !are(table.key_schema(), "sk") {
        return Err(
            "its keys are not pk and sk: name another table, or delete this one".to_owned(),
        );
    }
    for index in indexes {
        let found = table
            .local_secondary_indexes()
            .iter()
            .find(|found| found.index_name() == Some(index));
        let whole = |found: &&_| {
            let found: &aws_sdk_dynamodb::types::LocalSecondaryIndexDescription = found;
            let projection = found.projection().and_then(Projection::projection_type);
            are(found.key_schema(), index) && projection == Some(&ProjectionType::All)
        };
        if found.filter(whole).is_none() {
            return Err(format!(
                "it lacks the local index {index} with all attributes, which cannot be added: name another table"
            ));
        }
    }
    Ok(())
}

/// Creates the missing tables.
///
/// # Errors
/// The engine refuses.
pub async fn create_tables(client: &Client, tables: &[Table]) -> Result<(), StoreError> {
    for Table { name, indexes } in tables {
        if create(client, name, indexes).await? {
            enable_expiry(client, name).await?;
        }
    }
    Ok(())
}

/// Creates a table; `false` if it exists.
async fn create(client: &Client, name: &str, indexes: &[&str]) -> Result<bool, StoreError> {
    let invalid = |error: aws_sdk_dynamodb::error::BuildError| StoreError::Corrupt(error.into());
    let attribute = |name: &str| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .map_err(invalid)
    };
    let element = |name: &str, kind: KeyType| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .map_err(invalid)
    };

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
            .projection(
                Projection::builder()
                    .projection_type(ProjectionType::All)
                    .build(),
            );
        table = table.local_secondary_indexes(index.build().map_err(invalid)?);
    }
    for index in indexes {
        table = table.attribute_definitions(attribute(index)?);
    }
    match table.send().await {
        Ok(_) => Ok(true),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|error| error.is_resource_in_use_exception()) =>
        {
            Ok(false)
        }
        Err(error) => Err(failed(error)),
    }
}

async fn enable_expiry(client: &Client, name: &str) -> Result<(), StoreError> {
    let ttl = TimeToLiveSpecification::builder()
        .attribute_name(EXPIRY)
        .enabled(true)
        .build();
    let ttl = ttl.map_err(|error| StoreError::Corrupt(error.into()))?;
    client
        .update_time_to_live()
        .table_name(name)
        .time_to_live_specification(ttl)
        .send()
        .await
        .map(drop)
        .map_err(failed)
}
