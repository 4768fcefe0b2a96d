//! Refresh tokens: each is exchanged once. The one just before gets the same successor again within
//! the grace time, and later a new one in its place. An older or void token is theft.

use std::collections::HashSet;

use common::auth::{SessionId, SessionLifetimes};
use common::time::Timestamp;
use contract::cases;
use contract::fixtures::{RACERS, identifier, seconds, somebody};
use contract::futures_util::future::join_all;

use super::Store;
use super::fixtures::{LIFETIMES, Refresh, session};
use crate::{GRACE, Session};

cases![
    the_current_token_rotates_the_session,
    every_token_of_a_long_chain_works_once,
    an_idle_end_is_never_after_the_absolute_one,
    the_token_just_before_gets_the_same_successor_within_the_grace_time,
    a_late_repetition_of_the_token_just_before_gets_a_new_successor_and_voids_the_unused_one,
    reusing_a_token_whose_successor_was_used_is_theft,
    presenting_a_void_successor_ends_the_session,
    a_client_that_never_gets_a_response_stays_logged_in_while_it_retries,
    a_token_older_than_the_one_just_before_is_theft_at_once,
    a_token_that_was_never_issued_changes_nothing,
    a_session_that_has_expired_cannot_be_refreshed;
    racing:
    of_fifty_exchanges_of_one_token_at_once_one_rotates_the_session_and_all_get_its_successor,
    of_fifty_late_repetitions_at_once_one_rotates_the_session_and_all_get_its_successor,
    fifty_uses_of_a_stolen_token_at_once_leave_no_session,
];

async fn rotated(store: &Store, session: &Session, generation: u32, now: Timestamp) -> Session {
    match store.refresh(session, generation, now).await {
        Refresh::Rotated(session) => session,
        other => panic!("{other:?}"),
    }
}

async fn the_current_token_rotates_the_session(store: Store) {
    let (ada, session) = store.register("ada@example.com").await;
    let later = store.now.plus(seconds(3_600));

    let moved = rotated(&store, &session, 0, later).await;
    assert_eq!(
        moved,
        Session {
            generation: 1,
            previous: Some(0),
            last_used_at: later,
            expires_at: later.plus(LIFETIMES.idle),
            ..session
        }
    );
    assert_eq!(
        store.sessions_of(ada.id, later).await,
        std::slice::from_ref(&moved)
    );

    // Later than its first idle end.
    let latest = later.plus(LIFETIMES.idle).minus(seconds(1));
    assert_eq!(rotated(&store, &moved, 1, latest).await.generation, 2);
}

async fn every_token_of_a_long_chain_works_once(store: Store) {
    let (ada, mut session) = store.register("ada@example.com").await;

    for generation in 0..20 {
        session = rotated(
            &store,
            &session,
            generation,
            store.now.plus(seconds(60 * u64::from(generation))),
        )
        .await;

        assert_eq!(session.generation, generation + 1);
    }

    assert_eq!(
        store.sessions_of(ada.id, session.last_used_at).await,
        [session]
    );
}

async fn an_idle_end_is_never_after_the_absolute_one(store: Store) {
    let (ada, _) = store.register("ada@example.com").await;
    let short = session(
        &ada,
        SessionLifetimes {
            idle: seconds(60),
            absolute: seconds(100),
        },
        store.now,
    );
    store.users.start_session(&short).await.expect("a session");

    let moved = rotated(&store, &short, 0, store.now.plus(seconds(50))).await;

    assert_eq!(
        (moved.expires_at, moved.ends_at),
        (short.ends_at, short.ends_at)
    );

    let listed = store.sessions_of(ada.id, store.now.plus(seconds(50))).await;
    assert!(
        listed
            .iter()
            .all(|session| session.expires_at <= session.ends_at),
        "{listed:?}"
    );

    let Refresh::Repeated(again) = store.refresh(&short, 0, store.now.plus(seconds(51))).await
    else {
        panic!("within the grace time")
    };
    assert_eq!(again, moved);
}

