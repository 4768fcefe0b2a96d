//! Reads the whole users table, for the command that copies it.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use common::auth::UserId;
use common::dynamodb::{
    Item, TableScan, at_its_key, call, failed, key, once_key, once_record, pk_of, put, read,
    read_once, sk_of, text_of, transact, unknown_key,
};
use common::problem::StoreError;
use common::storage::copy::{CopyStore, NOTE, Record, RecordKind, RecordPage};

use super::sessions::{read_session, session_item, session_key};
use super::{account_item, account_key, address_item, email_key, user_key};
use crate::store::record::{
    ACCOUNT, ExecutedChange, PASSWORD_KEY, SESSION, account_record, session_record,
};
use crate::{Account, Session};

/// The largest number of items per BatchGetItem.
const BATCH: usize = 100;
/// How often items are requested again that BatchGetItem left out.
const ROUNDS: usize = 20;

pub(in crate::store) struct FullScan(TableScan);

/// The type of an item, by its key.
#[derive(PartialEq, Eq)]
enum Shape {
    Record(RecordKind),
    Address,
    /// Not copied: a counter, or the note of a copy.
    Aside,
    Unknown,
}

impl FullScan {
    pub(in crate::store) fn new(client: Client, table: &str) -> Self {
        Self(TableScan {
            client,
            table: table.to_owned(),
        })
    }

    /// The items that are needed to read the items of a kind, by `pk`: the address of each account,
    /// the account of each address, session and key.
    async fn related(
        &self,
        kind: &RecordKind,
        items: &[Item],
    ) -> Result<HashMap<String, Item>, StoreError> {
        let related = items.iter().filter_map(|item| match shape_of(item) {
            Shape::Record(ACCOUNT) if *kind == ACCOUNT => {
                let account: Account = read(item.clone()).ok()?;
                Some(email_key(&account.email))
            }
            Shape::Address if *kind == ACCOUNT => {
                Some(account_key(text_of(item, "user")?.parse().ok()?))
            }
            Shape::Record(found) if found == *kind => Some(key(pk_of(item), "account")),
            _ => None,
        });
        self.items_of(related).await
    }

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
                self.0
                    .client
                    .batch_get_item()
                    .request_items(&self.0.table, keys)
                    .send(),
            )
            .await
            .map_err(failed)?;
            let left_out = output
                .unprocessed_keys
                .and_then(|mut tables| tables.remove(&self.0.table));
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
                .and_then(|mut tables| tables.remove(&self.0.table))
                .unwrap_or_default();
            found.extend(items.into_iter().map(|item| (pk_of(&item), item)));
        }
        Ok(found)
    }
}

#[async_trait]
impl CopyStore for FullScan {
    async fn read(&self, kind: &RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError> {
        let (items, next) = self.0.page(after).await?;
        let related = self.related(kind, &items).await?;
        let mut page = RecordPage {
            next,
            ..RecordPage::default()
        };
        for item in items {
            let name = self.0.name_of(&item);
            let read = match shape_of(&item) {
                Shape::Record(found) if found != *kind => continue,
                Shape::Record(ACCOUNT) => read_account(item, &related).map(Some),
                Shape::Record(SESSION) => read_living_session(item, &related),
                Shape::Record(_) => read_password_key(&item, &related),
                // Reported only once, with the accounts.
                Shape::Address if *kind == ACCOUNT => check_address(&item, &related).map(|()| None),
                Shape::Unknown if *kind == ACCOUNT => Err(unknown_key()),
                Shape::Address | Shape::Unknown | Shape::Aside => continue,
            };
            page.add(name, read);
        }
        Ok(page)
    }

    async fn add(&self, kind: &RecordKind, record: &Record) -> Result<(), StoreError> {
        if *kind == ACCOUNT {
            let account: Account = record.content()?;
            let parts = vec![
                put(&self.0.table, address_item(&account), None)?,
                put(&self.0.table, account_item(&account)?, None)?,
            ];
            return transact(&self.0.client, parts).await.map(drop);
        }
        let item = if *kind == SESSION {
            session_item(&record.content()?)?
        } else {
            let ExecutedChange {
                user,
                once,
                expires_at,
            } = record.content()?;
            once_record(user_key(user), &once, None, expires_at)
        };
        self.0.put_if_absent(item).await
    }
}

fn shape_of(item: &Item) -> Shape {
    let (pk, sk) = (pk_of(item), sk_of(item));
    match pk.split_once('#') {
        Some(("user", _)) if sk == "account" => Shape::Record(ACCOUNT),
        Some(("user", _)) if sk.starts_with("session#") => Shape::Record(SESSION),
        Some(("user", _)) if sk.starts_with("once#") => Shape::Record(PASSWORD_KEY),
        Some(("email", _)) if sk == "email" => Shape::Address,
        _ if ["limit#", "known-source#", NOTE]
            .iter()
            .any(|kind| sk.starts_with(kind)) =>
        {
            Shape::Aside
        }
        _ => Shape::Unknown,
    }
}

fn read_account(item: Item, addresses: &HashMap<String, Item>) -> Result<Record, StoreError> {
    let (pk, sk) = (pk_of(&item), sk_of(&item).to_owned());
    let account: Account = read(item)?;
    let address = addresses
        .get(&pk_of(&email_key(&account.email)))
        .and_then(|address| text_of(address, "user"));
    if address != Some(&account.id.to_string()) {
        return Err(StoreError::Corrupt(
            "its address does not lead to it".into(),
        ));
    }
    let proper = account_key(account.id);
    account_record(&at_its_key(account, (&pk, &sk), &proper)?)
}

fn check_address(item: &Item, accounts: &HashMap<String, Item>) -> Result<(), StoreError> {
    let user: Option<UserId> = text_of(item, "user").and_then(|user| user.parse().ok());
    let account = user.and_then(|user| accounts.get(&pk_of(&account_key(user))));
    match account {
        // An unreadable account is reported separately.
        Some(account) => match read::<Account>(account.clone()) {
            Ok(account) => at_its_key((), (&pk_of(item), sk_of(item)), &email_key(&account.email)),
            Err(_) => Ok(()),
        },
        None => Err(StoreError::Corrupt(
            "the account that it leads to is not there".into(),
        )),
    }
}

fn account_of(
    item: &Item,
    accounts: &HashMap<String, Item>,
) -> Result<Option<Account>, StoreError> {
    let account = accounts
        .get(&pk_of(item))
        .cloned()
        .map(read::<Account>)
        .transpose();
    account.map_err(|_| StoreError::Corrupt("its account cannot be read".into()))
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
    let session: Session = at_its_key(session, (&pk, &sk), &proper)?;
    lives.then(|| session_record(&session)).transpose()
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
    let change = ExecutedChange {
        user: account.id,
        once,
        expires_at,
    };
    at_its_key(change, (&pk_of(item), sk_of(item)), &proper)?
        .into_record()
        .map(Some)
}
