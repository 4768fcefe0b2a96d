//! Accounts: registering each address once, finding, renaming.

use common::fields::Change;
use common::precondition::Precondition;
use contract::cases;
use contract::fixtures::{RACERS, outcome, refusal, refused, seconds, somebody};
use contract::futures_util::future::join_all;

use super::Store;
use super::fixtures::{LIFETIMES, Refresh, account, email, hash, name, session};
use crate::{Account, User};

cases![
    a_reachable_store_is_healthy,
    an_account_is_stored_whole_with_its_first_session,
    an_address_is_taken_in_any_case_and_a_refused_registration_stores_nothing,
    an_account_is_found_by_its_address_in_any_case,
    an_unknown_account_is_not_found,
    a_name_is_kept_or_cleared_or_set,
    a_rename_of_another_version_changes_nothing_and_returns_the_version,
    an_unknown_account_cannot_be_renamed,
    a_hash_is_replaced_only_while_it_is_the_old_one;
    racing:
    of_fifty_registrations_of_one_address_at_once_one_wins_and_the_others_leave_nothing,
    of_fifty_renames_of_one_version_at_once_one_wins,
    fifty_renames_of_any_version_at_once_are_all_made,
];

async fn a_reachable_store_is_healthy(store: Store) {
    store.users.ping().await.expect("an answer");
}

async fn an_account_is_stored_whole_with_its_first_session(store: Store) {
    let nameless = Account {
        name: None,
        ..account("Bob@Example.com", store.now)
    };

    for account in [account("ada@example.com", store.now), nameless] {
        let session = session(&account, LIFETIMES, store.now);
        store
            .users
            .register(&account, &session)
            .await
            .expect("registered");

        assert_eq!(
            store.users.account(account.id).await.expect("an answer"),
            Some(account.clone())
        );
        assert_eq!(
            store
                .users
                .find_by_email(&account.email)
                .await
                .expect("an answer"),
            Some(account.clone())
        );
        assert_eq!(store.sessions_of(account.id, store.now).await, [session]);
    }
}

async fn an_address_is_taken_in_any_case_and_a_refused_registration_stores_nothing(store: Store) {
    let (ada, _) = store.register("ada@example.com").await;

    for address in ["ada@example.com", "Ada@Example.COM"] {
        let other = account(address, store.now);
        let session = session(&other, LIFETIMES, store.now);

        assert_eq!(
            refused(store.users.register(&other, &session).await),
            "Refused(the address is taken)"
        );
        assert_eq!(
            store.users.account(other.id).await.expect("an answer"),
            None
        );
        assert_eq!(store.refresh(&session, 0, store.now).await, Refresh::Ended);
        assert_eq!(
            store
                .users
                .find_by_email(&other.email)
                .await
                .expect("an answer"),
            Some(ada.clone())
        );
    }

    store.register("ada@example.org").await;
}

async fn an_account_is_found_by_its_address_in_any_case(store: Store) {
    let (ada, _) = store.register("Ada.Lovelace+Tasks@Example.com").await;

    for address in [
        "Ada.Lovelace+Tasks@Example.com",
        "ada.lovelace+tasks@example.com",
        "ADA.LOVELACE+TASKS@EXAMPLE.COM",
    ] {
        assert_eq!(
            store
                .users
                .find_by_email(&email(address))
                .await
                .expect("an answer"),
            Some(ada.clone()),
            "{address}"
        );
    }
}

async fn an_unknown_account_is_not_found(store: Store) {
    store.register("ada@example.com").await;

    for address in [
        "ada@example.co",
        "a@example.com",
        "ada.@example.com",
        "ada@example.com.example",
    ] {
        assert_eq!(
            store
                .users
                .find_by_email(&email(address))
                .await
                .expect("an answer"),
            None,
            "{address}"
        );
    }

    assert_eq!(
        store
            .users
            .account(somebody(store.now))
            .await
            .expect("an answer"),
        None
    );
}