async fn the_token_just_before_gets_the_same_successor_within_the_grace_time(store: Store) {
    let (ada, session) = store.register("ada@example.com").await;
    let moved = rotated(&store, &session, 0, store.now).await;

    for later in [store.now, store.now.plus(seconds(1)), store.now.plus(GRACE)] {
        assert_eq!(
            store.refresh(&session, 0, later).await,
            Refresh::Repeated(moved.clone())
        );
    }

    assert_eq!(
        store.sessions_of(ada.id, store.now).await,
        std::slice::from_ref(&moved)
    );
    assert_eq!(
        rotated(&store, &session, 1, store.now.plus(GRACE))
            .await
            .generation,
        2
    );
}

async fn a_late_repetition_of_the_token_just_before_gets_a_new_successor_and_voids_the_unused_one(
    store: Store,
) {
    let (ada, session) = store.register("ada@example.com").await;
    rotated(&store, &session, 0, store.now).await;
    let late = store.now.plus(GRACE).plus(seconds(1));

    let moved = rotated(&store, &session, 0, late).await;

    let expected = Session {
        generation: 2,
        previous: Some(0),
        last_used_at: late,
        expires_at: late.plus(LIFETIMES.idle),
        ..session.clone()
    };

    assert_eq!(moved, expected);
    assert_eq!(
        store.refresh(&session, 0, late.plus(GRACE)).await,
        Refresh::Repeated(moved.clone()),
        "a new grace time has begun"
    );
    assert_eq!(
        store.sessions_of(ada.id, late).await,
        std::slice::from_ref(&moved)
    );
    assert_eq!(rotated(&store, &session, 2, late).await.previous, Some(2));
    assert_eq!(store.refresh(&session, 1, late).await, Refresh::Stolen);
}

async fn reusing_a_token_whose_successor_was_used_is_theft(store: Store) {
    let (ada, session) = store.register("ada@example.com").await;
    for generation in 0..2 {
        rotated(&store, &session, generation, store.now).await;
    }
    let late = store.now.plus(GRACE).plus(seconds(1));

    assert_eq!(store.refresh(&session, 0, late).await, Refresh::Stolen);

    for generation in [0, 1, 2, 3] {
        assert_eq!(
            store.refresh(&session, generation, late).await,
            Refresh::Ended,
            "generation {generation}"
        );
    }

    assert!(store.session_ids(ada.id, late).await.is_empty());
}

async fn presenting_a_void_successor_ends_the_session(store: Store) {
    // A thief uses a copy of the parent after the owner; the owner's next refresh detects it.
    let (ada, session) = store.register("ada@example.com").await;
    let other = store.log_in(ada.id, store.now).await;
    rotated(&store, &session, 0, store.now).await;
    let late = store.now.plus(GRACE).plus(seconds(1));

    rotated(&store, &session, 0, late).await;

    assert_eq!(store.refresh(&session, 1, late).await, Refresh::Stolen);

    assert_eq!(
        store.refresh(&session, 2, late).await,
        Refresh::Ended,
        "the thief's successor is worth nothing"
    );
    assert_eq!(store.session_ids(ada.id, late).await, [other.id]);
}

async fn a_client_that_never_gets_a_response_stays_logged_in_while_it_retries(store: Store) {
    let (ada, session) = store.register("ada@example.com").await;

    let mut now = store.now;
    for asked in 1..=5 {
        assert_eq!(rotated(&store, &session, 0, now).await.generation, asked);

        now = now.plus(GRACE).plus(seconds(1));
    }

    let moved = rotated(&store, &session, 5, now).await;
    assert_eq!((moved.generation, moved.previous), (6, Some(5)));
    assert_eq!(store.sessions_of(ada.id, now).await, [moved]);
}

async fn a_token_older_than_the_one_just_before_is_theft_at_once(store: Store) {
    let (ada, session) = store.register("ada@example.com").await;
    let other = store.log_in(ada.id, store.now).await;

    for generation in 0..2 {
        rotated(&store, &session, generation, store.now).await;
    }

    assert_eq!(store.refresh(&session, 0, store.now).await, Refresh::Stolen);
    assert_eq!(store.refresh(&session, 2, store.now).await, Refresh::Ended);
    assert_eq!(
        store.session_ids(ada.id, store.now).await,
        [other.id],
        "no other session is touched"
    );
}

