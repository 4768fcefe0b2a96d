//! Records: a record that was put can be read, one of several writers wins, an expired record is
//! not found, and pages have every record once.

use std::sync::Arc;

use common::database::Database;
use common::problem::StoreError;
use common::records::{
    self, Content, CounterStore, KeyRange, Kind, Put, Record, RecordId, RecordOrder, RecordQuery,
    RecordStore, Refused, Transacted, Write,
};
use common::time::Timestamp;
use contract::fixtures::{RACERS, refused, scan, seconds};
use contract::{Ground, cases};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::servers::{COUNTERS_COLLECTION, RECORDS_COLLECTION, RECORDS_TABLE};

/// The records of a case, initially empty.
#[derive(Clone)]
struct Store {
    records: Arc<dyn RecordStore>,
    counters: Arc<dyn CounterStore>,
    /// The same records over a client that loses the answer to every write once, if possible.
    losing_answers: Option<Arc<dyn RecordStore>>,
    /// Whether transactions are atomic.
    transactions: bool,
    now: Timestamp,
}

impl From<&Ground> for Store {
    fn from(ground: &Ground) -> Self {
        let table = ground.table(RECORDS_TABLE);
        let on = |database| records::on(database, table, RECORDS_COLLECTION);
        Self {
            records: on(&ground.database),
            counters: records::counters(&ground.database, table, COUNTERS_COLLECTION),
            losing_answers: ground.losing_answers.as_ref().map(on),
            transactions: matches!(ground.database, Database::DynamoDb(_) | Database::Sqlite(_)),
            now: ground.now,
        }
    }
}

cases![
    a_record_that_was_put_can_be_read,
    a_second_put_changes_nothing,
    a_record_is_found_only_by_its_kind_partition_and_key,
    a_replacement_replaces_everything_and_increments_the_version,
    a_replacement_at_another_version_changes_nothing_and_returns_the_current_one,
    a_missing_record_cannot_be_replaced,
    a_deleted_record_is_gone_and_can_be_put_again,
    a_deletion_at_another_version_changes_nothing_and_returns_the_current_one,
    an_expired_record_is_not_found,
    a_new_record_can_replace_an_expired_one,
    pages_have_every_record_once_in_key_order,
    pages_have_every_record_once_in_each_order,
    pages_have_only_records_of_their_kind_and_partition,
    a_page_has_only_keys_in_its_range,
    a_record_is_listed_where_its_last_replacement_put_it,
    a_page_continues_after_a_record_that_was_deleted_meanwhile,
    expired_records_do_not_hide_live_ones,
    an_addition_returns_the_new_count,
    reading_a_counter_does_not_change_it_and_an_expired_one_is_zero,
    an_expired_counter_starts_again,
    a_transaction_makes_all_of_its_writes,
    a_transaction_whose_first_condition_fails_does_nothing,
    a_transaction_whose_later_condition_fails_does_nothing,
    in_a_transaction_an_expired_record_is_not_found,
    a_write_whose_answer_was_lost_is_made_once,
    a_transaction_that_was_done_can_be_repeated,
    a_transaction_that_is_repeated_after_other_changes_changes_nothing,
    a_transaction_with_another_name_is_a_different_one,
    a_transaction_has_one_to_four_writes_to_different_records,
    without_transactions_an_interrupted_one_is_completed_by_repeating_it,
    without_transactions_a_failed_later_condition_reports_the_writes_that_were_made;
    racing:
    of_fifty_puts_at_once_one_wins,
    of_fifty_puts_at_once_one_replaces_an_expired_record,
    of_fifty_replacements_at_one_version_one_wins,
    of_fifty_additions_at_once_none_is_lost,
    of_fifty_additions_at_once_to_an_expired_counter_none_is_lost,
    of_transactions_that_replace_one_record_one_wins,
    of_transactions_that_delete_one_record_one_wins,
    one_transaction_that_is_made_many_times_at_once_is_done_once,
    pages_have_every_record_that_was_there_all_the_time,
];

const NOTE: Kind = Kind::new("note");
const COUNTER: Kind = Kind::new("counter");

fn note(key: &str) -> RecordId {
    RecordId::new(NOTE, "somebody", key)
}

fn content(document: impl Into<Value>) -> Content {
    Content {
        document: document.into(),
        ..Content::default()
    }
}

fn ordered(document: impl Into<Value>, first: Option<&str>, second: Option<&str>) -> Content {
    Content {
        order: [first, second].map(|order| order.map(str::to_owned)),
        ..content(document)
    }
}

fn expiring(document: impl Into<Value>, expires_at: Timestamp) -> Content {
    Content {
        expires_at: Some(expires_at),
        ..content(document)
    }
}

fn record(id: &RecordId, version: u64, content: Content) -> Record {
    Record {
        id: id.clone(),
        version,
        content,
    }
}

fn taken(there: &Record) -> Put {
    Put::Taken(Box::new(there.clone()))
}

/// The items without their order.
fn shuffled<T>(items: Vec<T>) -> Vec<T> {
    let mut even = Vec::new();
    let mut odd = Vec::new();
    for (n, item) in items.into_iter().enumerate() {
        if n % 2 == 0 { &mut even } else { &mut odd }.push(item);
    }
    odd.extend(even.into_iter().rev());
    odd
}

impl Store {
    async fn put(&self, id: &RecordId, content: &Content) {
        let put = self.records.put_if_absent(id, content, self.now).await;
        assert_eq!(put.expect("an answer"), Put::Done, "{id:?}");
    }

    async fn replace(
        &self,
        id: &RecordId,
        version: u64,
        content: &Content,
    ) -> Result<u64, StoreError> {
        self.records.replace(id, version, content, self.now).await
    }

    async fn delete(&self, id: &RecordId, version: Option<u64>) -> Result<(), StoreError> {
        self.records.delete(id, version, self.now).await
    }

    async fn record(&self, id: &RecordId) -> Option<Record> {
        self.records.get(id, self.now).await.expect("an answer")
    }

    async fn records(&self, query: &RecordQuery, limits: &[usize]) -> Vec<Record> {
        scan(limits, async |limit, after| {
            let query = RecordQuery {
                limit,
                after,
                ..query.clone()
            };
            self.records.page(&query, self.now).await
        })
        .await
    }

