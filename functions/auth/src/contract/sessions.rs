//! Sessions: started, listed, ended one by one or all except one.

use std::time::Duration;

use common::auth::{SessionId, SessionLifetimes, UserId};
use common::paging::Cursor;
use contract::cases;
use contract::fixtures::{RACERS, identifier, outcome, refused, scan, seconds, somebody};
use contract::futures_util::future::join_all;

use super::Store;
use super::fixtures::{LIFETIMES, Refresh, session};
use crate::{SESSION_ORDER, Session};

cases![
    sessions_are_listed_oldest_first_in_pages_of_any_size,
    a_session_is_stored_whole,
    sessions_that_have_expired_are_not_listed,
    a_session_past_its_absolute_end_has_ended_even_if_it_was_just_used,
    a_session_is_ended_once,
    an_expired_session_cannot_be_ended,
    another_accounts_session_cannot_be_ended,
    ending_the_other_sessions_keeps_the_current_one,
    a_session_that_has_ended_cannot_end_others,
    a_session_that_began_before_the_others_were_ended_has_ended,
    sessions_are_found_behind_many_that_have_ended,
    a_forged_position_shows_nothing_of_another_account,
    a_live_session_is_found_with_its_owner,
    an_ended_session_is_not_found_however_it_ended,
    the_least_recently_used_sessions_end_when_there_are_too_many;
    racing:
    one_session_that_ends_the_others_fifty_times_at_once_stays_alive,
    of_sessions_that_end_each_other_at_once_one_is_left,
    a_session_that_is_ended_while_it_is_refreshed_stays_ended,
    sessions_that_begin_at_once_never_exceed_the_maximum,
    a_session_that_ends_the_others_is_always_found_alive,
];

/// Starts sessions a second apart, so that there are this many, the registered one included.
async fn several(store: &Store, address: &str, count: u64) -> (UserId, Vec<Session>) {
    let (account, first) = store.register(address).await;
    let mut sessions = vec![first];
    for n in 1..count {
        sessions.push(store.log_in(account.id, store.now.plus(seconds(n))).await);
    }
    (account.id, sessions)
}

async fn sessions_are_listed_oldest_first_in_pages_of_any_size(store: Store) {
    let (user, sessions) = several(&store, "ada@example.com", 7).await;
    several(&store, "bob@example.com", 2).await;
    let now = store.now.plus(seconds(10));

    for limit in [1, 2, 3, 6, 7, 8, 100] {
        let listed = scan(&[limit], async |limit, after| {
            store.users.sessions(user, limit, after.as_ref(), now).await
        })
        .await;

        assert_eq!(listed, sessions, "in pages of {limit}");
    }
}

async fn a_session_is_stored_whole(store: Store) {
    let (ada, first) = store.register("ada@example.com").await;
    let second = Session {
        user_agent: None,
        ..session(&ada, LIFETIMES, store.now.plus(seconds(1)))
    };
    // Neither as old as its account nor new, like a session that was copied from another store.
    let third = Session {
        id: SessionId::from_uuid(identifier(store.now.plus(seconds(2)))),
        generation: 7,
        previous: Some(5),
        created_at: store.now.plus(Duration::from_millis(2_001)),
        last_used_at: store.now.plus(Duration::from_millis(2_999)),
        ..second.clone()
    };

    for session in [&second, &third] {
        store.users.start_session(session).await.expect("a session");
    }

    assert_eq!(
        store.sessions_of(ada.id, store.now).await,
        [first, second, third]
    );
}

async fn sessions_that_have_expired_are_not_listed(store: Store) {
    let (ada, first) = store.register("ada@example.com").await;
    let short = session(
        &ada,
        SessionLifetimes {
            idle: seconds(60),
            absolute: seconds(600),
        },
        store.now.plus(seconds(1)),
    );

    store.users.start_session(&short).await.expect("a session");

    assert_eq!(
        store.session_ids(ada.id, store.now.plus(seconds(60))).await,
        [first.id, short.id]
    );
    assert_eq!(
        store.session_ids(ada.id, store.now.plus(seconds(61))).await,
        [first.id]
    );
    assert!(
        store
            .session_ids(ada.id, store.now.plus(LIFETIMES.idle))
            .await
            .is_empty()
    );
}

