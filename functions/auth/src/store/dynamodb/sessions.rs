//! Sessions: items next to their account's, with a condition for each way in which a session can
//! end.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};
use common::auth::{Role, SessionId, UserId};
use common::dynamodb::{
    Expression, Item, call, failed, key, number, number_of, read, refused_item, text, text_of,
    update, write,
};
use common::paging::{Cursor, Page};
use common::problem::StoreError;
use common::time::Timestamp;
use serde::Deserialize;

use super::{UserTable, account_key, user_key};
use crate::problems::THE_SESSION_HAS_ENDED;
use crate::store::session_page;
use crate::{GRACE, LiveSession, Rotation, Session, User, UserStore, Verdict};

/// The largest number of sessions that one query reads, including ended ones.
const SESSION_READS: i32 = 500;
/// How often an account and a session are read until both have the same epoch.
const LIVE_READS: u32 = 3;

/// The attributes to read of a session and its account's owner: everything but the password's hash.
const LIVE_FIELDS: [&str; 16] = [
    "sk",
    "id",
    "email",
    "name",
    "role",
    "epoch",
    "created_at",
    "updated_at",
    "version",
    "user",
    "generation",
    "previous",
    "last_used_at",
    "expires_at",
    "ends_at",
    "user_agent",
];

/// A page of sessions as read, and the key after which to continue.
struct SessionItems {
    items: Vec<Item>,
    rest: Option<Item>,
}

impl UserTable {
    /// A session that has not ended, and its account's owner.
    pub(super) async fn read_live_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<LiveSession, StoreError> {
        for _ in 0..LIVE_READS {
            let mut items = self.read_with_account(user, session).await?;
            let (Some(account), Some(item)) =
                (items.remove("account"), items.remove(&session_sk(session)))
            else {
                return Err(StoreError::Refused(THE_SESSION_HAS_ENDED));
            };
            let epoch = epoch_of(&account)?;
            let (user, session): (User, _) = (read(account)?, read_session(item)?);
            if session.expires_at <= now {
                return Err(StoreError::Refused(THE_SESSION_HAS_ENDED));
            }
            if session.epoch == epoch {
                return Ok(LiveSession { session, user });
            }
            // Between the two reads it has ended, or has ended the others: a further read finds
            // both in the same epoch.
        }
        Err(StoreError::Refused(THE_SESSION_HAS_ENDED))
    }

