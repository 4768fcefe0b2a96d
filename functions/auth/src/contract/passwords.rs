//! A change of password: checked against the stored hash, made once, and it ends all other
//! sessions.

use common::auth::SessionLifetimes;
use common::idempotency::{IDEMPOTENCY_KEY_LIFETIME, IdempotencyKey};
use common::problem::StoreError;
use common::time::Timestamp;
use contract::cases;
use contract::fixtures::{RACERS, once, outcome, refused, seconds};
use contract::futures_util::future::join_all;

use super::Store;
use super::fixtures::{LIFETIMES, Refresh, hash, session};
use crate::{Account, PasswordUpdate, Session};

cases![
    a_new_password_ends_every_other_session,
    a_new_password_gives_its_session_a_new_token_and_voids_the_earlier_ones,
    a_change_during_a_refresh_of_its_session_is_made,
    a_change_verified_against_another_hash_changes_nothing,
    a_session_that_has_ended_cannot_change_the_password,
    a_session_past_its_absolute_end_cannot_change_the_password,
    a_live_session_is_never_reported_as_ended,
    a_repeated_change_is_recognised_and_not_made_again,
    a_key_belongs_to_its_account,
    a_key_expires_after_a_day,
    a_refused_change_does_not_use_up_its_key;
    racing:
    of_fifty_changes_at_once_one_is_made,
    fifty_repetitions_of_one_change_at_once_make_it_once,
];

/// Changes the password of an account, as it was read, from the first hash to the second.
async fn change(
    store: &Store,
    account: &Account,
    session: &Session,
    hashes: [&str; 2],
    once: Option<&IdempotencyKey>,
    now: Timestamp,
) -> Result<Session, StoreError> {
    let [verified, new] = hashes.map(hash);
    let update = PasswordUpdate {
        session,
        epoch: account.epoch,
        verified: &verified,
        new: &new,
        now,
    };
    store.users.change_password(update, once).await
}

async fn a_new_password_ends_every_other_session(store: Store) {
    let (ada, first) = store.register("ada@example.com").await;
    let other = store.log_in(ada.id, store.now).await;

    change(&store, &ada, &first, ["first", "second"], None, store.now)
        .await
        .expect("changed");

    let changed = store.stored_account(ada.id).await;
    assert_eq!(changed.password_hash, hash("second"));
    assert_eq!(
        (changed.email, changed.name, changed.created_at),
        (ada.email, ada.name, ada.created_at)
    );
    assert_eq!(store.session_ids(ada.id, store.now).await, [first.id]);
    assert_eq!(store.refresh(&other, 0, store.now).await, Refresh::Ended);

    let again = store.stored_account(ada.id).await;
    change(&store, &again, &first, ["second", "third"], None, store.now)
        .await
        .expect("changed again");
    assert_eq!(
        store.stored_account(ada.id).await.password_hash,
        hash("third")
    );
}

async fn a_new_password_gives_its_session_a_new_token_and_voids_the_earlier_ones(store: Store) {
    for presented in [0, 1] {
        let (ada, first) = store
            .register(&format!("ada-{presented}@example.com"))
            .await;
        let Refresh::Rotated(current) = store.refresh(&first, 0, store.now).await else {
            panic!("the current token")
        };

        let renewed = change(&store, &ada, &current, ["first", "second"], None, store.now)
            .await
            .expect("changed");

        assert_eq!(
            (renewed.generation, renewed.previous, renewed.id),
            (2, None, first.id)
        );
        assert_eq!(
            (renewed.created_at, renewed.last_used_at),
            (current.created_at, current.last_used_at)
        );
        assert_eq!(
            store.sessions_of(ada.id, store.now).await,
            std::slice::from_ref(&renewed)
        );

        let Refresh::Rotated(moved) = store.refresh(&renewed, 2, store.now).await else {
            panic!("the new token")
        };
        assert_eq!((moved.generation, moved.previous), (3, Some(2)));
        assert_eq!(
            store.refresh(&renewed, presented, store.now).await,
            Refresh::Stolen,
            "generation {presented}"
        );
    }
}

