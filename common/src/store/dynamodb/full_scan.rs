//! The tables from end to end, for the command that copies them: the one place where a table is
//! scanned.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use super::sessions::{read_session, session_item, session_key};
use super::tasks::{task_item, task_key};
use super::users::{account_item, account_key, address_item, email_key, user_key};
use crate::dynamodb::{Item, key, number_of, once_key, once_record, read, text, text_of, write};
use crate::dynamodb::{call, failed};
use crate::dynamodb::{put, transact};
use crate::idempotency::IdempotencyKey;
use crate::problem::StoreError;
use crate::store::copy::{CopyStore, PAGE, Record, RecordKind, RecordPage};
use crate::store::rows::AccountRow;
use crate::tasks::Task;
use crate::time::Timestamp;
use crate::users::{Account, UserId};

/// How many items BatchGetItem gives at the most.
const BATCH: usize = 100;
/// How often what BatchGetItem has left out is asked for again.
const ROUNDS: usize = 20;
/// The key of the note, in the users table.
const NOTE: &str = "copy";

pub(in crate::store) struct FullScan {
    client: Client,
    users: String,
    tasks: String,
}

/// What an item is by its key.
#[derive(PartialEq, Eq)]
enum Shape {
    /// A record of this kind.
    Record(RecordKind),
    /// The address of an account.
    Address,
    /// Nothing to copy: a counter, or the note of a copy.
    Aside,
    /// Nothing that is known.
    Unknown,
}

impl FullScan {
    pub(in crate::store) fn new(client: Client, users: &str, tasks: &str) -> Self {
        Self {
            client,
            users: users.to_owned(),
            tasks: tasks.to_owned(),
        }
    }

