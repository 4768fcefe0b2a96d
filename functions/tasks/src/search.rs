//! Text search that compares letters, not their encoding.
//!
//! Two texts are equal if they are a compatibility caseless match (Unicode, section 3.13, D146:
//! NFKD, full case folding, NFKD) after removing combining marks. So `STRASSE` finds `straße`, and
//! `cafe` finds `café`, however it is encoded.

use std::str::FromStr;

use common::text::check_lines;
use icu_casemap::CaseMapper;
use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

/// The text to search for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchText(String);

impl SearchText {
    /// The longest search text, in characters.
    pub(crate) const MAX: usize = 200;

    /// Whether a text contains this one.
    pub fn is_in(&self, text: &str) -> bool {
        // Most text is ASCII: there folding is lower case, and no non-ASCII text can be found.
        if text.is_ascii() {
            return self.0.is_ascii() && text.to_ascii_lowercase().contains(&self.0);
        }
        fold(text).contains(&self.0)
    }
}

impl FromStr for SearchText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_lines(text, 1..=Self::MAX)?;
        match fold(text) {
            folded if folded.is_empty() => Err(
                "must have more than accents and invisible characters: search ignores those"
                    .to_owned(),
            ),
            folded => Ok(Self(folded)),
        }
    }
}

/// The letters of a text, without case and marks. ASCII needs no tables. Because all marks are
/// removed, their order does not matter, and one pass gives the same result as the definition's
/// five.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (ascii, others) =
            rest.split_at(rest.find(|c: char| !c.is_ascii()).unwrap_or(rest.len()));
        folded.extend(ascii.chars().map(|c| c.to_ascii_lowercase()));
        let (others, ascii) =
            others.split_at(others.find(|c: char| c.is_ascii()).unwrap_or(others.len()));
        for c in DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(others.chars()) {
            match CaseMapper::new().simple_fold(c) {
                // The only character without a decomposition that folds to more than one character.
                '\u{df}' => folded.push_str("ss"),
                c if c.is_ascii() || !is_set_aside(c) => folded.push(c),
                _ => {}
            }
        }
        rest = ascii;
    }
    folded
}

/// Whether a character only changes the look of a letter: combining marks such as accents and
/// points, enclosing marks, and invisible characters. The vowel signs of Indic scripts have no
/// combining class and are kept: for their readers they are letters.
fn is_set_aside(c: char) -> bool {
    CanonicalCombiningClassMapBorrowed::new().get_u8(c) != 0
        || CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::EnclosingMark
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finds(query: &str, text: &str) -> bool {
        query.parse::<SearchText>().expect(query).is_in(text)
    }

    #[test]
    fn letters_match_in_every_unicode_form() {
        for (one, other) in [
            ("caf\u{e9}", "cafe\u{301}"),
            ("cafe", "caf\u{e9}"),
            ("STRASSE", "stra\u{df}e"),
            ("stra\u{1e9e}e", "strasse"),
            (
                "\u{3bf}\u{3b4}\u{3bf}\u{3c3}",
                "\u{39f}\u{394}\u{39f}\u{3a3}",
            ),
            (
                "\u{3bf}\u{3b4}\u{3bf}\u{3c2}",
                "\u{3bf}\u{3b4}\u{3cc}\u{3c3}",
            ),
            ("istanbul", "\u{130}stanbul"),
            ("office", "o\u{fb03}ce"),
            ("TEL", "\u{2121}"),
            ("12", "\u{ff11}\u{ff12}"),
            ("\u{1fb4}", "\u{3b1}\u{3b9}"),
            ("viet nam", "Vi\u{1ec7}t\u{a0}Nam"),
            (
                "\u{645}\u{62d}\u{645}\u{62f}",
                "\u{645}\u{64f}\u{62d}\u{64e}\u{645}\u{64e}\u{651}\u{62f}",
            ),
            ("\u{ac01}", "\u{1100}\u{1161}\u{11a8}"),
            ("\u{2764}", "\u{2764}\u{fe0f}"),
            ("week\u{ad}end", "weekend"),
            ("1", "1\u{fe0f}\u{20e3}"),
        ] {
            assert!(finds(one, other) && finds(other, one), "{one} {other}");
        }
    }

    #[test]
    fn other_letters_are_other_letters() {
        for (query, text) in [
            ("cafes", "caf\u{e9}"),
            ("\u{3b1}", "a"),
            ("\u{131}", "i"),
            ("o", "\u{f8}"),
            ("\u{915}\u{940}", "\u{915}\u{93e}"),
            ("ss", "\u{3b2}"),
        ] {
            assert!(!finds(query, text), "{query} {text}");
        }
    }

    #[test]
    fn text_that_folds_to_nothing_is_refused() {
        for text in ["\u{301}", "\u{200b}", "\u{fe0f}\u{301}"] {
            assert!(
                text.parse::<SearchText>()
                    .expect_err(text)
                    .contains("accents"),
                "{text:?}"
            );
        }

        assert!(finds(" ", "a b"));
    }

    /// D146 literally, and marks removed.
    fn defined(text: &str) -> String {
        let canonical = DecomposingNormalizerBorrowed::new_nfd();
        let compatible = DecomposingNormalizerBorrowed::new_nfkd();
        let cases = CaseMapper::new();
        let once = compatible
            .normalize(&cases.fold_string(&canonical.normalize(text)))
            .into_owned();
        compatible
            .normalize(&cases.fold_string(&once))
            .chars()
            .filter(|c| !is_set_aside(*c))
            .collect()
    }

    #[test]
    fn every_character_folds_as_defined_and_to_the_same_in_either_case_and_again() {
        // Beyond these planes no character has a case or a decomposition.
        for c in ('\0'..='\u{2ffff}').chain('\u{e0000}'..='\u{e0fff}') {
            let folded = fold(c.encode_utf8(&mut [0; 4]));

            assert_eq!(
                (fold(&folded), defined(&c.to_string())),
                (folded.clone(), folded.clone()),
                "U+{:04X}",
                u32::from(c)
            );

            // The dotless i is a small I only in Turkic languages.
            if c == '\u{131}' {
                continue;
            }

            for other in [
                c.to_uppercase().collect::<String>(),
                c.to_lowercase().collect(),
            ] {
                assert_eq!(fold(&other), folded, "U+{:04X}", u32::from(c));
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_folds_as_defined(text in "[\\PC\\p{M}\\p{Lu}a-z]{0,20}") {
            prop_assert_eq!(fold(&text), defined(&text));
        }

        #[test]
        fn a_text_is_found_in_any_text_that_contains_it(before in "\\PC{0,5}", text in "[a-zA-Z\u{c0}-\u{24f}\u{370}-\u{3ff}\u{410}-\u{44f}]{1,8}", after in "[a-z]{0,5}") {
            let composed = icu_normalizer::ComposingNormalizerBorrowed::new_nfc().normalize(&text).into_owned();
            let decomposed = icu_normalizer::DecomposingNormalizerBorrowed::new_nfd().normalize(&text).into_owned();

            for (query, text) in [(&composed, &decomposed), (&decomposed, &composed), (&text.to_lowercase(), &text)] {
                let whole = format!("{before}{text}{after}");
                prop_assert!(finds(query, &whole), "{} {}", query, whole);
            }
        }
    }
}
