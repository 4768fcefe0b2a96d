//! Reads the whole tasks table, for the command that copies it.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use common::auth::UserId;
use common::dynamodb::{
    Item, TableScan, at_its_key, key, once_record, pk_of, read, read_once, sk_of, unknown_key,
    write,
};
use common::problem::StoreError;
use common::storage::copy::{CopyStore, Record, RecordKind, RecordPage};

use super::{task_item, task_key};
use crate::Task;
use crate::store::record::{ExecutedRequest, OwnedTask, TASK, TASK_KEY};

pub(in crate::store) struct FullScan(TableScan);

impl FullScan {
    pub(in crate::store) fn new(client: Client, table: &str) -> Self {
        Self(TableScan {
            client,
            table: table.to_owned(),
        })
    }
}

#[async_trait]
impl CopyStore for FullScan {
    async fn read(&self, kind: &RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError> {
        let (items, next) = self.0.page(after).await?;
        let mut page = RecordPage {
            next,
            ..RecordPage::default()
        };
        for item in items {
            let name = self.0.name_of(&item);
            let read = match sk_of(&item).split_once('#') {
                Some(("task", _)) if *kind == TASK => read_task(item).map(Some),
                Some(("once", _)) if *kind == TASK_KEY => read_task_key(item).map(Some),
                Some(("task" | "once", _)) => continue,
                // Reported only once, with the tasks.
                _ if *kind == TASK => Err(unknown_key()),
                _ => continue,
            };
            page.add(name, read);
        }
        Ok(page)
    }

    async fn add(&self, kind: &RecordKind, record: &Record) -> Result<(), StoreError> {
        let item = if *kind == TASK {
            let OwnedTask { owner, task } = record.content()?;
            task_item(owner, &task)?
        } else {
            let ExecutedRequest {
                owner,
                once,
                expires_at,
                result,
            } = record.content()?;
            once_record(owner, &once, Some(write(&result)?), expires_at)
        };
        self.0.put_if_absent(item).await
    }
}

fn owner_of(item: &Item) -> Result<UserId, StoreError> {
    let owner = pk_of(item).parse();
    owner.map_err(|rule: String| StoreError::Corrupt(format!("its owner {rule}").into()))
}

fn read_task(item: Item) -> Result<Record, StoreError> {
    let owner = owner_of(&item)?;
    let (pk, sk) = (pk_of(&item), sk_of(&item).to_owned());
    let task: Task = read(item)?;
    let proper = key(owner, task_key(task.id));
    at_its_key(OwnedTask { owner, task }, (&pk, &sk), &proper)?.into_record()
}

fn read_task_key(item: Item) -> Result<Record, StoreError> {
    let owner = owner_of(&item)?;
    let (once, expires_at) = read_once(&item)?;
    match { item }.remove("result") {
        Some(AttributeValue::M(result)) => ExecutedRequest {
            owner,
            once,
            expires_at,
            result: read(result)?,
        }
        .into_record(),
        _ => Err(StoreError::Corrupt(
            "it lacks the result of its request".into(),
        )),
    }
}