async fn a_name_is_kept_or_cleared_or_set(store: Store) {
    let (ada, session) = store.register("ada@example.com").await;
    let ada = User::from(ada);
    let later = store.now.plus(seconds(5));
    let rename = async |change: Change<_>, at| {
        store
            .rename(ada.id, &change, &Precondition::Any, at)
            .await
            .expect("renamed")
    };

    assert_eq!(
        rename(Change::Keep, later).await,
        ada,
        "nothing changes, not even the version"
    );

    let set = rename(Change::Set(name("Augusta")), later).await;
    assert_eq!(
        set,
        User {
            name: Some(name("Augusta")),
            updated_at: later,
            version: 2,
            ..ada.clone()
        }
    );
    assert_eq!(store.stored_user(ada.id).await, set);

    let latest = later.plus(seconds(5));
    let cleared = rename(Change::Clear, latest).await;
    assert_eq!(
        cleared,
        User {
            name: None,
            updated_at: latest,
            version: 3,
            ..ada.clone()
        }
    );
    assert_eq!(
        rename(Change::Clear, latest).await.version,
        4,
        "what is cleared can be cleared again"
    );
    assert_eq!(
        rename(Change::Set(name("Ada")), latest).await,
        User {
            updated_at: latest,
            version: 5,
            ..ada.clone()
        }
    );
    assert_eq!(store.sessions_of(ada.id, latest).await, [session]);
}

async fn a_rename_of_another_version_changes_nothing_and_returns_the_version(store: Store) {
    let (ada, _) = store.register("ada@example.com").await;
    let rename = async |change: Change<_>, precondition: &Precondition| {
        outcome(store.rename(ada.id, &change, precondition, store.now).await)
    };
    let one_of = Precondition::OneOf;
    let none_of = Precondition::NoneOf;

    for precondition in [
        one_of(vec![]),
        one_of(vec![0]),
        one_of(vec![2]),
        one_of(vec![2, 3, u64::MAX]),
        none_of(vec![1]),
        none_of(vec![2, 1]),
    ] {
        for change in [Change::Keep, Change::Clear, Change::Set(name("Augusta"))] {
            assert_eq!(
                rename(change, &precondition).await,
                Err("Stale { current: 1 }".to_owned()),
                "{precondition:?}"
            );
        }
    }

    assert_eq!(store.stored_account(ada.id).await, ada);
    assert_eq!(
        rename(Change::Keep, &one_of(vec![1])).await,
        Ok(ada.clone().into())
    );
    assert_eq!(
        rename(Change::Set(name("Augusta")), &one_of(vec![7, 1]))
            .await
            .expect("renamed")
            .version,
        2
    );
    assert_eq!(
        rename(Change::Clear, &one_of(vec![1])).await,
        Err("Stale { current: 2 }".to_owned())
    );
    assert_eq!(
        store.stored_account(ada.id).await.name,
        Some(name("Augusta"))
    );
    assert_eq!(
        rename(Change::Clear, &none_of(vec![1]))
            .await
            .expect("renamed")
            .version,
        3
    );
}

async fn an_unknown_account_cannot_be_renamed(store: Store) {
    let nobody = User::from(account("nobody@example.com", store.now));

    for precondition in [Precondition::Any, Precondition::OneOf(vec![1])] {
        for change in [Change::Clear, Change::Set(name("Nobody"))] {
            assert_eq!(
                refused(
                    store
                        .users
                        .rename(&nobody, &change, &precondition, store.now)
                        .await
                ),
                "NotFound(\"account\")"
            );
        }
    }

    assert_eq!(
        store.users.account(nobody.id).await.expect("an answer"),
        None
    );
}