    async fn keys(&self, query: &RecordQuery) -> Vec<String> {
        let records = self.records(query, &[3]).await;
        records.into_iter().map(|record| record.id.key).collect()
    }

    async fn transact(&self, id: &str, writes: &[Write]) -> Transacted {
        self.records
            .transact(id, writes, self.now)
            .await
            .expect("an answer")
    }

    async fn count_up(&self, id: &RecordId, amount: i64) -> i64 {
        self.counters
            .add(id, amount, self.now.plus(seconds(60)), self.now)
            .await
            .expect("counted")
    }
}

async fn a_record_that_was_put_can_be_read(store: Store) {
    let later = store.now.plus(seconds(90));
    let contents = [
        content(Value::Null),
        content(""),
        content(json!({"n": 1, "big": u64::MAX, "least": i64::MIN, "half": -0.5, "huge": 1e300})),
        content(json!({"$set": {"a.b": [[], {}, [null, true]], "": "é \u{0} 🦀\n"}, "_id": 1})),
        expiring("expires", later),
        ordered("first", Some("2026-03-01T09:30:00.000Z"), None),
        ordered("second", None, Some("#! \"%$é.a\\")),
        Content {
            expires_at: Some(later),
            ..ordered("all", Some("1"), Some(""))
        },
    ];

    for (n, content) in contents.into_iter().enumerate() {
        let id = note(&n.to_string());

        store.put(&id, &content).await;

        assert_eq!(store.record(&id).await, Some(record(&id, 1, content)));
    }

    let of_a_type = Content::new(&("pair", 2)).expect("JSON");
    store.put(&note("typed"), &of_a_type).await;

    let found = store.record(&note("typed")).await.expect("a record");
    let pair: (String, u8) = found.read().expect("a pair");
    assert_eq!(pair, ("pair".to_owned(), 2));
    assert!(found.read::<bool>().is_err());

    let exact = expiring("to the second", later.plus(seconds(1)));
    let inexact = Timestamp::from_millisecond(later.as_millisecond() + 1_999);
    store
        .put(&note("inexact"), &expiring("to the second", inexact))
        .await;

    let found = store.record(&note("inexact")).await;
    assert_eq!(found, Some(record(&note("inexact"), 1, exact)));
}

async fn a_second_put_changes_nothing(store: Store) {
    let first = ordered("first", Some("1"), None);
    store.put(&note("a"), &first).await;

    for second in [ordered("second", None, Some("2")), first.clone()] {
        let put = store
            .records
            .put_if_absent(&note("a"), &second, store.now)
            .await;

        let there = record(&note("a"), 1, first.clone());
        assert_eq!(put.expect("an answer"), taken(&there));
        assert_eq!(store.record(&note("a")).await, Some(there));
    }
}

async fn a_record_is_found_only_by_its_kind_partition_and_key(store: Store) {
    let mut ids = Vec::new();
    for kind in ["a", "ab", "a-b"].map(Kind::new) {
        for partition in ["p", "p#", "p#q", "p$cq", "P", "p q", "é"] {
            for key in ["k", "#k", "q#k", "K", "k ", "%23k", "k.$", "ключ"] {
                ids.push(RecordId::new(kind, partition, key));
            }
        }
    }

    for (n, id) in ids.iter().enumerate() {
        assert_eq!(store.record(id).await, None, "{id:?}");

        store.put(id, &content(n)).await;
    }

    for (n, id) in ids.iter().enumerate() {
        assert_eq!(store.record(id).await, Some(record(id, 1, content(n))));
    }

    let (gone, left) = ids.split_at(ids.len() / 2);
    for id in gone {
        let deleted = store.delete(id, None).await;
        deleted.expect("deleted");
    }

    for id in left {
        assert!(store.record(id).await.is_some(), "{id:?}");
    }
}

async fn a_replacement_replaces_everything_and_increments_the_version(store: Store) {
    let later = store.now.plus(seconds(60));
    let contents = [
        Content {
            expires_at: Some(later),
            ..ordered(json!({"title": "old", "only": "old"}), Some("1"), Some("1"))
        },
        ordered(json!({"title": "new"}), Some("2"), None),
        Content {
            expires_at: Some(later),
            ..ordered(Value::Null, None, Some("2"))
        },
        content("last"),
    ];
    store.put(&note("a"), &contents[0]).await;
    store.put(&note("b"), &contents[0]).await;

    for (version, content) in (1..).zip(&contents[1..]) {
        let replaced = store.replace(&note("a"), version, content).await;

        assert_eq!(replaced.expect("replaced"), version + 1);
        assert_eq!(
            store.record(&note("a")).await,
            Some(record(&note("a"), version + 1, content.clone()))
        );
    }

    assert_eq!(
        store.record(&note("b")).await,
        Some(record(&note("b"), 1, contents[0].clone()))
    );
}

async fn a_replacement_at_another_version_changes_nothing_and_returns_the_current_one(
    store: Store,
) {
    let current = ordered("second", Some("1"), None);
    store.put(&note("a"), &content("first")).await;
    let replaced = store.replace(&note("a"), 1, &current).await;
    replaced.expect("replaced");

    for version in [0, 1, 3, u64::from(u32::MAX)] {
        let late = content("late");
        let replaced = store.replace(&note("a"), version, &late).await;

        assert_eq!(refused(replaced), "Stale { current: 2 }");
    }

    assert_eq!(
        store.record(&note("a")).await,
        Some(record(&note("a"), 2, current))
    );
}

async fn a_missing_record_cannot_be_replaced(store: Store) {
    store.put(&note("another"), &content(1)).await;

    for version in [0, 1] {
        let replaced = store.replace(&note("a"), version, &content(1)).await;
        assert_eq!(refused(replaced), "NotFound(\"note\")");
    }

    assert_eq!(store.record(&note("a")).await, None);
}