    /// An account and one of its sessions, by sort key.
    async fn read_with_account(
        &self,
        user: UserId,
        session: SessionId,
    ) -> Result<HashMap<String, Item>, StoreError> {
        let mut expression = Expression::default();
        let fields = expression.list_of(&LIVE_FIELDS);
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(vec![account_key(user), session_key(user, session)]))
            .consistent_read(true)
            .projection_expression(fields)
            .set_expression_attribute_names(Some(expression.names));
        let keys = keys
            .build()
            .map_err(|error| StoreError::Corrupt(error.into()))?;
        let request = self
            .client
            .batch_get_item()
            .request_items(&self.table, keys);
        let output = call("BatchGetItem", request.send()).await.map_err(failed)?;
        if output.unprocessed_keys.is_some_and(|keys| !keys.is_empty()) {
            return Err(StoreError::Unavailable(
                "BatchGetItem left keys unprocessed".into(),
            ));
        }
        let items = output
            .responses
            .into_iter()
            .flatten()
            .flat_map(|(_, items)| items);
        Ok(items
            .filter_map(|item| Some((text_of(&item, "sk")?.to_owned(), item)))
            .collect())
    }

    /// The unchanged session with its account's role, unless the account has ended it.
    async fn with_role(&self, session: Session) -> Result<Option<(Session, Role)>, StoreError> {
        let Some(account) = self
            .get_fields(account_key(session.user), &["epoch", "role"])
            .await?
        else {
            return Ok(None);
        };
        let AccountSession { epoch, role } = read(account)?;
        if epoch == session.epoch {
            return Ok(Some((session, role)));
        }
        // If it has ended all others after it was read, it has the account's new epoch.
        let Some(item) = self.get(session_key(session.user, session.id)).await? else {
            return Ok(None);
        };
        let moved_on = read_session(item)?.epoch == epoch;
        Ok(moved_on.then_some((Session { epoch, ..session }, role)))
    }

    /// Moves a session to the account's next epoch, if it has not ended. With `generation`, which
    /// the session must have, it also gets the next refresh token, and all earlier ones become
    /// void.
    pub(super) fn keep_session(
        &self,
        (user, session): (UserId, SessionId),
        epoch: u32,
        generation: Option<u32>,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut expression = Expression::default();
        expression.set("epoch", number(epoch + 1));
        let current = expression.name("epoch");
        let (lives, epoch) = (lives(&mut expression, now), expression.value(number(epoch)));
        let mut condition = format!("{current} = {epoch} AND {lives}");
        if let Some(generation) = generation {
            expression.set("generation", number(generation + 1));
            expression.remove("previous");
            let (current, expected) = (
                expression.name("generation"),
                expression.value(number(generation)),
            );
            condition.push_str(&format!(" AND {current} = {expected}"));
        }
        update(
            &self.table,
            session_key(user, session),
            &condition,
            expression,
        )
    }

    /// The stored session, in its own epoch, if its account has not ended it.
    pub(super) async fn session_of_epoch(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        // The account is read first: only a live session gets a new epoch, so a session that is
        // behind has ended.
        let account = self.epoch(user).await?;
        let Some(item) = self.get(session_key(user, session)).await? else {
            return Ok(None);
        };
        let session = read_session(item)?;
        Ok((session.expires_at > now && session.epoch >= account).then_some(session))
    }

    /// Exchanges a refresh token in one update, both for the current token and for the previous one
    /// after the grace time.
    pub(super) async fn exchange(
        &self,
        (user, session): (UserId, SessionId),
        generation: u32,
        idle: Duration,
        now: Timestamp,
    ) -> Result<Rotation, StoreError> {
        let request = self.exchange_request((user, session), generation, idle, now);
        let item = match call("UpdateItem", request.send()).await {
            Ok(output) => {
                let rotated = self
                    .with_role(read_session(output.attributes.unwrap_or_default())?)
                    .await?;
                return Ok(rotated.map_or(Rotation::Ended, |(session, role)| {
                    Rotation::Rotated(session, role)
                }));
            }
            Err(error) => match refused_item(&error) {
                Some(item) if item.is_empty() => return Ok(Rotation::Ended),
                Some(item) => item,
                None => return Err(failed(error)),
            },
        };
        let session = read_session(item)?;
        match session.verdict(generation, now) {
            Verdict::Ended => Ok(Rotation::Ended),
            Verdict::Repeated => {
                let repeated = self.with_role(session).await?;
                Ok(repeated.map_or(Rotation::Ended, |(session, role)| {
                    Rotation::Repeated(session, role)
                }))
            }
            Verdict::Reused => self
                .end_session(user, session.id, now)
                .await
                .map(|_| Rotation::Stolen),
        }
    }

    /// The update that exchanges a refresh token of this generation, if the session accepts it.
    fn exchange_request(
        &self,
        (user, session): (UserId, SessionId),
        generation: u32,
        idle: Duration,
        now: Timestamp,
    ) -> UpdateItemFluentBuilder {
        let mut expression = Expression::default();
        expression.increase("generation", 1);
        expression.set("previous", number(generation));
        expression.set("last_used_at", text(now));
        expression.set("expires_at", number(now.plus(idle).as_second()));
        let [current, previous, used] =
            ["generation", "previous", "last_used_at"].map(|name| expression.name(name));
        let (lives, presented) = (
            lives(&mut expression, now),
            expression.value(number(generation)),
        );
        let grace = expression.value(text(now.minus(GRACE)));
        let takes =
            format!("({current} = {presented} OR ({previous} = {presented} AND {used} < {grace}))");
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(session_key(user, session)))
            .update_expression(expression.update())
            .condition_expression(format!("{takes} AND {lives}"))
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    pub(super) async fn list_sessions(
        &self,
        user: UserId,
        limit: usize,
        after: Option<&Cursor>,
        now: Timestamp,
    ) -> Result<Page<Session>, StoreError> {
        let epoch = self.epoch(user).await?;
        // Only the identifier of a session is a valid position.
        let start = after
            .and_then(|cursor| cursor.position.parse().ok())
            .map(|session| session_key(user, session));
        let SessionItems { items, rest } =
            self.query_sessions(user, epoch, None, start, now).await?;
        let rest = rest
            .as_ref()
            .and_then(|last| text_of(last, "sk"))
            .and_then(|sk| sk.strip_prefix("session#"))
            .map(str::to_owned);
        Ok(session_page(
            items.into_iter().map(read_session),
            limit,
            rest,
        ))
    }

    /// If more than `most` sessions live, ends the least recently used ones.
    pub(super) async fn trim_sessions(
        &self,
        kept: &Session,
        most: usize,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (mut others, mut start) = (Vec::new(), None);
        loop {
            let page = self
                .query_sessions(
                    kept.user,
                    kept.epoch,
                    Some(&["id", "last_used_at"]),
                    start,
                    now,
                )
                .await?;
            let uses = page.items.into_iter().filter_map(|item| {
                let id: SessionId = text_of(&item, "id")?.parse().ok()?;
                (id != kept.id).then(|| {
                    (
                        text_of(&item, "last_used_at")
                            .unwrap_or_default()
                            .to_owned(),
                        id,
                    )
                })
            });
            others.extend(uses);
            start = page.rest;
            if start.is_none() {
                break;
            }
        }
        others.sort();
        let too_many = (others.len() + 1).saturating_sub(most);
        for (_, session) in others.into_iter().take(too_many) {
            self.end_session(kept.user, session, now).await?;
        }
        Ok(())
    }

    /// Sessions of an account in this epoch that have not expired, after a key: with all
    /// attributes, or only these fields.
    async fn query_sessions(
        &self,
        user: UserId,
        epoch: u32,
        fields: Option<&[&str]>,
        start: Option<Item>,
        now: Timestamp,
    ) -> Result<SessionItems, StoreError> {
        let mut expression = Expression::default();
        let fields = fields.map(|fields| expression.list_of(fields));
        let (pk, sk) = (expression.name("pk"), expression.name("sk"));
        let (current, lives) = (expression.name("epoch"), lives(&mut expression, now));
        let (owner, prefix) = (
            expression.value(text(user_key(user))),
            expression.value(text("session#")),
        );
        let epoch = expression.value(number(epoch));
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .set_projection_expression(fields)
            .key_condition_expression(format!("{pk} = {owner} AND begins_with({sk}, {prefix})"))
            .filter_expression(format!("{current} = {epoch} AND {lives}"))
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .limit(SESSION_READS)
            .set_exclusive_start_key(start);
        let output = call("Query", request.send()).await.map_err(failed)?;
        Ok(SessionItems {
            items: output.items.unwrap_or_default(),
            rest: output.last_evaluated_key,
        })
    }

    pub(super) async fn epoch(&self, user: UserId) -> Result<u32, StoreError> {
        let account = self
            .get_fields(account_key(user), &["epoch"])
            .await?
            .ok_or(StoreError::Refused(THE_SESSION_HAS_ENDED))?;
        epoch_of(&account)
    }
}