async fn a_change_during_a_refresh_of_its_session_is_made(store: Store) {
    let (ada, first) = store.register("ada@example.com").await;
    let Refresh::Rotated(_) = store.refresh(&first, 0, store.now).await else {
        panic!("the current token")
    };

    // This version of the session was read before the refresh.
    let renewed = change(&store, &ada, &first, ["first", "second"], None, store.now)
        .await
        .expect("changed");

    assert_eq!((renewed.generation, renewed.previous), (2, None));
    assert_eq!(
        store.stored_account(ada.id).await.password_hash,
        hash("second")
    );
    assert_eq!(
        store.refresh(&renewed, 1, store.now).await,
        Refresh::Stolen,
        "what the refresh gave is void as well"
    );
}

async fn a_change_verified_against_another_hash_changes_nothing(store: Store) {
    let (ada, first) = store.register("ada@example.com").await;
    let other = store.log_in(ada.id, store.now.plus(seconds(1))).await;

    assert_eq!(
        refused(change(&store, &ada, &first, ["another", "second"], None, store.now).await),
        "Refused(the password was changed meanwhile)"
    );
    assert_eq!(store.stored_account(ada.id).await, ada);
    assert_eq!(
        store.session_ids(ada.id, store.now).await,
        [first.id, other.id]
    );
}

async fn a_session_that_has_ended_cannot_change_the_password(store: Store) {
    let (ada, first) = store.register("ada@example.com").await;
    let (bob, bobs) = store.register("bob@example.com").await;

    let ended = store.log_in(ada.id, store.now).await;
    assert!(
        store
            .users
            .end_session(ada.id, ended.id, store.now)
            .await
            .expect("an answer")
    );

    let foreign = Session {
        user: ada.id,
        ..bobs
    };
    for session in [&ended, &foreign] {
        assert_eq!(
            refused(change(&store, &ada, session, ["first", "second"], None, store.now).await),
            "Refused(the session has ended)"
        );
    }

    let late = store.now.plus(LIFETIMES.idle);
    assert_eq!(
        refused(change(&store, &ada, &first, ["first", "second"], None, late).await),
        "Refused(the session has ended)"
    );
    assert_eq!(store.stored_account(ada.id).await, ada);

    let keeper = store.log_in(ada.id, store.now).await;
    store
        .users
        .end_other_sessions(ada.id, keeper.id, store.now)
        .await
        .expect("ended");

    for read in [ada.clone(), store.stored_account(ada.id).await] {
        assert_eq!(
            refused(change(&store, &read, &first, ["first", "second"], None, store.now).await),
            "Refused(the session has ended)"
        );
    }

    assert_eq!(
        store.stored_account(ada.id).await.password_hash,
        hash("first")
    );
    assert_eq!(store.session_ids(ada.id, store.now).await, [keeper.id]);
    assert_eq!(store.stored_account(bob.id).await, bob);
}

async fn a_session_past_its_absolute_end_cannot_change_the_password(store: Store) {
    let (ada, first) = store.register("ada@example.com").await;
    let short = session(
        &ada,
        SessionLifetimes {
            idle: seconds(60),
            absolute: seconds(60),
        },
        store.now,
    );

    store.users.start_session(&short).await.expect("a session");
    assert!(matches!(
        store.refresh(&short, 0, store.now.plus(seconds(59))).await,
        Refresh::Rotated(_)
    ));

    let over = store.now.plus(seconds(60));
    assert_eq!(
        refused(change(&store, &ada, &short, ["first", "second"], None, over).await),
        "Refused(the session has ended)"
    );
    assert_eq!(store.stored_account(ada.id).await, ada);
    assert_eq!(store.session_ids(ada.id, over).await, [first.id]);
}