async fn a_session_past_its_absolute_end_has_ended_even_if_it_was_just_used(store: Store) {
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
    // Its idle time alone would last another day.
    let Refresh::Rotated(moved) = store.refresh(&short, 0, store.now.plus(seconds(59))).await
    else {
        panic!("it has not ended yet")
    };

    assert_eq!(moved.expires_at, short.ends_at);

    let over = store.now.plus(seconds(60));
    assert_eq!(store.session_ids(ada.id, over).await, [first.id]);
    assert_eq!(
        refused(store.users.end_other_sessions(ada.id, short.id, over).await),
        "Refused(the session has ended)"
    );
    assert_eq!(store.session_ids(ada.id, over).await, [first.id]);
    assert_eq!(store.refresh(&short, 1, over).await, Refresh::Ended);
    assert!(
        !store
            .users
            .end_session(ada.id, short.id, over)
            .await
            .expect("an answer")
    );
}

async fn a_session_is_ended_once(store: Store) {
    let (user, sessions) = several(&store, "ada@example.com", 3).await;
    let now = store.now.plus(seconds(10));
    let end = async |id| {
        store
            .users
            .end_session(user, id, now)
            .await
            .expect("an answer")
    };

    assert!(end(sessions[1].id).await);
    assert!(!end(sessions[1].id).await);
    assert!(!end(SessionId::from_uuid(identifier(now))).await);
    assert_eq!(store.refresh(&sessions[1], 0, now).await, Refresh::Ended);
    assert_eq!(
        store.session_ids(user, now).await,
        [sessions[0].id, sessions[2].id]
    );
}

async fn an_expired_session_cannot_be_ended(store: Store) {
    let (ada, session) = store.register("ada@example.com").await;

    assert!(
        !store
            .users
            .end_session(ada.id, session.id, store.now.plus(LIFETIMES.idle))
            .await
            .expect("an answer")
    );
}

async fn another_accounts_session_cannot_be_ended(store: Store) {
    let (_, adas) = store.register("ada@example.com").await;
    let (bob, bobs) = store.register("bob@example.com").await;

    assert!(
        !store
            .users
            .end_session(bob.id, adas.id, store.now)
            .await
            .expect("an answer")
    );
    assert_eq!(
        refused(
            store
                .users
                .end_other_sessions(bob.id, adas.id, store.now)
                .await
        ),
        "Refused(the session has ended)"
    );
    assert!(matches!(
        store.refresh(&adas, 0, store.now).await,
        Refresh::Rotated(_)
    ));
    assert!(matches!(
        store.refresh(&bobs, 0, store.now).await,
        Refresh::Rotated(_)
    ));
}

async fn ending_the_other_sessions_keeps_the_current_one(store: Store) {
    let (user, sessions) = several(&store, "ada@example.com", 4).await;
    let (bob, _) = several(&store, "bob@example.com", 2).await;
    let now = store.now.plus(seconds(10));

    for _ in 0..2 {
        store
            .users
            .end_other_sessions(user, sessions[2].id, now)
            .await
            .expect("ended");

        assert_eq!(
            store.session_ids(user, now).await,
            [sessions[2].id],
            "the second time there are no others"
        );
    }

    for ended in [&sessions[0], &sessions[1], &sessions[3]] {
        assert_eq!(store.refresh(ended, 0, now).await, Refresh::Ended);
    }

    let Refresh::Rotated(kept) = store.refresh(&sessions[2], 0, now).await else {
        panic!("it was to be kept")
    };
    assert_eq!(
        (kept.generation, kept.created_at, kept.ends_at),
        (1, sessions[2].created_at, sessions[2].ends_at)
    );

    let next = store.log_in(user, now).await;
    assert_eq!(
        store.session_ids(user, now).await,
        [sessions[2].id, next.id]
    );
    assert!(matches!(
        store.refresh(&next, 0, now).await,
        Refresh::Rotated(_)
    ));
    assert_eq!(store.session_ids(bob, now).await.len(), 2);
    assert_eq!(
        store.stored_account(user).await.version,
        1,
        "the account's owner changed nothing of it"
    );
}