async fn a_deleted_record_is_gone_and_can_be_put_again(store: Store) {
    for version in [None, Some(1)] {
        let id = note(&format!("{version:?}"));
        store.put(&id, &ordered("old", Some("1"), Some("1"))).await;
        store.put(&note("kept"), &content("kept")).await;

        // Deleting a missing record succeeds as well.
        for _ in 0..2 {
            let deleted = store.delete(&id, version).await;
            deleted.expect("deleted");
        }

        assert_eq!(store.record(&id).await, None);

        for order in [RecordOrder::Key, RecordOrder::First, RecordOrder::Second] {
            let query = RecordQuery {
                order,
                ..RecordQuery::new(NOTE, "somebody", 10)
            };

            assert!(!store.keys(&query).await.contains(&id.key));
        }

        let replaced = store.replace(&id, 1, &content("late")).await;
        assert_eq!(refused(replaced), "NotFound(\"note\")");

        store.put(&id, &content("new")).await;
        assert_eq!(
            store.record(&id).await,
            Some(record(&id, 1, content("new")))
        );

        let kept = store.delete(&note("kept"), Some(1)).await;
        kept.expect("deleted");
    }
}

async fn a_deletion_at_another_version_changes_nothing_and_returns_the_current_one(store: Store) {
    store.put(&note("a"), &content("first")).await;
    let second = content("second");
    let replaced = store.replace(&note("a"), 1, &second).await;
    replaced.expect("replaced");

    for version in [0, 1, 3] {
        let deleted = store.delete(&note("a"), Some(version)).await;
        assert_eq!(refused(deleted), "Stale { current: 2 }");
    }

    assert_eq!(
        store.record(&note("a")).await,
        Some(record(&note("a"), 2, second))
    );
}

async fn an_expired_record_is_not_found(store: Store) {
    let end = store.now.plus(seconds(60));
    let content = Content {
        expires_at: Some(end),
        ..ordered("brief", Some("1"), Some("1"))
    };
    store.put(&note("a"), &content).await;
    let get = async |at| store.records.get(&note("a"), at).await.expect("an answer");
    let in_pages = async |at| {
        let mut pages = Vec::new();
        for order in [RecordOrder::Key, RecordOrder::First, RecordOrder::Second] {
            let query = RecordQuery {
                order,
                ..RecordQuery::new(NOTE, "somebody", 10)
            };
            let page = store.records.page(&query, at).await.expect("a page");
            assert_eq!(page.next, None);
            pages.push(page.items.len());
        }

        pages
    };

    let before = Timestamp::from_millisecond(end.as_millisecond() - 1);
    assert!(get(before).await.is_some());
    assert_eq!(in_pages(before).await, [1, 1, 1]);

    for at in [end, end.plus(seconds(1)), end.plus(seconds(1_000_000))] {
        assert_eq!(get(at).await, None);
        assert_eq!(in_pages(at).await, [0, 0, 0]);

        let replaced = store.records.replace(&note("a"), 1, &content, at).await;
        assert_eq!(refused(replaced), "NotFound(\"note\")");

        // An expired record counts as missing, whatever version is given.
        let deleted = store.records.delete(&note("b"), Some(7), at).await;
        deleted.expect("nothing to delete");
    }

    assert!(get(before).await.is_some(), "nothing was changed");

    let deleted = store.records.delete(&note("a"), Some(7), end).await;
    deleted.expect("nothing to delete");
}

async fn a_new_record_can_replace_an_expired_one(store: Store) {
    let end = store.now.plus(seconds(60));

    for (key, new) in [
        ("plain", content("new")),
        ("ordered", ordered("new", None, Some("new"))),
        ("expires", expiring("new", end.plus(seconds(60)))),
    ] {
        let old = Content {
            expires_at: Some(end),
            ..ordered("old", Some("old"), Some("old"))
        };
        store.put(&note(key), &old).await;

        let replaced = store.replace(&note(key), 1, &old).await;
        assert_eq!(replaced.expect("replaced"), 2);

        let put = store.records.put_if_absent(&note(key), &new, end).await;

        assert_eq!(put.expect("an answer"), Put::Done);

        let found = store.records.get(&note(key), end).await;
        assert_eq!(
            found.expect("an answer"),
            Some(record(&note(key), 1, new.clone()))
        );

        let again = store.records.put_if_absent(&note(key), &old, end).await;
        let there = record(&note(key), 1, new);
        assert_eq!(again.expect("an answer"), taken(&there));
    }

    let query = RecordQuery {
        order: RecordOrder::First,
        ..RecordQuery::new(NOTE, "somebody", 10)
    };
    assert!(store.keys(&query).await.is_empty(), "the old order is gone");
}

async fn pages_have_every_record_once_in_key_order(store: Store) {
    let mut keys: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    keys.extend(["", " ", "!", "#", "$", "%", "a#1", "a#2", "é", "я"].map(|key| format!("x{key}")));
    keys.sort();
    for key in shuffled(keys.clone()) {
        store.put(&note(&key), &content(key.as_str())).await;
    }
    let query = RecordQuery::new(NOTE, "somebody", 10);

    for limits in [&[1][..], &[7, 2, 5], &[29], &[30], &[31], &[100]] {
        let up = store.records(&query, limits).await;
        let backwards = RecordQuery {
            descending: true,
            ..query.clone()
        };
        let mut down = store.records(&backwards, limits).await;

        let expected: Vec<Record> = keys
            .iter()
            .map(|key| record(&note(key), 1, content(key.as_str())))
            .collect();
        assert_eq!(up, expected);

        down.reverse();
        assert_eq!(down, expected);
    }
}

async fn pages_have_every_record_once_in_each_order(store: Store) {
    // Some have the same order key, some share a prefix, and some have none.
    let orders = ["a", "a!", "a#", "a$", "a#x", "aa", "b", "b", "b", "é"];
    let mut expected = [Vec::new(), Vec::new()];
    for n in shuffled((0..30).collect::<Vec<usize>>()) {
        let key = format!("{n:02}#{}", n % 3);
        let order = [
            (n < 25).then(|| orders[n % orders.len()].to_owned()),
            (n % 2 == 0).then(|| format!("{:02}", 50 - n)),
        ];
        let content = Content {
            order: order.clone(),
            ..content(n)
        };
        store.put(&note(&key), &content).await;
        for (expected, order) in expected.iter_mut().zip(order) {
            expected.extend(order.map(|order| (order, key.clone())));
        }
    }

    for (order, mut expected) in [RecordOrder::First, RecordOrder::Second]
        .into_iter()
        .zip(expected)
    {
        expected.sort();

        for descending in [false, true] {
            let query = RecordQuery {
                order,
                descending,
                ..RecordQuery::new(NOTE, "somebody", 10)
            };

            for limits in [&[1][..], &[4, 1, 6], &[100]] {
                let records = store.records(&query, limits).await;

                let place = usize::from(order == RecordOrder::Second);
                let mut found: Vec<(String, String)> = records
                    .into_iter()
                    .map(|record| {
                        let [first, second] = record.content.order;
                        let order = [first, second].into_iter().nth(place).flatten();
                        (order.expect("an order key"), record.id.key)
                    })
                    .collect();
                if descending {
                    found.reverse();
                }

                assert_eq!(found, expected, "{order:?} {descending} {limits:?}");
            }
        }
    }
}

