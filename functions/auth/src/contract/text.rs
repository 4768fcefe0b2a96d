//! Text: Unicode, stored byte for byte.

use common::auth::{Client, SessionId};
use common::fields::Change;
use common::precondition::Precondition;
use contract::cases;
use contract::fixtures::{TEXTS, identifier};

use super::Store;
use super::fixtures::{LIFETIMES, account, name, session};
use crate::{Account, Session};

cases![names_and_user_agents_are_kept_byte_for_byte];

async fn names_and_user_agents_are_kept_byte_for_byte(store: Store) {
    for (n, text) in TEXTS.iter().enumerate() {
        let client = Client::new(std::net::Ipv4Addr::LOCALHOST.into(), Some(text));
        let account = Account {
            name: Some(name(text)),
            ..account(&format!("ada-{n}@example.com"), store.now)
        };
        let first = Session {
            user_agent: client.user_agent,
            ..session(&account, LIFETIMES, store.now)
        };
        store
            .users
            .register(&account, &first)
            .await
            .expect("registered");

        assert_eq!(store.stored_account(account.id).await, account);
        assert_eq!(store.sessions_of(account.id, store.now).await, [first]);

        let other = TEXTS[(n + 1) % TEXTS.len()];
        let renamed = store
            .rename(
                account.id,
                &Change::Set(name(other)),
                &Precondition::Any,
                store.now,
            )
            .await;
        assert_eq!(renamed.expect("renamed").name, Some(name(other)));
    }

    let long = account("long@example.com", store.now);
    let client = Client::new(
        std::net::Ipv4Addr::LOCALHOST.into(),
        Some(&"\u{1f331}".repeat(300)),
    );
    let first = Session {
        id: SessionId::from_uuid(identifier(store.now)),
        user_agent: client.user_agent,
        ..session(&long, LIFETIMES, store.now)
    };
    store
        .users
        .register(&long, &first)
        .await
        .expect("registered");

    assert_eq!(store.sessions_of(long.id, store.now).await, [first]);
}
