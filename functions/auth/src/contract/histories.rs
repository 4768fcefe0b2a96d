//! Random histories: for any calls in any order, the store returns and stores the same as the
//! model.

use std::time::Duration;

use common::auth::SessionLifetimes;
use common::fields::Change;
use common::idempotency::IDEMPOTENCY_KEY_LIFETIME;
use common::precondition::Precondition;
use contract::fixtures::{
    any_precondition, end_of_histories, once, outcome, scan, seconds, somebody,
};
use contract::proptest::collection::vec;
use contract::proptest::prelude::{Just, Strategy, prop_oneof};
use contract::proptest::sample::select;
use contract::proptest::{option, prop_assert, prop_assert_eq};
use contract::{cases, check};

use super::Store;
use super::fixtures::{LIFETIMES, Refresh, account, email, hash, name, session};
use super::model::Accounts;
use crate::{Account, GRACE, Name, PasswordUpdate, Session, User};

cases![any_history_of_accounts_and_sessions_agrees_with_the_model];

/// The number of histories, and the length of the longest.
const HISTORIES: u32 = 32;
const LONGEST: usize = 60;

fn any_wait() -> impl Strategy<Value = Duration> {
    select(vec![
        seconds(0),
        seconds(1),
        GRACE,
        seconds(3_600),
        IDEMPOTENCY_KEY_LIFETIME - seconds(1),
        IDEMPOTENCY_KEY_LIFETIME,
    ])
}

fn any_change<T: Clone + std::fmt::Debug + 'static>(
    values: Vec<T>,
) -> impl Strategy<Value = Change<T>> {
    prop_oneof![3 => Just(Change::Keep), 1 => Just(Change::Clear), 2 => select(values).prop_map(Change::Set)]
}

/// A call of the store. Addresses are given by number, sessions by their position among those
/// started.
#[derive(Clone, Debug)]
enum AccountStep {
    Register(u8),
    Find(u8),
    Rename(u8, Change<Name>, Precondition),
    ReplaceHash(u8, u8, u8),
    LogIn(u8, SessionLifetimes),
    /// The offset from the current generation.
    Refresh(usize, i64),
    End(usize),
    EndOthers(usize),
    /// From one hash to another, with a key.
    ChangePassword(usize, u8, u8, Option<u8>),
    List(u8, usize),
    Wait(Duration),
}

fn any_account_step() -> impl Strategy<Value = AccountStep> {
    let who = || 0..3_u8;
    let which = || 0..12_usize;
    let hashes = || 0..3_u8;
    let short = SessionLifetimes {
        idle: seconds(3_600),
        absolute: seconds(7_200),
    };
    prop_oneof![
        2 => who().prop_map(AccountStep::Register),
        1 => who().prop_map(AccountStep::Find),
        1 => (who(), any_change(vec![name("Ada"), name("Augusta")]), any_precondition())
            .prop_map(|(who, name, precondition)| AccountStep::Rename(who, name, precondition)),
        1 => (who(), hashes(), hashes()).prop_map(|(who, old, new)| AccountStep::ReplaceHash(who, old, new)),
        4 => (who(), select(vec![LIFETIMES, short])).prop_map(|(who, lifetimes)| AccountStep::LogIn(who, lifetimes)),
        8 => (which(), select(vec![0, 0, 0, 0, -1, -1, -2, 1])).prop_map(|(which, offset)| AccountStep::Refresh(which, offset)),
        2 => which().prop_map(AccountStep::End),
        2 => which().prop_map(AccountStep::EndOthers),
        3 => (which(), hashes(), hashes(), option::weighted(0.5, 0..2_u8))
            .prop_map(|(which, old, new, key)| AccountStep::ChangePassword(which, old, new, key)),
        2 => (who(), 1..5_usize).prop_map(|(who, limit)| AccountStep::List(who, limit)),
        3 => any_wait().prop_map(AccountStep::Wait),
    ]
}