async fn a_session_that_has_ended_cannot_end_others(store: Store) {
    let (user, sessions) = several(&store, "ada@example.com", 5).await;
    let now = store.now.plus(seconds(10));
    let short = session(
        &store.stored_account(user).await,
        SessionLifetimes {
            idle: seconds(1),
            absolute: seconds(1),
        },
        store.now,
    );

    store.users.start_session(&short).await.expect("a session");
    assert!(
        store
            .users
            .end_session(user, sessions[0].id, now)
            .await
            .expect("an answer")
    );

    for ended in [
        sessions[0].id,
        short.id,
        SessionId::from_uuid(identifier(now)),
    ] {
        assert_eq!(
            refused(store.users.end_other_sessions(user, ended, now).await),
            "Refused(the session has ended)"
        );
    }

    assert_eq!(store.session_ids(user, now).await.len(), 4);

    store
        .users
        .end_other_sessions(user, sessions[1].id, now)
        .await
        .expect("ended");
    assert_eq!(
        refused(
            store
                .users
                .end_other_sessions(user, sessions[2].id, now)
                .await
        ),
        "Refused(the session has ended)"
    );
    assert_eq!(store.session_ids(user, now).await, [sessions[1].id]);

    let nobody = somebody(now);
    assert_eq!(
        refused(
            store
                .users
                .end_other_sessions(nobody, sessions[1].id, now)
                .await
        ),
        "Refused(the session has ended)"
    );
}

async fn a_session_that_began_before_the_others_were_ended_has_ended(store: Store) {
    // A login with the account as it was read before its sessions were ended.
    let (ada, first) = store.register("ada@example.com").await;
    store
        .users
        .end_other_sessions(ada.id, first.id, store.now)
        .await
        .expect("ended");
    let late = session(&ada, LIFETIMES, store.now.plus(seconds(1)));
    store.users.start_session(&late).await.expect("an answer");
    let now = store.now.plus(seconds(2));

    assert_eq!(store.session_ids(ada.id, now).await, [first.id]);
    assert_eq!(store.refresh(&late, 0, now).await, Refresh::Ended);
    assert_eq!(
        refused(store.users.end_other_sessions(ada.id, late.id, now).await),
        "Refused(the session has ended)"
    );
}

async fn sessions_are_found_behind_many_that_have_ended(store: Store) {
    // More than a store reads for one page.
    const ENDED: u64 = 1_050;
    let (ada, first) = store.register("ada@example.com").await;
    let short = SessionLifetimes {
        idle: seconds(1),
        absolute: seconds(1),
    };
    let ended: Vec<_> = (0..ENDED)
        .map(|_| session(&ada, short, store.now.plus(seconds(1))))
        .collect();
    for some in ended.chunks(RACERS) {
        for begun in join_all(
            some.iter()
                .map(|session| store.users.start_session(session)),
        )
        .await
        {
            begun.expect("a session");
        }
    }
    let last = store.log_in(ada.id, store.now.plus(seconds(2))).await;
    let now = store.now.plus(seconds(5));

    for limit in [1, 2, 100] {
        let listed = scan(&[limit], async |limit, after| {
            store
                .users
                .sessions(ada.id, limit, after.as_ref(), now)
                .await
        })
        .await;

        assert_eq!(listed, [first.clone(), last.clone()], "in pages of {limit}");
    }
}