async fn a_live_session_is_never_reported_as_ended(store: Store) {
    let (ada, first) = store.register("ada@example.com").await;

    // The same session changed the password, or ended the others, after the account was read.
    store
        .users
        .end_other_sessions(ada.id, first.id, store.now)
        .await
        .expect("ended");
    if let Err(error) =
        outcome(change(&store, &ada, &first, ["first", "second"], None, store.now).await)
    {
        assert_eq!(error, "Refused(the password was changed meanwhile)");
        assert_eq!(
            store.stored_account(ada.id).await.password_hash,
            hash("first")
        );
    }

    let read = store.stored_account(ada.id).await;
    let so_far = if read.password_hash == hash("first") {
        "first"
    } else {
        "second"
    };

    change(&store, &read, &first, [so_far, "third"], None, store.now)
        .await
        .expect("changed");
    assert_eq!(
        refused(change(&store, &read, &first, [so_far, "fourth"], None, store.now).await),
        "Refused(the password was changed meanwhile)"
    );
    assert_eq!(
        store.stored_account(ada.id).await.password_hash,
        hash("third")
    );
    assert_eq!(store.session_ids(ada.id, store.now).await, [first.id]);
}

async fn a_repeated_change_is_recognised_and_not_made_again(store: Store) {
    let (ada, first) = store.register("ada@example.com").await;
    let key = once("key", "this change");
    let other = once("key", "another change");
    let repeated = async |once| {
        outcome(
            store
                .users
                .password_change_repeated(ada.id, once, store.now)
                .await,
        )
    };

    assert_eq!(repeated(&key).await, Ok(false));

    change(
        &store,
        &ada,
        &first,
        ["first", "second"],
        Some(&key),
        store.now,
    )
    .await
    .expect("changed");
    assert_eq!(repeated(&key).await, Ok(true));
    assert_eq!(repeated(&other).await, Err("KeyReused".to_owned()));
    assert_eq!(repeated(&once("other key", "this change")).await, Ok(false));

    let changed = store.stored_account(ada.id).await;
    let next = store.log_in(ada.id, store.now.plus(seconds(1))).await;
    change(
        &store,
        &ada,
        &first,
        ["first", "second"],
        Some(&key),
        store.now,
    )
    .await
    .expect("recognised");

    // The handler verifies the password again, and finds the new one.
    change(
        &store,
        &changed,
        &first,
        ["second", "second"],
        Some(&key),
        store.now,
    )
    .await
    .expect("recognised");
    assert_eq!(
        refused(
            change(
                &store,
                &changed,
                &first,
                ["second", "third"],
                Some(&other),
                store.now
            )
            .await
        ),
        "KeyReused"
    );
    assert_eq!(store.stored_account(ada.id).await, changed);
    assert_eq!(
        store.session_ids(ada.id, store.now.plus(seconds(1))).await,
        [first.id, next.id]
    );
}

async fn a_key_belongs_to_its_account(store: Store) {
    let (ada, adas) = store.register("ada@example.com").await;
    let (bob, bobs) = store.register("bob@example.com").await;
    change(
        &store,
        &ada,
        &adas,
        ["first", "second"],
        Some(&once("key", "hers")),
        store.now,
    )
    .await
    .expect("changed");
    let his = once("key", "his");

    assert!(
        !store
            .users
            .password_change_repeated(bob.id, &his, store.now)
            .await
            .expect("an answer")
    );

    change(
        &store,
        &bob,
        &bobs,
        ["first", "third"],
        Some(&his),
        store.now,
    )
    .await
    .expect("changed");
    assert_eq!(
        store.stored_account(bob.id).await.password_hash,
        hash("third")
    );
}

async fn a_key_expires_after_a_day(store: Store) {
    let (ada, _) = store.register("ada@example.com").await;
    let long = session(
        &ada,
        SessionLifetimes {
            idle: IDEMPOTENCY_KEY_LIFETIME * 5,
            absolute: IDEMPOTENCY_KEY_LIFETIME * 5,
        },
        store.now,
    );
    store.users.start_session(&long).await.expect("a session");
    let key = once("key", "this change");
    change(
        &store,
        &ada,
        &long,
        ["first", "second"],
        Some(&key),
        store.now,
    )
    .await
    .expect("changed");

    let known = store.now.plus(IDEMPOTENCY_KEY_LIFETIME).minus(seconds(1));
    let forgotten = store.now.plus(IDEMPOTENCY_KEY_LIFETIME);
    let repeated =
        async |once, at| outcome(store.users.password_change_repeated(ada.id, once, at).await);

    assert_eq!(repeated(&key, known).await, Ok(true));
    assert_eq!(repeated(&key, forgotten).await, Ok(false));

    let other = once("key", "another change");
    assert_eq!(repeated(&other, forgotten).await, Ok(false));

    let read = store.stored_account(ada.id).await;
    change(
        &store,
        &read,
        &long,
        ["second", "third"],
        Some(&other),
        forgotten,
    )
    .await
    .expect("made anew");
    assert_eq!(
        store.stored_account(ada.id).await.password_hash,
        hash("third")
    );
    assert_eq!(repeated(&other, forgotten).await, Ok(true));
}