pub async fn any_history_of_accounts_and_sessions_agrees_with_the_model(store: Store) {
    check(
        HISTORIES,
        &vec(any_account_step(), 1..LONGEST),
        async |history| {
            let mut model = Accounts::default();
            let waits = history.iter().map(|step| match step {
                AccountStep::Wait(time) => *time,
                _ => Duration::ZERO,
            });
            let mut now = end_of_histories(store.now).minus(waits.sum());
            // Every history uses different addresses.
            let domain = format!("{}.example.com", somebody(now));
            let address = |who: u8| format!("person-{who}@{domain}");
            let hash = |n: u8| hash(&n.to_string());

            let mut begun: Vec<Session> = Vec::new();
            for step in history {
                let session_at =
                    |which: usize| (!begun.is_empty()).then(|| begun[which % begun.len()].clone());
                match &step {
                    AccountStep::Register(who) => {
                        let account = Account {
                            password_hash: hash(0),
                            ..account(&address(*who), now)
                        };
                        let first = session(&account, LIFETIMES, now);
                        let answer = outcome(store.users.register(&account, &first).await);
                        begun.push(first.clone());

                        prop_assert_eq!(answer, model.register(account, first), "{:?}", step);
                    }
                    AccountStep::Find(who) => {
                        let found = store
                            .users
                            .find_by_email(&email(&address(*who).to_uppercase()))
                            .await
                            .expect("an answer");

                        prop_assert_eq!(
                            found.map(without_epoch),
                            model.find(&address(*who)).map(without_epoch),
                            "{:?}",
                            step
                        );
                    }
                    AccountStep::Rename(who, change, precondition) => {
                        let Some(user) = model.find(&address(*who)).map(|account| account.id)
                        else {
                            continue;
                        };

                        let answer = outcome(store.rename(user, change, precondition, now).await);

                        prop_assert_eq!(
                            answer,
                            model
                                .rename(user, change, precondition, now)
                                .map(User::from),
                            "{:?}",
                            step
                        );
                    }
                    AccountStep::ReplaceHash(who, old, new) => {
                        let Some(user) = model.find(&address(*who)).map(|account| account.id)
                        else {
                            continue;
                        };
                        store
                            .users
                            .replace_hash(user, &hash(*old), &hash(*new))
                            .await
                            .expect("an answer");
                        model.replace_hash(user, &hash(*old), &hash(*new));
                    }
                    AccountStep::LogIn(who, lifetimes) => {
                        let Some(account) = store
                            .users
                            .find_by_email(&email(&address(*who)))
                            .await
                            .expect("an answer")
                        else {
                            continue;
                        };
                        let next = session(&account, *lifetimes, now);
                        store.users.start_session(&next).await.expect("a session");
                        model.start(next.clone());
                        begun.push(next);
                    }
                    AccountStep::Refresh(which, offset) => {
                        let Some(session) = session_at(*which) else {
                            continue;
                        };
                        let current = model.generation(&session);
                        let Ok(generation) = u32::try_from(i64::from(current) + offset) else {
                            continue;
                        };

                        let answer = store.refresh(&session, generation, now).await;
                        let expected = model.refresh(&session, generation, LIFETIMES.idle, now);
                        // A copied token of an ended session is invalid; which error it returns
                        // does not matter.
                        let called_theft = expected == Refresh::Ended
                            && answer == Refresh::Stolen
                            && model.is_left_behind(&session);

                        prop_assert!(
                            called_theft || session_view(&answer) == session_view(&expected),
                            "{step:?}: {answer:?}, not {expected:?}"
                        );
                    }
                    AccountStep::End(which) => {
                        let Some(session) = session_at(*which) else {
                            continue;
                        };

                        let left_behind = model.is_left_behind(&session);
                        let ended = store
                            .users
                            .end_session(session.user, session.id, now)
                            .await
                            .expect("an answer");
                        let expected = model.end(&session, now);

                        prop_assert!(
                            ended == expected || left_behind,
                            "{step:?}: {ended}, not {expected}"
                        );
                    }
                    AccountStep::EndOthers(which) => {
                        let Some(session) = session_at(*which) else {
                            continue;
                        };

                        let answer = outcome(
                            store
                                .users
                                .end_other_sessions(session.user, session.id, now)
                                .await,
                        );

                        prop_assert_eq!(answer, model.end_others(&session, now), "{:?}", step);
                    }
                    AccountStep::ChangePassword(which, old, new, key) => {
                        let Some(session) = session_at(*which) else {
                            continue;
                        };
                        let Some(account) =
                            store.users.account(session.user).await.expect("an answer")
                        else {
                            continue;
                        };
                        let Some(session) = model.stored(&session) else {
                            continue;
                        };
                        let key = key.map(|key| once(&key.to_string(), &format!("{old} {new}")));
                        let verified = hash(*old);
                        let new = hash(*new);
                        let update = PasswordUpdate {
                            session: &session,
                            epoch: account.epoch,
                            verified: &verified,
                            new: &new,
                            now,
                        };

                        let answer =
                            outcome(store.users.change_password(update, key.as_ref()).await);
                        let answer = answer.map(|session| Session {
                            epoch: 0,
                            ..session
                        });

                        prop_assert_eq!(
                            answer,
                            model
                                .change_password(&session, &verified, &new, key.as_ref(), now)
                                .map(|session| Session {
                                    epoch: 0,
                                    ..session
                                }),
                            "{:?}",
                            step
                        );
                    }
                    AccountStep::List(who, limit) => {
                        let Some(user) = model.find(&address(*who)).map(|account| account.id)
                        else {
                            continue;
                        };

                        let listed = scan(&[*limit], async |limit, after| {
                            store.users.sessions(user, limit, after.as_ref(), now).await
                        })
                        .await;

                        prop_assert_eq!(
                            views(listed),
                            views(model.sessions(user, now)),
                            "{:?}",
                            step
                        );
                    }
                    AccountStep::Wait(time) => now = now.plus(*time),
                }
            }

            for who in 0..3 {
                let found = store
                    .users
                    .find_by_email(&email(&address(who)))
                    .await
                    .expect("an answer");
                prop_assert_eq!(
                    found.clone().map(without_epoch),
                    model.find(&address(who)).map(without_epoch),
                    "at the end"
                );

                let Some(user) = found.map(|account| account.id) else {
                    continue;
                };
                prop_assert_eq!(
                    views(store.sessions_of(user, now).await),
                    views(model.sessions(user, now)),
                    "at the end"
                );
            }

            Ok(())
        },
    );
}

/// Epochs are internal to a store: what matters is which sessions they end.
fn without_epoch(account: Account) -> Account {
    Account {
        epoch: 0,
        ..account
    }
}

fn views(sessions: Vec<Session>) -> Vec<Session> {
    sessions
        .into_iter()
        .map(|session| Session {
            epoch: 0,
            ..session
        })
        .collect()
}

fn session_view(rotation: &Refresh) -> Refresh {
    match rotation.clone() {
        Refresh::Rotated(session) => Refresh::Rotated(Session {
            epoch: 0,
            ..session
        }),
        Refresh::Repeated(session) => Refresh::Repeated(Session {
            epoch: 0,
            ..session
        }),
        other => other,
    }
}