    /// Up to a page of a table, and after which key it goes on.
    async fn scan(
        &self,
        table: &str,
        after: Option<&str>,
    ) -> Result<(Vec<Item>, Option<String>), StoreError> {
        let start: Option<(String, String)> = after
            .map(serde_json::from_str)
            .transpose()
            .map_err(|error| StoreError::Corrupt(error.into()))?;
        let request = self
            .client
            .scan()
            .table_name(table)
            .consistent_read(true)
            .limit(i32::try_from(PAGE).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start.map(|(pk, sk)| key(pk, sk)));
        let output = match call("Scan", request.send()).await {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_resource_not_found_exception()) =>
            {
                return Err(StoreError::Corrupt(
                    format!("there is no table {table}").into(),
                ));
            }
            answer => answer.map_err(failed)?,
        };
        let position =
            |last: &Item| serde_json::to_string(&(text_of(last, "pk"), text_of(last, "sk")));
        let next = output.last_evaluated_key.as_ref().map(position).transpose();
        Ok((
            output.items.unwrap_or_default(),
            next.map_err(|error| StoreError::Corrupt(error.into()))?,
        ))
    }

    /// The items of the users table with these keys, by `pk`.
    async fn items_of(
        &self,
        keys: impl Iterator<Item = Item>,
    ) -> Result<HashMap<String, Item>, StoreError> {
        let mut wanted: HashMap<String, Item> = keys.map(|key| (pk_of(&key), key)).collect();
        let mut found = HashMap::new();
        let mut rounds = 0;
        while !wanted.is_empty() {
            let batch: Vec<Item> = wanted.values().take(BATCH).cloned().collect();
            let mut asked: Vec<String> = batch.iter().map(pk_of).collect();
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(batch))
                .consistent_read(true)
                .build();
            let keys = keys.map_err(|error| StoreError::Corrupt(error.into()))?;
            let output = call(
                "BatchGetItem",
                self.client
                    .batch_get_item()
                    .request_items(&self.users, keys)
                    .send(),
            )
            .await
            .map_err(failed)?;
            let left_out = output
                .unprocessed_keys
                .and_then(|mut tables| tables.remove(&self.users));
            let left_out: Vec<String> = left_out
                .iter()
                .flat_map(|keys| keys.keys())
                .map(pk_of)
                .collect();
            rounds += usize::from(!left_out.is_empty());
            if rounds > ROUNDS {
                return Err(StoreError::Unavailable(
                    "BatchGetItem kept leaving keys unprocessed".into(),
                ));
            }
            asked.retain(|pk| !left_out.contains(pk));
            for pk in asked {
                wanted.remove(&pk);
            }
            let items = output
                .responses
                .and_then(|mut tables| tables.remove(&self.users))
                .unwrap_or_default();
            found.extend(items.into_iter().map(|item| (pk_of(&item), item)));
        }
        Ok(found)
    }

    /// The records of a kind among these items of the users table.
    async fn read_users(
        &self,
        kind: RecordKind,
        items: Vec<Item>,
        page: &mut RecordPage,
    ) -> Result<(), StoreError> {
        let related = items
            .iter()
            .filter_map(|item| match shape_of_user_item(item) {
                Shape::Record(RecordKind::Account) if kind == RecordKind::Account => {
                    read::<AccountRow>(item.clone())
                        .ok()
                        .map(|row| email_key(&Account::from(row).email))
                }
                Shape::Address if kind == RecordKind::Account => {
                    Some(account_key(text_of(item, "user")?.parse().ok()?))
                }
                Shape::Record(found) if found == kind => Some(key(pk_of(item), "account")),
                _ => None,
            });
        let related = self.items_of(related).await?;
        for item in items {
            let name = name_of(&self.users, &item);
            let read = match shape_of_user_item(&item) {
                Shape::Record(RecordKind::Account) if kind == RecordKind::Account => {
                    read_account(item, &related).map(Some)
                }
                Shape::Address if kind == RecordKind::Account => {
                    check_address(&item, &related).map(|()| None)
                }
                Shape::Unknown if kind == RecordKind::Account => Err(unknown()),
                Shape::Record(RecordKind::Session) if kind == RecordKind::Session => {
                    read_living_session(item, &related)
                }
                Shape::Record(RecordKind::PasswordKey) if kind == RecordKind::PasswordKey => {
                    read_password_key(&item, &related)
                }
                _ => continue,
            };
            page.add(name, read);
        }
        Ok(())
    }

    async fn put_if_absent(&self, table: &str, item: Item) -> Result<(), StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)");
        match call("PutItem", request.send()).await {
            Err(error)
                if !error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Err(failed(error))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl CopyStore for FullScan {
    async fn read(&self, kind: RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError> {
        let in_tasks = matches!(kind, RecordKind::Task | RecordKind::TaskKey);
        let (items, next) = self
            .scan(if in_tasks { &self.tasks } else { &self.users }, after)
            .await?;
        let mut page = RecordPage {
            next,
            ..RecordPage::default()
        };
        if !in_tasks {
            self.read_users(kind, items, &mut page).await?;
            return Ok(page);
        }
        for item in items {
            let name = name_of(&self.tasks, &item);
            let read = match shape_of_task_item(&item) {
                Shape::Record(RecordKind::Task) if kind == RecordKind::Task => {
                    read_task(item).map(Some)
                }
                Shape::Record(RecordKind::TaskKey) if kind == RecordKind::TaskKey => {
                    read_task_key(item).map(Some)
                }
                Shape::Unknown if kind == RecordKind::Task => Err(unknown()),
                _ => continue,
            };
            page.add(name, read);
        }
        Ok(page)
    }

    async fn add(&self, record: &Record) -> Result<(), StoreError> {
        match record {
            Record::Account(account) => {
                let parts = vec![
                    put(&self.users, address_item(account), None)?,
                    put(&self.users, account_item(account)?, None)?,
                ];
                transact(&self.client, parts).await.map(drop)
            }
            Record::Session(session) => {
                self.put_if_absent(&self.users, session_item(session)?)
                    .await
            }
            Record::PasswordKey {
                user,
                once,
                expires_at,
            } => {
                self.put_if_absent(
                    &self.users,
                    once_record(user_key(*user), once, None, *expires_at),
                )
                .await
            }
            Record::Task { owner, task } => {
                self.put_if_absent(&self.tasks, task_item(*owner, task)?)
                    .await
            }
            Record::TaskKey {
                owner,
                once,
                expires_at,
                result,
            } => {
                self.put_if_absent(
                    &self.tasks,
                    once_record(owner, once, Some(write(result)?), *expires_at),
                )
                .await
            }
        }
    }

    async fn note(&self) -> Result<Option<String>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.users)
            .set_key(Some(key(NOTE, NOTE)))
            .consistent_read(true);
        let item = call("GetItem", request.send()).await.map_err(failed)?.item;
        Ok(item.and_then(|item| text_of(&item, "note").map(str::to_owned)))
    }

    async fn put_note(&self, note: &str) -> Result<(), StoreError> {
        let mut item = key(NOTE, NOTE);
        item.insert("note".to_owned(), text(note));
        call(
            "PutItem",
            self.client
                .put_item()
                .table_name(&self.users)
                .set_item(Some(item))
                .send(),
        )
        .await
        .map(drop)
        .map_err(failed)
    }
}