/// The account's attributes that concern its sessions.
#[derive(Deserialize)]
struct AccountSession {
    epoch: u32,
    role: Role,
}

/// The condition that a session has not expired. Its idle expiry alone is not enough: refreshing
/// may move it past the absolute one.
fn lives(expression: &mut Expression, now: Timestamp) -> String {
    let (expires, ends) = (expression.name("expires_at"), expression.name("ends_at"));
    let seconds = expression.value(number(now.as_second()));
    format!("{expires} > {seconds} AND {ends} > {seconds}")
}

/// Whether a deleted session had not expired when it was deleted.
pub(super) fn had_not_expired(session: &HashMap<String, AttributeValue>, now: Timestamp) -> bool {
    ["expires_at", "ends_at"]
        .iter()
        .all(|end| number_of::<i64>(session, end).is_some_and(|end| end > now.as_second()))
}

fn session_sk(session: SessionId) -> String {
    format!("session#{session}")
}

pub(super) fn session_key(user: UserId, session: SessionId) -> Item {
    key(user_key(user), session_sk(session))
}

/// A session's item. DynamoDB's TTL uses `expires_at`.
pub(super) fn session_item(session: &Session) -> Result<Item, StoreError> {
    let mut item = write(session)?;
    item.insert(
        "expires_at".to_owned(),
        number(session.expires_at.as_second()),
    );
    item.insert("ends_at".to_owned(), number(session.ends_at.as_second()));
    item.extend(session_key(session.user, session.id));
    Ok(item)
}

pub(super) fn read_session(mut item: Item) -> Result<Session, StoreError> {
    for end in ["expires_at", "ends_at"] {
        let seconds = number_of::<i64>(&item, end)
            .ok_or_else(|| StoreError::Corrupt(format!("a session without {end}").into()))?;
        let time = Timestamp::from_millisecond(seconds.saturating_mul(1000));
        item.insert(end.to_owned(), text(time));
    }
    read(item).map(Session::within_its_lifetime)
}

fn epoch_of(account: &Item) -> Result<u32, StoreError> {
    number_of(account, "epoch")
        .ok_or_else(|| StoreError::Corrupt("an account without an epoch".into()))
}