async fn pages_have_only_records_of_their_kind_and_partition(store: Store) {
    let kinds = ["a", "ab", "a-", "a_b", "b"].map(Kind::new);
    let partitions = ["p", "p#", "p#q", "p$c", "P", "pp", "q"];
    let keys = ["#", "q#1", "z"];
    for kind in kinds {
        for partition in partitions {
            for key in keys {
                let id = RecordId::new(kind, partition, key);
                let content = ordered(partition, Some(key), Some("same"));
                store.put(&id, &content).await;
            }
        }
    }

    for kind in kinds {
        for partition in partitions {
            for order in [RecordOrder::Key, RecordOrder::First, RecordOrder::Second] {
                for descending in [false, true] {
                    let query = RecordQuery {
                        order,
                        descending,
                        ..RecordQuery::new(kind, partition, 10)
                    };
                    let mut found: Vec<RecordId> = store
                        .records(&query, &[2])
                        .await
                        .into_iter()
                        .map(|record| record.id)
                        .collect();
                    if descending {
                        found.reverse();
                    }

                    assert_eq!(found, keys.map(|key| RecordId::new(kind, partition, key)));
                }
            }
        }
    }

    let nobody = RecordQuery::new(Kind::new("a"), "nobody", 10);
    assert!(store.keys(&nobody).await.is_empty());
}

async fn a_page_has_only_keys_in_its_range(store: Store) {
    let words = ["a", "a#", "a#b", "aa", "ab", "b", "b!", "ba", "c"];
    for word in words {
        // The words are also order keys, of records whose keys sort in the reverse order.
        let id = RecordId::new(NOTE, "keys", word);
        store.put(&id, &content(word)).await;
        let key = char::from(b'z' - u8::try_from(words.len()).expect("few"));
        let id = RecordId::new(NOTE, "orders", format!("{key}{word}"));
        store.put(&id, &ordered(word, Some(word), Some(word))).await;
    }
    let between = |from: &str, before: &str| KeyRange::Between {
        from: from.to_owned(),
        before: before.to_owned(),
    };
    let starting = |prefix: &str| KeyRange::StartingWith(prefix.to_owned());

    for (range, expected) in [
        (KeyRange::All, &words[..]),
        (starting(""), &words),
        (starting("a"), &words[..5]),
        (starting("a#"), &words[1..3]),
        (starting("b!"), &words[6..7]),
        (starting("d"), &[]),
        (between("", "b"), &words[..5]),
        (between("a#", "b"), &words[1..5]),
        (between("a", "a#b"), &words[..2]),
        (between("b", "b!"), &words[5..6]),
        (between("a!", "bb"), &words[1..8]),
        (between("ba", "z"), &words[7..]),
        (between("b", "b"), &[]),
        (between("c", "a"), &[]),
    ] {
        for (partition, order) in [
            ("keys", RecordOrder::Key),
            ("orders", RecordOrder::First),
            ("orders", RecordOrder::Second),
        ] {
            for descending in [false, true] {
                for limit in [1, 2, 100] {
                    let query = RecordQuery {
                        order,
                        descending,
                        range: range.clone(),
                        ..RecordQuery::new(NOTE, partition, 10)
                    };
                    let records = store.records(&query, &[limit]).await;
                    let mut found: Vec<Value> = records
                        .into_iter()
                        .map(|record| record.content.document)
                        .collect();
                    if descending {
                        found.reverse();
                    }

                    assert_eq!(found, expected, "{query:?}");
                }
            }
        }
    }
}

async fn a_record_is_listed_where_its_last_replacement_put_it(store: Store) {
    let listed = async |order| {
        let query = RecordQuery {
            order,
            ..RecordQuery::new(NOTE, "somebody", 10)
        };
        store.keys(&query).await
    };

    store.put(&note("a"), &ordered(1, Some("1"), None)).await;
    store
        .put(&note("b"), &ordered(1, Some("2"), Some("2")))
        .await;

    assert_eq!(listed(RecordOrder::First).await, ["a", "b"]);
    assert_eq!(listed(RecordOrder::Second).await, ["b"]);

    for (version, content, first, second) in [
        (
            1,
            ordered(2, Some("3"), Some("1")),
            &["b", "a"][..],
            &["a", "b"][..],
        ),
        (2, ordered(3, None, Some("3")), &["b"], &["b", "a"]),
        (3, ordered(4, Some("2"), None), &["a", "b"], &["b"]),
        (4, ordered(5, None, None), &["b"], &["b"]),
    ] {
        let replaced = store.replace(&note("a"), version, &content).await;
        replaced.expect("replaced");

        assert_eq!(listed(RecordOrder::First).await, first);
        assert_eq!(listed(RecordOrder::Second).await, second);
        assert_eq!(listed(RecordOrder::Key).await, ["a", "b"]);
    }
}