async fn a_token_that_was_never_issued_changes_nothing(store: Store) {
    let (ada, session) = store.register("ada@example.com").await;
    let (bob, _) = store.register("bob@example.com").await;
    let elsewhere = [
        Session {
            id: SessionId::from_uuid(identifier(store.now)),
            ..session.clone()
        },
        Session {
            user: bob.id,
            ..session.clone()
        },
        Session {
            user: somebody(store.now),
            ..session.clone()
        },
    ];

    for forged in &elsewhere {
        for generation in [0, 1, u32::MAX] {
            assert_eq!(
                store.refresh(forged, generation, store.now).await,
                Refresh::Ended
            );
        }
    }

    for generation in [1, 2, u32::MAX] {
        assert_eq!(
            store.refresh(&session, generation, store.now).await,
            Refresh::Ended
        );
    }

    assert_eq!(
        store.sessions_of(ada.id, store.now).await,
        std::slice::from_ref(&session)
    );

    rotated(&store, &session, 0, store.now).await;
}

async fn a_session_that_has_expired_cannot_be_refreshed(store: Store) {
    let (ada, session) = store.register("ada@example.com").await;
    let moved = rotated(&store, &session, 0, store.now).await;

    // An old token makes no difference: the session has expired.
    for generation in [1, 0, 2] {
        assert_eq!(
            store.refresh(&session, generation, moved.expires_at).await,
            Refresh::Ended
        );
    }

    assert_eq!(
        rotated(&store, &session, 1, moved.expires_at.minus(seconds(1)))
            .await
            .generation,
        2
    );

    let short = super::fixtures::session(
        &ada,
        SessionLifetimes {
            idle: seconds(50),
            absolute: seconds(100),
        },
        store.now,
    );
    store.users.start_session(&short).await.expect("a session");
    rotated(&store, &short, 0, store.now.plus(seconds(49))).await;
    rotated(&store, &short, 1, store.now.plus(seconds(99))).await;

    assert_eq!(
        store.refresh(&short, 2, short.ends_at).await,
        Refresh::Ended
    );
}

async fn of_fifty_exchanges_of_one_token_at_once_one_rotates_the_session_and_all_get_its_successor(
    store: Store,
) {
    let (ada, session) = store.register("ada@example.com").await;

    for generation in 0..3 {
        let answers =
            join_all((0..RACERS).map(|_| store.refresh(&session, generation, store.now))).await;

        let mut moved = 0;
        let mut successors = HashSet::new();
        for answer in answers {
            match answer {
                Refresh::Rotated(session) => {
                    moved += 1;
                    successors.insert(session.generation);
                }
                Refresh::Repeated(session) => {
                    successors.insert(session.generation);
                }
                other => panic!("{other:?}"),
            }
        }

        assert_eq!((moved, successors), (1, HashSet::from([generation + 1])));
    }

    assert_eq!(
        store.sessions_of(ada.id, store.now).await,
        [Session {
            generation: 3,
            previous: Some(2),
            ..session
        }]
    );
}

async fn of_fifty_late_repetitions_at_once_one_rotates_the_session_and_all_get_its_successor(
    store: Store,
) {
    let (ada, session) = store.register("ada@example.com").await;
    rotated(&store, &session, 0, store.now).await;
    let late = store.now.plus(GRACE).plus(seconds(1));

    let answers = join_all((0..RACERS).map(|_| store.refresh(&session, 0, late))).await;

    let mut moved = 0;
    let mut successors = HashSet::new();
    for answer in answers {
        let (Refresh::Rotated(ref session) | Refresh::Repeated(ref session)) = answer else {
            panic!("{answer:?}")
        };
        moved += usize::from(matches!(answer, Refresh::Rotated(_)));
        successors.insert(session.generation);
    }

    assert_eq!((moved, successors), (1, HashSet::from([2])));
    assert_eq!(store.session_ids(ada.id, late).await, [session.id]);
}

async fn fifty_uses_of_a_stolen_token_at_once_leave_no_session(store: Store) {
    let (ada, session) = store.register("ada@example.com").await;
    for generation in 0..2 {
        rotated(&store, &session, generation, store.now).await;
    }

    // The owner uses the current token at the same time.
    let thieves = join_all((0..RACERS).map(|_| store.refresh(&session, 0, store.now)));
    let (answers, _) =
        contract::futures_util::future::join(thieves, store.refresh(&session, 2, store.now)).await;

    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Refresh::Stolen | Refresh::Ended)),
        "{answers:?}"
    );
    assert!(answers.contains(&Refresh::Stolen));
    assert!(store.session_ids(ada.id, store.now).await.is_empty());
}