fn pk_of(item: &Item) -> String {
    text_of(item, "pk").unwrap_or_default().to_owned()
}

fn sk_of(item: &Item) -> &str {
    text_of(item, "sk").unwrap_or_default()
}

/// Where an item is, for people.
fn name_of(table: &str, item: &Item) -> String {
    format!("{table} {} {}", pk_of(item), sk_of(item))
}

fn shape_of_user_item(item: &Item) -> Shape {
    let (pk, sk) = (pk_of(item), sk_of(item));
    match pk.split_once('#') {
        Some(("user", _)) if sk == "account" => Shape::Record(RecordKind::Account),
        Some(("user", _)) if sk.starts_with("session#") => Shape::Record(RecordKind::Session),
        Some(("user", _)) if sk.starts_with("once#") => Shape::Record(RecordKind::PasswordKey),
        Some(("email", _)) if sk == "email" => Shape::Address,
        Some(("limit", _)) if sk == "limit" => Shape::Aside,
        None if pk == NOTE && sk == NOTE => Shape::Aside,
        _ => Shape::Unknown,
    }
}

fn shape_of_task_item(item: &Item) -> Shape {
    match sk_of(item).split_once('#') {
        Some(("task", _)) => Shape::Record(RecordKind::Task),
        Some(("once", _)) => Shape::Record(RecordKind::TaskKey),
        _ => Shape::Unknown,
    }
}

fn unknown() -> StoreError {
    StoreError::Corrupt("nothing that Tasklane keeps has such a key".into())
}

/// What is kept at a key must say the same of itself.
fn at_its_key<T>(value: T, actual: (&str, &str), proper: &Item) -> Result<T, StoreError> {
    if actual == (pk_of(proper).as_str(), sk_of(proper)) {
        Ok(value)
    } else {
        Err(StoreError::Corrupt("it is not what its key says".into()))
    }
}

fn read_account(item: Item, addresses: &HashMap<String, Item>) -> Result<Record, StoreError> {
    let (pk, sk) = (pk_of(&item), sk_of(&item).to_owned());
    let account = Account::from(read::<AccountRow>(item)?);
    let address = addresses
        .get(&pk_of(&email_key(&account.email)))
        .and_then(|address| text_of(address, "user"));
    if address != Some(&account.id.to_string()) {
        return Err(StoreError::Corrupt(
            "its address does not lead to it".into(),
        ));
    }
    let proper = account_key(account.id);
    at_its_key(Record::Account(account), (&pk, &sk), &proper)
}