async fn a_forged_position_shows_nothing_of_another_account(store: Store) {
    let (user, sessions) = several(&store, "ada@example.com", 4).await;
    let (_, others) = several(&store, "bob@example.com", 4).await;
    let now = store.now.plus(seconds(10));
    let ids: Vec<SessionId> = sessions.iter().map(|session| session.id).collect();
    let mut positions = vec![
        "!".to_owned(),
        "~".to_owned(),
        "x".repeat(128),
        "session#".to_owned(),
        "$where".to_owned(),
        "{}".to_owned(),
    ];
    positions.extend(others.iter().map(|session| session.id.to_string()));
    positions.push("00000000-0000-0000-0000-000000000000".to_owned());
    positions.push("ffffffff-ffff-ffff-ffff-ffffffffffff".to_owned());

    for position in positions {
        let after = Cursor::new(SESSION_ORDER, &position);

        let page = store
            .users
            .sessions(user, 100, Some(&after), now)
            .await
            .expect("a page");
        let shown: Vec<SessionId> = page.items.iter().map(|session| session.id).collect();

        assert!(ids.ends_with(&shown), "{position}");
        assert_eq!(page.next, None, "{position}");
    }
}

async fn a_live_session_is_found_with_its_owner(store: Store) {
    let (ada, first) = store.register("ada@example.com").await;
    let second = store.log_in(ada.id, store.now).await;
    store
        .users
        .end_other_sessions(ada.id, second.id, store.now)
        .await
        .expect("ended");
    let third = store.log_in(ada.id, store.now).await;

    for session in [second, third] {
        let live = store.live(&session, store.now).await.expect("it lives");

        assert_eq!(live.user, ada.clone().into());
        assert_eq!(
            Session {
                epoch: 0,
                ..live.session
            },
            Session {
                epoch: 0,
                ..session
            }
        );
    }

    assert_eq!(
        refused(store.live(&first, store.now).await),
        "Refused(the session has ended)"
    );
}

async fn an_ended_session_is_not_found_however_it_ended(store: Store) {
    let (ada, first) = store.register("ada@example.com").await;
    let (bob, bobs) = store.register("bob@example.com").await;
    let logged_out = store.log_in(ada.id, store.now).await;
    store
        .users
        .end_session(ada.id, logged_out.id, store.now)
        .await
        .expect("an answer");
    let stolen = store.log_in(ada.id, store.now).await;
    for generation in [0, 1, 0] {
        store.refresh(&stolen, generation, store.now).await;
    }
    let elsewhere = [
        Session {
            user: bob.id,
            ..first.clone()
        },
        Session {
            user: ada.id,
            ..bobs.clone()
        },
        Session {
            user: somebody(store.now),
            ..first.clone()
        },
        Session {
            id: SessionId::from_uuid(identifier(store.now)),
            ..first.clone()
        },
    ];

    for session in [&logged_out, &stolen].into_iter().chain(&elsewhere) {
        assert_eq!(
            refused(store.live(session, store.now).await),
            "Refused(the session has ended)"
        );
    }

    assert!(
        store
            .live(&first, first.expires_at.minus(seconds(1)))
            .await
            .is_ok()
    );
    assert_eq!(
        refused(store.live(&first, first.expires_at).await),
        "Refused(the session has ended)"
    );
}

async fn the_least_recently_used_sessions_end_when_there_are_too_many(store: Store) {
    let (user, sessions) = several(&store, "ada@example.com", 6).await;
    let (bob, _) = several(&store, "bob@example.com", 6).await;
    let now = store.now.plus(seconds(20));

    // The oldest session is the second most recently used one.
    assert!(matches!(
        store.refresh(&sessions[0], 0, now).await,
        Refresh::Rotated(_)
    ));

    let newest = store.log_in(user, now).await;

    store
        .users
        .end_least_used_sessions(&newest, 4, now)
        .await
        .expect("ended");

    assert_eq!(
        store.session_ids(user, now).await,
        [sessions[0].id, sessions[4].id, sessions[5].id, newest.id]
    );

    store
        .users
        .end_least_used_sessions(&newest, 4, now)
        .await
        .expect("nothing to end");
    assert_eq!(store.session_ids(user, now).await.len(), 4);

    store
        .users
        .end_least_used_sessions(&newest, 1, now)
        .await
        .expect("ended");
    assert_eq!(
        store.session_ids(user, now).await,
        [newest.id],
        "the one that has just begun is kept"
    );
    assert_eq!(store.session_ids(bob, now).await.len(), 6);
}

