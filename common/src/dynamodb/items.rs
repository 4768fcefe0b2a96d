//! Items and expressions.

use std::collections::HashMap;
use std::fmt::Display;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::idempotency::IdempotencyKey;
use crate::precondition::Precondition;
use crate::problem::StoreError;
use crate::time::Timestamp;

pub type Item = HashMap<String, AttributeValue>;

pub fn text(value: impl Display) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub fn key(pk: impl Display, sk: impl Display) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

/// Serializes a value as an item, without its null attributes.
pub fn write(value: &impl Serialize) -> Result<Item, StoreError> {
    let mut item: Item =
        serde_dynamo::to_item(value).map_err(|error| StoreError::Corrupt(error.into()))?;
    item.retain(|_, attribute| !attribute.is_null());
    Ok(item)
}

/// Deserializes an item. Unknown attributes are ignored.
pub fn read<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(|error| StoreError::Corrupt(error.into()))
}

pub fn text_of<'i>(item: &'i Item, name: &str) -> Option<&'i str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub fn number_of<T: std::str::FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// The names and values of an expression. Assigns their placeholders.
#[derive(Debug, Default)]
pub struct Expression {
    /// By placeholder: `#0` and so on.
    pub names: HashMap<String, String>,
    /// By placeholder: `:0` and so on.
    pub values: Item,
    sets: Vec<String>,
    removes: Vec<String>,
}

impl Expression {
    /// The placeholder of an attribute's name.
    pub fn name(&mut self, name: &str) -> String {
        if let Some((placeholder, _)) = self.names.iter().find(|(_, known)| *known == name) {
            return placeholder.clone();
        }
        let placeholder = format!("#{}", self.names.len());
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    /// The placeholders of these attributes' names, as a list for a projection.
    pub fn list_of(&mut self, names: &[&str]) -> String {
        names
            .iter()
            .map(|name| self.name(name))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The placeholder of a value.
    pub fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    pub fn set(&mut self, name: &str, value: AttributeValue) {
        let value = self.value(value);
        self.set_to(name, &value);
    }

    /// Sets an attribute to the value of an expression.
    pub fn set_to(&mut self, name: &str, expression: &str) {
        let name = self.name(name);
        self.sets.push(format!("{name} = {expression}"));
    }

    /// Adds to a number attribute.
    pub fn increase(&mut self, name: &str, by: u32) {
        let (attribute, by) = (self.name(name), self.value(number(by)));
        self.sets.push(format!("{attribute} = {attribute} + {by}"));
    }

    pub fn remove(&mut self, name: &str) {
        let name = self.name(name);
        self.removes.push(name);
    }

    /// Moves the value of an attribute, which must exist, to another one.
    pub fn rename(&mut self, from: &str, to: &str) {
        let from_name = self.name(from);
        self.set_to(to, &from_name);
        self.remove(from);
    }

    pub fn update(&self) -> String {
        let mut clauses = Vec::new();
        if !self.sets.is_empty() {
            clauses.push(format!("SET {}", self.sets.join(", ")));
        }
        if !self.removes.is_empty() {
            clauses.push(format!("REMOVE {}", self.removes.join(", ")));
        }
        clauses.join(" ")
    }

    /// The condition that an attribute has one of these values; with no values it is never true.
    pub fn one_of(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = AttributeValue>,
    ) -> String {
        let values: Vec<String> = values.into_iter().map(|value| self.value(value)).collect();
        let name = self.name(name);
        if values.is_empty() {
            // Always false: an attribute cannot both exist and not exist.
            return format!("(attribute_exists({name}) AND attribute_not_exists({name}))");
        }
        format!("{name} IN ({})", values.join(", "))
    }

    /// The condition that the precondition allows the version, with a leading `AND`. Empty if it
    /// allows any.
    pub fn and_version(&mut self, precondition: &Precondition) -> String {
        match precondition {
            Precondition::Any => String::new(),
            Precondition::OneOf(versions) => format!(
                " AND {}",
                self.one_of("version", versions.iter().map(number))
            ),
            Precondition::NoneOf(versions) => format!(
                " AND NOT {}",
                self.one_of("version", versions.iter().map(number))
            ),
        }
    }
}

/// The record of an executed request: its owner, idempotency key and result, and when the record
/// expires.
pub fn once_record(
    pk: impl Display,
    once: &IdempotencyKey,
    result: Option<Item>,
    expires_at: Timestamp,
) -> Item {
    let mut item = key(pk, once_key(once));
    item.insert("fingerprint".to_owned(), text(&once.fingerprint));
    item.insert("expires_at".to_owned(), number(expires_at.as_second()));
    if let Some(result) = result {
        item.insert("result".to_owned(), AttributeValue::M(result));
    }
    item
}

/// The sort key of an idempotency key's record.
pub fn once_key(once: &IdempotencyKey) -> String {
    format!("once#{}", once.key)
}

/// Compares a request with the record of its idempotency key. `None` if the record has expired; the
/// recorded result if the request is the same.
pub fn replay(
    record: Item,
    once: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<Item>, StoreError> {
    if number_of::<i64>(&record, "expires_at")
        .is_none_or(|expires_at| expires_at <= now.as_second())
    {
        return Ok(None);
    }
    if text_of(&record, "fingerprint") != Some(&once.fingerprint) {
        return Err(StoreError::KeyReused);
    }
    match { record }.remove("result") {
        Some(AttributeValue::M(result)) => Ok(Some(result)),
        _ => Ok(Some(Item::new())),
    }
}