async fn a_page_continues_after_a_record_that_was_deleted_meanwhile(store: Store) {
    for key in ["a", "b", "c", "d", "e"] {
        store
            .put(&note(key), &ordered(key, Some(key), Some(key)))
            .await;
    }

    for order in [RecordOrder::Key, RecordOrder::First, RecordOrder::Second] {
        for (descending, expected) in [(false, ["d", "e"]), (true, ["b", "a"])] {
            store.delete(&note("c"), None).await.expect("deleted");
            store
                .put(&note("c"), &ordered("c", Some("c"), Some("c")))
                .await;
            let mut query = RecordQuery {
                order,
                descending,
                ..RecordQuery::new(NOTE, "somebody", 3)
            };

            let first = store.records.page(&query, store.now).await.expect("a page");
            assert_eq!(first.items[2].id.key, "c");

            let deleted = store.delete(&note("c"), None).await;
            deleted.expect("deleted");

            query.after = first.next;
            let second = store.records.page(&query, store.now).await.expect("a page");

            let keys: Vec<String> = second
                .items
                .into_iter()
                .map(|record| record.id.key)
                .collect();
            assert_eq!(keys, expected, "{order:?}");
            assert_eq!(second.next, None);
        }
    }
}

async fn expired_records_do_not_hide_live_ones(store: Store) {
    let end = store.now.plus(seconds(60));
    let mut living = Vec::new();
    for n in 0..80 {
        let key = format!("{n:02}");
        let lives = n % 37 == 20;
        let content = Content {
            expires_at: (!lives).then_some(end),
            ..ordered(n, Some(&key), Some(&key))
        };
        store.put(&note(&key), &content).await;
        living.extend(lives.then_some(key));
    }

    for order in [RecordOrder::Key, RecordOrder::First, RecordOrder::Second] {
        for descending in [false, true] {
            for limits in [&[1][..], &[2, 3], &[100]] {
                let query = RecordQuery {
                    order,
                    descending,
                    ..RecordQuery::new(NOTE, "somebody", 10)
                };
                let records = scan(limits, async |limit, after| {
                    let query = RecordQuery {
                        limit,
                        after,
                        ..query.clone()
                    };
                    store.records.page(&query, end).await
                })
                .await;
                let mut keys: Vec<String> =
                    records.into_iter().map(|record| record.id.key).collect();
                if descending {
                    keys.reverse();
                }

                assert_eq!(keys, living, "{order:?} {descending} {limits:?}");
            }
        }
    }
}

async fn an_addition_returns_the_new_count(store: Store) {
    let mut count = 0;
    let id = RecordId::new(COUNTER, "login#192.0.2.1", "1");
    let others = [
        RecordId::new(COUNTER, "login#192.0.2.1", "10"),
        RecordId::new(COUNTER, "login#192.0.2.10", "1"),
        RecordId::new(Kind::new("count"), "login#192.0.2.1", "1"),
    ];

    for amount in [1, 1, 3, -2, 0, -10, 1_000_000_000_000, 5] {
        count += amount;
        assert_eq!(store.count_up(&id, amount).await, count);
    }

    for other in &others {
        assert_eq!(store.count_up(other, -1).await, -1, "{other:?}");
    }

    assert_eq!(store.count_up(&id, 0).await, count);
}

async fn reading_a_counter_does_not_change_it_and_an_expired_one_is_zero(store: Store) {
    let id = RecordId::new(COUNTER, "somebody", "attempts");
    let count = async |at| store.counters.count(&id, at).await.expect("an answer");

    assert_eq!(count(store.now).await, 0, "nobody has counted");

    store.count_up(&id, 2).await;

    for _ in 0..2 {
        assert_eq!(count(store.now.plus(seconds(59))).await, 2);
    }

    assert_eq!(count(store.now.plus(seconds(60))).await, 0);
    assert_eq!(count(store.now.plus(seconds(59))).await, 2);
}

async fn an_expired_counter_starts_again(store: Store) {
    let id = RecordId::new(COUNTER, "somebody", "attempts");
    let add = async |amount, after: u64, end: u64| {
        store
            .counters
            .add(
                &id,
                amount,
                store.now.plus(seconds(end)),
                store.now.plus(seconds(after)),
            )
            .await
            .expect("counted")
    };

    assert_eq!(add(5, 0, 60).await, 5);
    assert_eq!(add(1, 59, 90).await, 6, "expires later now");
    assert_eq!(add(1, 89, 100).await, 7);

    assert_eq!(add(2, 100, 200).await, 2);

    assert_eq!(add(-1, 150, 200).await, 1);

    let count = store
        .counters
        .count(&id, store.now.plus(seconds(199)))
        .await;
    assert_eq!(count.expect("an answer"), 1);
}

fn put(id: &RecordId, document: impl Into<Value>) -> Write {
    Write::Put {
        id: id.clone(),
        content: content(document),
    }
}

fn replace(id: &RecordId, version: u64, document: impl Into<Value>) -> Write {
    Write::Replace {
        id: id.clone(),
        version,
        content: content(document),
    }
}

fn delete(id: &RecordId, version: u64) -> Write {
    Write::Delete {
        id: id.clone(),
        version,
    }
}

fn check_absent(id: &RecordId) -> Write {
    Write::CheckAbsent { id: id.clone() }
}

fn refused_at(write: usize, found: Option<Record>) -> Transacted {
    Transacted::Refused(Refused {
        write,
        found: found.map(Box::new),
        made: 0,
    })
}

async fn a_transaction_makes_all_of_its_writes(store: Store) {
    let [new, changed, gone, absent] = [
        RecordId::new(NOTE, "somebody", "new"),
        RecordId::new(NOTE, "somebody else", "changed"),
        RecordId::new(Kind::new("other"), "somebody", "gone"),
        RecordId::new(Kind::new("other"), "#", "absent"),
    ];
    store.put(&changed, &ordered("old", Some("1"), None)).await;
    store.put(&gone, &content("old")).await;
    let ordered_content = ordered("new", Some("1"), Some("2"));
    let writes = [
        Write::Put {
            id: new.clone(),
            content: ordered_content.clone(),
        },
        replace(&changed, 1, "changed"),
        check_absent(&absent),
        delete(&gone, 1),
    ];

    assert_eq!(store.transact("one", &writes).await, Transacted::Done);

    assert_eq!(
        store.record(&new).await,
        Some(record(&new, 1, ordered_content))
    );
    assert_eq!(
        store.record(&changed).await,
        Some(record(&changed, 2, content("changed")))
    );
    assert_eq!(store.record(&gone).await, None);
    assert_eq!(store.record(&absent).await, None);

    let in_order = RecordQuery {
        order: RecordOrder::Second,
        ..RecordQuery::new(NOTE, "somebody", 10)
    };
    assert_eq!(store.keys(&in_order).await, ["new"]);

    // A record that a transaction wrote can be changed like any other.
    let replaced = store.replace(&new, 1, &content("newer")).await;
    assert_eq!(replaced.expect("replaced"), 2);

    let again = [put(&gone, "again"), delete(&new, 2)];
    assert_eq!(store.transact("two", &again).await, Transacted::Done);
    assert_eq!(
        store.record(&gone).await,
        Some(record(&gone, 1, content("again")))
    );
    assert_eq!(store.record(&new).await, None);
}