async fn a_refused_change_does_not_use_up_its_key(store: Store) {
    let (ada, first) = store.register("ada@example.com").await;
    let ended = store.log_in(ada.id, store.now).await;
    store
        .users
        .end_session(ada.id, ended.id, store.now)
        .await
        .expect("an answer");
    let key = once("key", "refused");

    assert_eq!(
        refused(
            change(
                &store,
                &ada,
                &first,
                ["another", "second"],
                Some(&key),
                store.now
            )
            .await
        ),
        "Refused(the password was changed meanwhile)"
    );
    assert_eq!(
        refused(
            change(
                &store,
                &ada,
                &ended,
                ["first", "second"],
                Some(&key),
                store.now
            )
            .await
        ),
        "Refused(the session has ended)"
    );
    assert!(
        !store
            .users
            .password_change_repeated(ada.id, &key, store.now)
            .await
            .expect("an answer")
    );

    let corrected = once("key", "corrected");
    change(
        &store,
        &ada,
        &first,
        ["first", "second"],
        Some(&corrected),
        store.now,
    )
    .await
    .expect("changed");
    assert_eq!(
        store.stored_account(ada.id).await.password_hash,
        hash("second")
    );
}

async fn of_fifty_changes_at_once_one_is_made(store: Store) {
    let (ada, first) = store.register("ada@example.com").await;
    let new: Vec<String> = (0..RACERS).map(|n| format!("new {n}")).collect();

    let answers = join_all(
        new.iter()
            .map(|new| change(&store, &ada, &first, ["first", new], None, store.now)),
    )
    .await;

    let mut made = Vec::new();
    for (new, answer) in new.iter().zip(answers) {
        match outcome(answer) {
            Ok(_) => made.push(hash(new)),
            Err(error) => assert_eq!(error, "Refused(the password was changed meanwhile)"),
        }
    }

    assert_eq!(made.len(), 1);
    assert_eq!(store.stored_account(ada.id).await.password_hash, made[0]);
    assert_eq!(store.session_ids(ada.id, store.now).await, [first.id]);
}

async fn fifty_repetitions_of_one_change_at_once_make_it_once(store: Store) {
    let (ada, first) = store.register("ada@example.com").await;
    let other = store.log_in(ada.id, store.now).await;
    let key = once("key", "this change");
    let repetition = async || loop {
        match change(
            &store,
            &ada,
            &first,
            ["first", "second"],
            Some(&key),
            store.now,
        )
        .await
        {
            Err(StoreError::StillRunning) => contract::tokio::task::yield_now().await,
            answer => return outcome(answer),
        }
    };

    let answers = join_all((0..RACERS).map(|_| repetition())).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");

    let changed = store.stored_account(ada.id).await;
    assert_eq!(changed.password_hash, hash("second"));
    assert_eq!(store.session_ids(ada.id, store.now).await, [first.id]);
    assert_eq!(store.refresh(&other, 0, store.now).await, Refresh::Ended);

    // A second change would have ended the session that begins after the first one.
    let next = session(&changed, LIFETIMES, store.now.plus(seconds(1)));
    store.users.start_session(&next).await.expect("a session");
    assert!(repetition().await.is_ok());
    assert_eq!(
        store.session_ids(ada.id, store.now.plus(seconds(1))).await,
        [first.id, next.id]
    );
}