async fn a_hash_is_replaced_only_while_it_is_the_old_one(store: Store) {
    let (ada, session) = store.register("ada@example.com").await;

    store
        .users
        .replace_hash(ada.id, &hash("another"), &hash("second"))
        .await
        .expect("nothing to do");
    assert_eq!(store.stored_account(ada.id).await, ada);

    store
        .users
        .replace_hash(ada.id, &hash("first"), &hash("second"))
        .await
        .expect("replaced");
    assert_eq!(
        store.stored_account(ada.id).await,
        Account {
            password_hash: hash("second"),
            ..ada.clone()
        }
    );
    assert_eq!(store.sessions_of(ada.id, store.now).await, [session]);

    let nobody = somebody(store.now);
    store
        .users
        .replace_hash(nobody, &hash("first"), &hash("second"))
        .await
        .expect("nothing to do");
    assert_eq!(store.users.account(nobody).await.expect("an answer"), None);
}

async fn of_fifty_registrations_of_one_address_at_once_one_wins_and_the_others_leave_nothing(
    store: Store,
) {
    let attempts: Vec<_> = (0..RACERS)
        .map(|n| {
            let account = account(
                if n % 2 == 0 {
                    "ada@example.com"
                } else {
                    "ADA@example.com"
                },
                store.now,
            );
            let session = session(&account, LIFETIMES, store.now);
            (account, session)
        })
        .collect();

    let answers = join_all(
        attempts
            .iter()
            .map(|(account, session)| store.users.register(account, session)),
    )
    .await;

    let mut winners = Vec::new();
    for (attempt, answer) in attempts.iter().zip(&answers) {
        match answer {
            Ok(()) => winners.push(attempt),
            Err(error) => assert_eq!(refusal(error), "Refused(the address is taken)"),
        }
    }

    let [(winner, _)] = winners[..] else {
        panic!("{} won", winners.len())
    };
    assert_eq!(
        store
            .users
            .find_by_email(&winner.email)
            .await
            .expect("an answer")
            .as_ref(),
        Some(winner)
    );

    for (account, session) in &attempts {
        let won = account.id == winner.id;

        assert_eq!(
            store
                .users
                .account(account.id)
                .await
                .expect("an answer")
                .is_some(),
            won
        );
        assert_eq!(
            matches!(
                store.refresh(session, 0, store.now).await,
                Refresh::Rotated(_)
            ),
            won
        );
    }
}

async fn of_fifty_renames_of_one_version_at_once_one_wins(store: Store) {
    let (ada, _) = store.register("ada@example.com").await;
    let read = store.stored_user(ada.id).await;
    let names: Vec<_> = (0..RACERS)
        .map(|n| Change::Set(name(&format!("Ada {n}"))))
        .collect();
    let first = Precondition::OneOf(vec![1]);

    let answers = join_all(
        names
            .iter()
            .map(|name| store.users.rename(&read, name, &first, store.now)),
    )
    .await;

    let mut winners = Vec::new();
    for answer in answers {
        match outcome(answer) {
            Ok(account) => winners.push(account),
            Err(error) => assert_eq!(error, "Stale { current: 2 }"),
        }
    }

    assert_eq!(winners, [store.stored_user(ada.id).await]);
}

async fn fifty_renames_of_any_version_at_once_are_all_made(store: Store) {
    let (ada, _) = store.register("ada@example.com").await;
    let read = store.stored_user(ada.id).await;
    let names: Vec<_> = (0..RACERS)
        .map(|n| Change::Set(name(&format!("Ada {n}"))))
        .collect();

    let answers = join_all(names.iter().map(|name| {
        store
            .users
            .rename(&read, name, &Precondition::Any, store.now)
    }))
    .await;

    let mut versions: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.expect("renamed").version)
        .collect();
    versions.sort_unstable();

    assert!(
        versions.iter().copied().eq(2..=RACERS as u64 + 1),
        "{versions:?}"
    );
    assert_eq!(
        store.stored_account(ada.id).await.version,
        RACERS as u64 + 1
    );
}