/// Conditions that fail while there is a record `there` at version 1 and no record `absent`, and
/// the record that is returned.
fn broken_conditions(store: &Store) -> Vec<(Write, Option<Record>)> {
    let there = note("there");
    let absent = note("absent");
    let found = record(&there, 1, expiring("there", store.now.plus(seconds(60))));
    vec![
        (put(&there, "late"), Some(found.clone())),
        (replace(&there, 2, "late"), Some(found.clone())),
        (replace(&absent, 1, "late"), None),
        (delete(&there, 2), Some(found.clone())),
        (delete(&absent, 1), None),
        (check_absent(&there), Some(found)),
    ]
}

/// Runs transactions with a failing condition at this position, and checks that they change
/// nothing.
async fn break_conditions(store: &Store, at: usize) {
    let there = expiring("there", store.now.plus(seconds(60)));
    store.put(&note("there"), &there).await;
    store.put(&note("old"), &content("old")).await;
    store.put(&note("stays"), &content("stays")).await;

    for (n, (broken, found)) in broken_conditions(store).into_iter().enumerate() {
        let mut writes = vec![
            put(&note("new"), "new"),
            replace(&note("old"), 1, "new"),
            delete(&note("stays"), 1),
        ];
        writes.insert(at, broken);

        let transacted = store.transact(&format!("{at} {n}"), &writes).await;

        assert_eq!(transacted, refused_at(at, found), "{writes:?}");

        for (key, document) in [("there", "there"), ("old", "old"), ("stays", "stays")] {
            let found = store.record(&note(key)).await.expect("a record");

            assert_eq!(
                (found.version, found.content.document),
                (1, document.into())
            );
        }

        for key in ["new", "absent"] {
            assert_eq!(store.record(&note(key)).await, None);
        }
    }
}

async fn a_transaction_whose_first_condition_fails_does_nothing(store: Store) {
    break_conditions(&store, 0).await;
}

/// Without transactions this holds only if no other writer interferes; `without_transactions_...`
/// below has the other case.
async fn a_transaction_whose_later_condition_fails_does_nothing(store: Store) {
    break_conditions(&store, 1).await;

    for key in ["there", "old", "stays"] {
        let deleted = store.delete(&note(key), None).await;
        deleted.expect("deleted");
    }

    break_conditions(&store, 3).await;
}

async fn in_a_transaction_an_expired_record_is_not_found(store: Store) {
    let end = store.now.plus(seconds(60));
    for key in ["a", "b", "c", "d"] {
        store.put(&note(key), &expiring("old", end)).await;
    }
    let transact = async |id, writes: &[Write]| {
        let transacted = store.records.transact(id, writes, end).await;
        transacted.expect("an answer")
    };

    for (id, broken) in [
        ("replace", replace(&note("c"), 1, "late")),
        ("delete", delete(&note("c"), 1)),
    ] {
        let writes = [put(&note("a"), "new"), broken];
        assert_eq!(transact(id, &writes).await, refused_at(1, None));
    }

    let writes = [
        put(&note("a"), "new"),
        put(&note("b"), "new"),
        check_absent(&note("c")),
    ];

    assert_eq!(transact("done", &writes).await, Transacted::Done);

    for key in ["a", "b"] {
        let found = store.records.get(&note(key), end).await;

        assert_eq!(
            found.expect("an answer"),
            Some(record(&note(key), 1, content("new")))
        );
    }
}

async fn a_transaction_that_was_done_can_be_repeated(store: Store) {
    store.put(&note("old"), &content("old")).await;
    store.put(&note("gone"), &content("gone")).await;
    let begins_with_put = [
        put(&note("new"), "new"),
        replace(&note("old"), 1, "changed"),
        check_absent(&note("absent")),
        delete(&note("gone"), 1),
    ];
    let begins_with_check = [
        check_absent(&note("absent")),
        replace(&note("old"), 2, "changed again"),
        put(&note("newer"), "newer"),
    ];

    for (id, writes, old) in [
        ("put", &begins_with_put[..], (2, "changed")),
        ("check", &begins_with_check[..], (3, "changed again")),
    ] {
        for _ in 0..3 {
            assert_eq!(store.transact(id, writes).await, Transacted::Done);

            let found = store.record(&note("old")).await.expect("a record");
            assert_eq!(
                (found.version, found.content.document),
                (old.0, old.1.into())
            );

            let found = store.record(&note("new")).await.expect("a record");
            assert_eq!(found.version, 1);
            assert_eq!(store.record(&note("gone")).await, None);
        }
    }
}

async fn a_transaction_that_is_repeated_after_other_changes_changes_nothing(store: Store) {
    store.put(&note("old"), &content("old")).await;
    let writes = [
        put(&note("new"), "new"),
        replace(&note("old"), 1, "changed"),
    ];

    assert_eq!(store.transact("one", &writes).await, Transacted::Done);

    for (version, key) in [(2, "old"), (1, "new")] {
        let other = content("another writer's");
        let replaced = store.replace(&note(key), version, &other).await;
        replaced.expect("replaced");
        let before = [
            store.record(&note("old")).await,
            store.record(&note("new")).await,
        ];

        let _ = store.transact("one", &writes).await;

        let after = [
            store.record(&note("old")).await,
            store.record(&note("new")).await,
        ];

        assert_eq!(after, before);
    }
}

