//! Counters: no addition is lost.

use contract::futures_util::future::join_all;

use super::Store;
use contract::cases;
use contract::fixtures::{RACERS, seconds};

cases![
    an_addition_gives_the_running_count,
    counters_with_other_names_are_others,
    a_count_is_read_without_a_change_and_is_nothing_once_it_has_expired;
    racing:
    of_fifty_additions_at_once_none_is_lost,
];

async fn add(store: &Store, counter: &str, amount: i64) -> i64 {
    store
        .counters
        .add(counter, amount, store.now.plus(seconds(60)))
        .await
        .expect("counted")
}

async fn an_addition_gives_the_running_count(store: Store) {
    let mut count = 0;
    for amount in [1, 1, 3, -2, 0, -10, 1_000_000_000_000, 5] {
        count += amount;
        assert_eq!(add(&store, "login-source#192.0.2.1#1", amount).await, count);
    }
    assert_eq!(add(&store, "begins-below-nothing", -1).await, -1);
}

async fn counters_with_other_names_are_others(store: Store) {
    let names = [
        "login-source#192.0.2.1#1",
        "login-source#192.0.2.1#10",
        "login-source#192.0.2.1#2",
        "login-account#192.0.2.1#1",
        "login-account#q83vEjRWeJC-_-#1",
        "login-account#Q83vEjRWeJC-_-#1",
        "login-source#20010db800000001#1",
    ];
    for (n, name) in (1..).zip(names) {
        assert_eq!(add(&store, name, n).await, n, "{name}");
    }
    for (n, name) in (1..).zip(names) {
        assert_eq!(add(&store, name, 1).await, n + 1, "{name}");
    }
}

async fn a_count_is_read_without_a_change_and_is_nothing_once_it_has_expired(store: Store) {
    let count = async |at| {
        store
            .counters
            .count("known-source#here", at)
            .await
            .expect("an answer")
    };
    assert_eq!(count(store.now).await, 0, "nobody has counted");

    add(&store, "known-source#here", 2).await;

    for _ in 0..2 {
        assert_eq!(count(store.now.plus(seconds(59))).await, 2);
    }
    assert_eq!(count(store.now.plus(seconds(60))).await, 0);
    assert_eq!(
        store
            .counters
            .count("known-source#there", store.now)
            .await
            .expect("an answer"),
        0
    );
}

async fn of_fifty_additions_at_once_none_is_lost(store: Store) {
    let mut counts =
        join_all((0..RACERS).map(|_| add(&store, "register-source#192.0.2.1#1", 1))).await;
    counts.sort_unstable();
    let racers = i64::try_from(RACERS).expect("few");
    assert!(counts.iter().copied().eq(1..=racers), "{counts:?}");
    let given_back = join_all((0..RACERS).map(|n| {
        add(
            &store,
            "register-source#192.0.2.1#1",
            if n % 2 == 0 { -1 } else { 1 },
        )
    }))
    .await;
    assert_eq!(given_back.len(), RACERS);
    assert_eq!(add(&store, "register-source#192.0.2.1#1", 0).await, racers);
}