async fn sessions_that_begin_at_once_never_exceed_the_maximum(store: Store) {
    let (ada, _) = store.register("ada@example.com").await;
    let begin = async || {
        let session = store.log_in(ada.id, store.now).await;
        store
            .users
            .end_least_used_sessions(&session, 10, store.now)
            .await
            .expect("an answer");
    };

    join_all((0..RACERS).map(|_| begin())).await;
    let left = store.session_ids(ada.id, store.now).await.len();

    assert!((1..=10).contains(&left), "{left}");
}

async fn a_session_that_ends_the_others_is_always_found_alive(store: Store) {
    let (ada, session) = store.register("ada@example.com").await;
    let ends = join_all((0..10).map(|_| {
        store
            .users
            .end_other_sessions(ada.id, session.id, store.now)
    }));
    let finds = join_all((0..RACERS).map(|_| store.live(&session, store.now)));

    let (_, found) = contract::futures_util::future::join(ends, finds).await;

    for live in found {
        assert_eq!(live.expect("it lives").user, ada.clone().into());
    }
}

async fn one_session_that_ends_the_others_fifty_times_at_once_stays_alive(store: Store) {
    let (user, sessions) = several(&store, "ada@example.com", 3).await;
    let now = store.now.plus(seconds(10));

    let answers =
        join_all((0..RACERS).map(|_| store.users.end_other_sessions(user, sessions[1].id, now)))
            .await;
    for answer in answers {
        outcome(answer).expect("a session that lives can end the others");
    }

    assert_eq!(store.session_ids(user, now).await, [sessions[1].id]);
    assert!(matches!(
        store.refresh(&sessions[1], 0, now).await,
        Refresh::Rotated(_)
    ));
}

async fn of_sessions_that_end_each_other_at_once_one_is_left(store: Store) {
    let (user, sessions) = several(&store, "ada@example.com", 20).await;
    let now = store.now.plus(seconds(30));

    let answers = join_all(
        sessions
            .iter()
            .map(|session| store.users.end_other_sessions(user, session.id, now)),
    )
    .await;

    let mut kept = Vec::new();
    for (session, answer) in sessions.iter().zip(answers) {
        match outcome(answer) {
            Ok(()) => kept.push(session.id),
            Err(error) => assert_eq!(error, "Refused(the session has ended)"),
        }
    }

    assert_eq!(kept.len(), 1);
    assert_eq!(store.session_ids(user, now).await, kept);

    for session in &sessions {
        assert_eq!(
            matches!(store.refresh(session, 0, now).await, Refresh::Rotated(_)),
            session.id == kept[0]
        );
    }
}

async fn a_session_that_is_ended_while_it_is_refreshed_stays_ended(store: Store) {
    let (ada, session) = store.register("ada@example.com").await;
    let refreshes = join_all((0..RACERS).map(|_| store.refresh(&session, 0, store.now)));
    let ends = join_all((0..5).map(|_| store.users.end_session(ada.id, session.id, store.now)));

    let (_, ends) = contract::futures_util::future::join(refreshes, ends).await;

    assert_eq!(
        ends.into_iter()
            .filter(|ended| matches!(ended, Ok(true)))
            .count(),
        1
    );
    assert!(store.session_ids(ada.id, store.now).await.is_empty());

    for generation in [0, 1] {
        assert_eq!(
            store.refresh(&session, generation, store.now).await,
            Refresh::Ended
        );
    }
}