async fn a_transaction_with_another_name_is_a_different_one(store: Store) {
    store.put(&note("old"), &content("old")).await;
    let writes = [
        put(&note("new"), "new"),
        replace(&note("old"), 1, "changed"),
    ];

    assert_eq!(store.transact("one", &writes).await, Transacted::Done);

    let new = record(&note("new"), 1, content("new"));
    for id in ["two", "on", "one ", "One", ""] {
        assert_eq!(
            store.transact(id, &writes).await,
            refused_at(0, Some(new.clone()))
        );

        let backwards = [writes[1].clone(), writes[0].clone()];
        assert_eq!(
            store.transact(id, &backwards).await,
            refused_at(0, Some(record(&note("old"), 2, content("changed"))))
        );
    }
}

async fn a_transaction_has_one_to_four_writes_to_different_records(store: Store) {
    let five = ["a", "b", "c", "d", "e"].map(|key| put(&note(key), key));
    let twice = [put(&note("a"), "a"), check_absent(&note("a"))];

    for writes in [&[][..], &five, &twice] {
        let refused = store.records.transact("one", writes, store.now).await;
        assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{writes:?}");
    }

    assert_eq!(store.record(&note("a")).await, None);
    assert_eq!(store.transact("one", &five[..4]).await, Transacted::Done);

    for key in ["a", "b", "c", "d"] {
        assert!(store.record(&note(key)).await.is_some());
    }
}

async fn a_write_whose_answer_was_lost_is_made_once(store: Store) {
    let Some(losing) = &store.losing_answers else {
        return;
    };
    let ordinary = &store;
    let store = Store {
        records: losing.clone(),
        ..ordinary.clone()
    };
    let end = store.now.plus(seconds(60));

    store.put(&note("a"), &expiring("first", end)).await;

    let replaced = store.replace(&note("a"), 1, &content("second")).await;
    assert_eq!(replaced.expect("replaced"), 2);

    let writes = [
        replace(&note("a"), 2, "third"),
        put(&note("b"), "new"),
        check_absent(&note("c")),
    ];
    assert_eq!(store.transact("one", &writes).await, Transacted::Done);

    let third = record(&note("a"), 3, content("third"));
    assert_eq!(ordinary.record(&note("a")).await, Some(third.clone()));

    // Writes of another writer are not mistaken for those of the transaction.
    let late = store
        .records
        .put_if_absent(&note("a"), &content("late"), store.now)
        .await;
    assert_eq!(late.expect("an answer"), taken(&third));

    let late = store.replace(&note("a"), 2, &content("late")).await;
    assert_eq!(refused(late), "Stale { current: 3 }");

    let late = store.delete(&note("a"), Some(2)).await;
    assert_eq!(refused(late), "Stale { current: 3 }");

    for (key, version) in [("a", Some(3)), ("b", None)] {
        let deleted = store.delete(&note(key), version).await;
        deleted.expect("deleted");

        assert_eq!(ordinary.record(&note(key)).await, None);
    }

    // All except additions, which may be counted twice.
    let counter = RecordId::new(COUNTER, "somebody", "attempts");
    assert!([1, 2].contains(&store.count_up(&counter, 1).await));
}

async fn without_transactions_an_interrupted_one_is_completed_by_repeating_it(store: Store) {
    if store.transactions {
        return;
    }
    store.put(&note("old"), &content("old")).await;
    store.put(&note("gone"), &content("gone")).await;
    let writes = [
        put(&note("new"), "new"),
        replace(&note("old"), 1, "changed"),
        check_absent(&note("absent")),
        delete(&note("gone"), 1),
    ];

    for made in 1..=writes.len() {
        // As if it was interrupted at this point.
        let begun = store.transact("one", &writes[..made]).await;
        assert_eq!(begun, Transacted::Done);
    }

    // A check counts only before the first write, and is not repeated.
    store.put(&note("absent"), &content("there now")).await;

    for _ in 0..2 {
        assert_eq!(store.transact("one", &writes).await, Transacted::Done);

        let new = record(&note("new"), 1, content("new"));
        assert_eq!(store.record(&note("new")).await, Some(new));

        let old = record(&note("old"), 2, content("changed"));
        assert_eq!(store.record(&note("old")).await, Some(old));
        assert_eq!(store.record(&note("gone")).await, None);
    }
}

async fn without_transactions_a_failed_later_condition_reports_the_writes_that_were_made(
    store: Store,
) {
    if store.transactions {
        return;
    }
    store.put(&note("old"), &content("old")).await;
    let writes = [
        put(&note("new"), "new"),
        check_absent(&note("absent")),
        replace(&note("old"), 1, "changed"),
        put(&note("last"), "last"),
    ];

    // As if another writer had changed a record at this point.
    let begun = store.transact("one", &writes[..2]).await;
    assert_eq!(begun, Transacted::Done);

    let other = content("another writer's");
    let replaced = store.replace(&note("old"), 1, &other).await;
    replaced.expect("replaced");

    let transacted = store.transact("one", &writes).await;

    let refused = Refused {
        write: 2,
        found: Some(Box::new(record(&note("old"), 2, other.clone()))),
        made: 1,
    };
    assert_eq!(transacted, Transacted::Refused(refused));

    let old = record(&note("old"), 2, other);
    assert_eq!(store.record(&note("old")).await, Some(old));
    assert!(store.record(&note("new")).await.is_some());
    assert_eq!(store.record(&note("last")).await, None);
}

async fn of_fifty_puts_at_once_one_wins(store: Store) {
    let puts = join_all((0..RACERS).map(async |n| {
        let content = ordered(n, Some(&n.to_string()), None);
        let put = store
            .records
            .put_if_absent(&note("a"), &content, store.now)
            .await;
        put.expect("an answer")
    }))
    .await;

    let there = store.record(&note("a")).await.expect("a record");
    assert_eq!(there.version, 1);

    for (n, put) in puts.into_iter().enumerate() {
        if there.content.document == n {
            assert_eq!(put, Put::Done);
        } else {
            assert_eq!(put, taken(&there));
        }
    }
}

async fn of_fifty_puts_at_once_one_replaces_an_expired_record(store: Store) {
    let end = store.now.plus(seconds(60));
    store.put(&note("a"), &expiring("old", end)).await;

    let puts = join_all((0..RACERS).map(async |n| {
        let content = expiring(n, end.plus(seconds(60)));
        let put = store.records.put_if_absent(&note("a"), &content, end).await;
        put.expect("an answer")
    }))
    .await;

    let there = store.records.get(&note("a"), end).await;
    let there = there.expect("an answer").expect("a record");

    for (n, put) in puts.into_iter().enumerate() {
        if there.content.document == n {
            assert_eq!(put, Put::Done);
        } else {
            assert_eq!(put, taken(&there));
        }
    }
}

