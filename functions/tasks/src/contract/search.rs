//! Search: it compares letters, ignores their case and Unicode form, and is the same on every
//! store.

use contract::cases;
use contract::fixtures::somebody;

use super::Store;
use super::fixtures::{label, labels, notes, search, task};
use crate::{Task, TaskFilter};

cases![
    text_is_found_in_title_and_notes_by_its_letters,
    search_text_has_no_special_characters,
    found_tasks_are_returned_as_they_were_stored
];

fn looking_for(text: &str) -> TaskFilter {
    TaskFilter {
        text: Some(search(text)),
        ..TaskFilter::default()
    }
}

async fn text_is_found_in_title_and_notes_by_its_letters(store: Store) {
    let owner = somebody(store.now);
    let street = "Stra\u{df}e";
    let sigma = "\u{39f}\u{394}\u{39f}\u{3a3}";
    let istanbul = "\u{130}stanbul";
    let in_one = "caf\u{e9}";
    let in_two = "cafe\u{301} again";
    for (title, more) in [
        (street, None),
        ("Plain", Some("The STRASSE at the end")),
        (sigma, None),
        (istanbul, None),
        (in_one, None),
        (in_two, Some("\u{fb01}n")),
    ] {
        store
            .add(
                owner,
                Task {
                    notes: more.map(notes),
                    ..task(title, store.now)
                },
            )
            .await;
    }

    for (text, expected) in [
        ("STRASSE", &["Plain", street][..]),
        ("stra\u{df}e", &["Plain", street]),
        ("tra\u{1e9e}e", &["Plain", street]),
        ("plain", &["Plain"]),
        ("AT THE", &["Plain"]),
        ("\u{3bf}\u{3b4}\u{3bf}\u{3c3}", &[sigma]),
        ("\u{3bf}\u{3b4}\u{3bf}\u{3c2}", &[sigma]),
        ("\u{3b4}", &[sigma]),
        ("istanbul", &[istanbul]),
        ("\u{130}STANBUL", &[istanbul]),
        ("caf\u{e9}", &[in_two, in_one]),
        ("cafe\u{301}", &[in_two, in_one]),
        ("cafe", &[in_two, in_one]),
        ("CAF\u{c9} A", &[in_two]),
        ("FIN", &[in_two]),
        ("\u{ff46}\u{ff49}\u{ff4e}", &[in_two]),
        ("cafes", &[]),
    ] {
        assert_eq!(
            store.titles(owner, &looking_for(text)).await,
            expected,
            "{text}"
        );
    }
}

async fn found_tasks_are_returned_as_they_were_stored(store: Store) {
    let owner = somebody(store.now);
    let decomposed = Task {
        notes: Some(notes("E\u{301}TUDE")),
        labels: labels(&["e\u{301}"]),
        ..task("\u{212b}ngstr\u{f6}m", store.now)
    };
    let decomposed = store.add(owner, decomposed).await;

    for text in ["angstrom", "\u{e9}tude"] {
        assert_eq!(
            store
                .listed(
                    owner,
                    &looking_for(text),
                    super::fixtures::sort("created"),
                    &[10]
                )
                .await,
            std::slice::from_ref(&decomposed)
        );
    }

    // Labels must match exactly.
    let labelled = |text| TaskFilter {
        labels: vec![label(text)],
        ..TaskFilter::default()
    };

    assert_eq!(store.titles(owner, &labelled("e\u{301}")).await.len(), 1);
    assert!(store.titles(owner, &labelled("\u{e9}")).await.is_empty());
}

async fn search_text_has_no_special_characters(store: Store) {
    let owner = somebody(store.now);
    let texts = [
        "a.b",
        "axb",
        "100%",
        "(open",
        "[set]",
        "back\\slash",
        "$where",
        "a*",
        "^a",
        "\"quoted\"",
        "two\tparts",
        "{\"$ne\": null}",
        "_x_",
    ];
    for text in texts {
        store
            .add(
                owner,
                Task {
                    labels: labels(&[text]),
                    ..task(text, store.now)
                },
            )
            .await;
    }

    for text in texts {
        let expected: Vec<_> = if text == "a*" { vec!["a*"] } else { vec![text] };
        let filter = TaskFilter {
            text: Some(search(text)),
            ..TaskFilter::default()
        };

        assert_eq!(store.titles(owner, &filter).await, expected);

        let filter = TaskFilter {
            labels: vec![label(text)],
            ..TaskFilter::default()
        };
        assert_eq!(store.titles(owner, &filter).await, expected);
    }

    let filter = TaskFilter {
        text: Some(search(".*")),
        ..TaskFilter::default()
    };
    assert!(store.titles(owner, &filter).await.is_empty());
}