fn check_address(item: &Item, accounts: &HashMap<String, Item>) -> Result<(), StoreError> {
    let user: Option<UserId> = text_of(item, "user").and_then(|user| user.parse().ok());
    let account = user.and_then(|user| accounts.get(&pk_of(&account_key(user))));
    match account {
        // An account that cannot be read is told of by itself.
        Some(account) => match read::<AccountRow>(account.clone()) {
            Ok(row) => at_its_key(
                (),
                (&pk_of(item), sk_of(item)),
                &email_key(&Account::from(row).email),
            ),
            Err(_) => Ok(()),
        },
        None => Err(StoreError::Corrupt(
            "the account that it leads to is not there".into(),
        )),
    }
}

/// The account that an item of the users table belongs to.
fn account_of(
    item: &Item,
    accounts: &HashMap<String, Item>,
) -> Result<Option<Account>, StoreError> {
    let account = accounts
        .get(&pk_of(item))
        .cloned()
        .map(read::<AccountRow>)
        .transpose();
    account
        .map(|row| row.map(Account::from))
        .map_err(|_| StoreError::Corrupt("its account cannot be read".into()))
}

fn read_living_session(
    item: Item,
    accounts: &HashMap<String, Item>,
) -> Result<Option<Record>, StoreError> {
    let account = account_of(&item, accounts)?;
    let (pk, sk) = (pk_of(&item), sk_of(&item).to_owned());
    let session = read_session(item)?;
    let proper = session_key(session.user, session.id);
    let lives = account.is_some_and(|account| account.epoch == session.epoch);
    at_its_key(
        lives.then_some(Record::Session(session)),
        (&pk, &sk),
        &proper,
    )
}

fn read_password_key(
    item: &Item,
    accounts: &HashMap<String, Item>,
) -> Result<Option<Record>, StoreError> {
    let Some(account) = account_of(item, accounts)? else {
        return Ok(None);
    };
    let (once, expires_at) = read_once(item)?;
    let proper = key(user_key(account.id), once_key(&once));
    at_its_key(
        Some(Record::PasswordKey {
            user: account.id,
            once,
            expires_at,
        }),
        (&pk_of(item), sk_of(item)),
        &proper,
    )
}

fn read_once(item: &Item) -> Result<(IdempotencyKey, Timestamp), StoreError> {
    let (key, fingerprint) = (
        sk_of(item).strip_prefix("once#"),
        text_of(item, "fingerprint"),
    );
    match (key, fingerprint, number_of::<i64>(item, "expires_at")) {
        (Some(key), Some(fingerprint), Some(expires_at)) => {
            let once = IdempotencyKey {
                key: key.to_owned(),
                fingerprint: fingerprint.to_owned(),
            };
            Ok((
                once,
                Timestamp::from_millisecond(expires_at.saturating_mul(1000)),
            ))
        }
        _ => Err(StoreError::Corrupt(
            "it lacks its fingerprint or its expiry".into(),
        )),
    }
}

fn owner_of(item: &Item) -> Result<UserId, StoreError> {
    pk_of(item)
        .parse()
        .map_err(|rule: String| StoreError::Corrupt(format!("its owner {rule}").into()))
}

fn read_task(item: Item) -> Result<Record, StoreError> {
    let owner = owner_of(&item)?;
    let (pk, sk) = (pk_of(&item), sk_of(&item).to_owned());
    let task: Task = read(item)?;
    let proper = key(owner, task_key(task.id));
    at_its_key(Record::Task { owner, task }, (&pk, &sk), &proper)
}

fn read_task_key(item: Item) -> Result<Record, StoreError> {
    let owner = owner_of(&item)?;
    let (once, expires_at) = read_once(&item)?;
    match { item }.remove("result") {
        Some(AttributeValue::M(result)) => Ok(Record::TaskKey {
            owner,
            once,
            expires_at,
            result: read(result)?,
        }),
        _ => Err(StoreError::Corrupt("it lacks what came of it".into())),
    }
}