async fn of_fifty_replacements_at_one_version_one_wins(store: Store) {
    store.put(&note("a"), &content("old")).await;

    let replaced = join_all((0..RACERS).map(async |n| {
        let content = ordered(n, None, Some(&n.to_string()));
        store.replace(&note("a"), 1, &content).await
    }))
    .await;

    let there = store.record(&note("a")).await.expect("a record");
    assert_eq!(there.version, 2);

    for (n, replaced) in replaced.into_iter().enumerate() {
        if there.content.document == n {
            assert_eq!(replaced.expect("replaced"), 2);
        } else {
            assert_eq!(refused(replaced), "Stale { current: 2 }");
        }
    }
}

async fn of_fifty_additions_at_once_none_is_lost(store: Store) {
    let id = RecordId::new(COUNTER, "somebody", "attempts");

    let mut counts = join_all((0..RACERS).map(|_| store.count_up(&id, 1))).await;
    counts.sort_unstable();

    let racers = i64::try_from(RACERS).expect("few");
    assert!(counts.iter().copied().eq(1..=racers), "{counts:?}");

    join_all((0..RACERS).map(|n| store.count_up(&id, if n % 2 == 0 { -1 } else { 1 }))).await;
    assert_eq!(store.count_up(&id, 0).await, racers);
}

async fn of_fifty_additions_at_once_to_an_expired_counter_none_is_lost(store: Store) {
    let id = RecordId::new(COUNTER, "somebody", "attempts");
    let end = store.now.plus(seconds(60));
    store.count_up(&id, 1_000).await;

    let mut counts = join_all((0..RACERS).map(async |_| {
        let added = store.counters.add(&id, 1, end.plus(seconds(60)), end);
        added.await.expect("counted")
    }))
    .await;

    counts.sort_unstable();
    let racers = i64::try_from(RACERS).expect("few");

    assert!(counts.iter().copied().eq(1..=racers), "{counts:?}");
}

async fn of_transactions_that_replace_one_record_one_wins(store: Store) {
    for round in 0..10 {
        let shared = note(&format!("{round}"));
        let own = |n| note(&format!("{round} {n}"));
        store.put(&shared, &content("old")).await;

        let transacted = join_all((0..4).map(async |n| {
            let writes = [replace(&shared, 1, n), put(&own(n), n)];
            store.transact(&format!("{round} {n}"), &writes).await
        }))
        .await;

        let there = store.record(&shared).await.expect("a record");
        assert_eq!(there.version, 2);

        for (n, transacted) in transacted.into_iter().enumerate() {
            let won = there.content.document == n;
            if won {
                assert_eq!(transacted, Transacted::Done);
            } else {
                assert_eq!(transacted, refused_at(0, Some(there.clone())));
            }

            let own = store.record(&own(i32::try_from(n).expect("few"))).await;
            assert_eq!(own.is_some(), won);
        }
    }
}

async fn of_transactions_that_delete_one_record_one_wins(store: Store) {
    for round in 0..10 {
        let shared = note(&format!("{round}"));
        let own = |n| note(&format!("{round} {n}"));
        store.put(&shared, &content("once")).await;

        let transacted = join_all((0..4).map(async |n| {
            let writes = [delete(&shared, 1), put(&own(n), n)];
            store.transact(&format!("{round} {n}"), &writes).await
        }))
        .await;

        assert_eq!(store.record(&shared).await, None);

        let mut winners = 0;
        for (n, transacted) in (0..).zip(transacted) {
            let won = transacted == Transacted::Done;
            if !won {
                assert_eq!(transacted, refused_at(0, None));
            }
            assert_eq!(store.record(&own(n)).await.is_some(), won);

            winners += usize::from(won);
        }

        assert_eq!(winners, 1);
    }
}

async fn one_transaction_that_is_made_many_times_at_once_is_done_once(store: Store) {
    for round in 0..10 {
        let [old, new, gone] = ["old", "new", "gone"].map(|key| note(&format!("{round} {key}")));
        store.put(&old, &content("old")).await;
        store.put(&gone, &content("gone")).await;
        let writes = [
            replace(&old, 1, "changed"),
            put(&new, "new"),
            delete(&gone, 1),
        ];

        let id = format!("{round}");
        let transacted = join_all((0..4).map(|_| store.transact(&id, &writes))).await;

        assert!(transacted.iter().all(|it| *it == Transacted::Done));

        let changed = record(&old, 2, content("changed"));
        assert_eq!(store.record(&old).await, Some(changed));
        assert_eq!(store.record(&gone).await, None);

        let new = record(&new, 1, content("new"));
        assert_eq!(store.record(&new.id).await, Some(new));
    }
}

async fn pages_have_every_record_that_was_there_all_the_time(store: Store) {
    let key = |n: usize| format!("{n:03}");
    for n in (0..60).step_by(2) {
        store
            .put(&note(&key(n)), &ordered(n, Some(&key(n)), None))
            .await;
    }
    let writers = join_all((1..60).step_by(2).map(async |n| {
        let content = ordered(n, Some(&key(n)), None);
        store.put(&note(&key(n)), &content).await;
        if n % 4 == 1 {
            let deleted = store.delete(&note(&key(n)), None).await;
            deleted.expect("deleted");
        }
    }));
    let readers = join_all([RecordOrder::Key, RecordOrder::First].map(async |order| {
        for descending in [false, true] {
            let query = RecordQuery {
                order,
                descending,
                ..RecordQuery::new(NOTE, "somebody", 10)
            };
            let keys = store.keys(&query).await;
            let mut sorted = keys.clone();
            sorted.sort();
            sorted.dedup();
            if descending {
                sorted.reverse();
            }

            assert_eq!(keys, sorted, "none twice, and all in order");
            assert!((0..60).step_by(2).all(|n| keys.contains(&key(n))));
        }
    }));
    futures_util::join!(writers, readers);
}
