//! The rules for titles, names, labels and notes. Valid text is stored unchanged.

use std::ops::RangeInclusive;

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;

/// [`check_line`]'s rules as a regular expression, for the API document. It treats the few
/// default-ignorable characters beyond U+FFFF as visible, because no way to write them in JSON
/// Schema works in every library.
pub const LINE_PATTERN: &str = concat!(
    "^[^\\u0000-\\u0008\\u000a-\\u001f\\u007f-\\u009f]*",
    "[^\\u0000-\\u0020\\u007f-\\u00a0\\u00ad\\u034f\\u061c\\u115f\\u1160\\u1680\\u17b4\\u17b5\\u180b-\\u180f\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f",
    "\\u3000\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufff8]",
    "[^\\u0000-\\u0008\\u000a-\\u001f\\u007f-\\u009f]*$",
);

/// [`check_lines`]'s rule about control characters as a regular expression, for the API document.
pub const LINES_PATTERN: &str = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$";

/// Checks one line of text, such as a title: 1 to `max` characters (Unicode code points), no
/// control characters (general category Cc) other than tab, and at least one visible character.
pub fn check_line(text: &str, max: usize) -> Result<(), String> {
    check_length(text, 1..=max)?;
    check_controls(text, &['\t'], "tab")?;
    if text.chars().any(is_visible) {
        Ok(())
    } else {
        Err("must have a visible character, not only spaces and invisible characters".to_owned())
    }
}

/// Checks text of several lines, such as notes: its length in characters (Unicode code points), and
/// no control characters (general category Cc) other than line ends and tab.
pub fn check_lines(text: &str, characters: RangeInclusive<usize>) -> Result<(), String> {
    check_length(text, characters)?;
    check_controls(
        text,
        &['\n', '\r', '\t'],
        "newline, carriage return and tab",
    )
}

fn check_length(text: &str, characters: RangeInclusive<usize>) -> Result<(), String> {
    let length = text.chars().count();
    if characters.contains(&length) {
        Ok(())
    } else {
        Err(format!(
            "must have {} to {} characters, has {length}",
            characters.start(),
            characters.end()
        ))
    }
}

fn check_controls(text: &str, allowed: &[char], names: &str) -> Result<(), String> {
    match text
        .chars()
        .find(|c| c.is_control() && !allowed.contains(c))
    {
        Some(c) => Err(format!(
            "must not contain control characters other than {names}, has U+{:04X}",
            u32::from(c)
        )),
        None => Ok(()),
    }
}

/// Whether a character is visible: not white space, not a control character, and not one that
/// Unicode ignores by default, such as a zero-width space.
fn is_visible(c: char) -> bool {
    !c.is_whitespace()
        && !c.is_control()
        && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_needs_a_visible_character() {
        for unseen in [
            "   ",
            "\u{200b}",
            "\t",
            "\u{3000}\u{a0}\u{2003}",
            "\u{ad}\u{200d}\u{fe0f}",
            "\u{3164}\u{115f}",
            "\u{feff}\u{2060}",
            "\u{e0020}",
            "\u{2028}",
        ] {
            assert!(check_line(unseen, 100).is_err(), "{unseen:?}");
        }

        for seen in [
            " a ",
            "\u{200b}.",
            "\u{1f468}\u{200d}\u{1f469}",
            "\u{2764}\u{fe0f}",
            "\u{5d0}",
            "\u{301}",
            "\u{e000}",
        ] {
            assert_eq!(check_line(seen, 100), Ok(()), "{seen:?}");
        }
    }

    #[test]
    fn a_line_has_no_line_break_and_lines_accept_any_of_them() {
        for text in ["two\nlines", "two\r\nlines", "two\rlines"] {
            assert!(check_line(text, 100).is_err(), "{text:?}");
            assert_eq!(check_lines(text, 0..=100), Ok(()), "{text:?}");
        }

        assert_eq!(
            (check_line("a\tb", 100), check_lines("a\tb", 0..=100)),
            (Ok(()), Ok(()))
        );

        for control in [
            "\0", "\u{b}", "\u{c}", "\u{1b}", "\u{7f}", "\u{85}", "\u{9f}",
        ] {
            let text = format!("a{control}b");

            assert!(
                check_line(&text, 100).is_err() && check_lines(&text, 0..=100).is_err(),
                "{text:?}"
            );
        }
    }

    fn matches(pattern: &str, text: &str, characters: RangeInclusive<usize>) -> bool {
        regex::Regex::new(pattern)
            .expect("a regular expression")
            .is_match(text)
            && characters.contains(&text.chars().count())
    }

    #[test]
    fn the_documented_pattern_of_a_line_is_the_rule_for_every_character_that_it_can_write() {
        let pattern = regex::Regex::new(LINE_PATTERN).expect("a regular expression");

        // Beyond the second plane only ideographs and these are assigned.
        for c in ('\0'..='\u{1ffff}').chain('\u{e0000}'..='\u{e0fff}') {
            let beyond =
                c > '\u{ffff}' && CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c);

            for text in [c.to_string(), format!("a{c}")] {
                assert_eq!(
                    pattern.is_match(&text),
                    check_line(&text, 2).is_ok() || beyond,
                    "U+{:04X}",
                    u32::from(c)
                );
            }
        }
    }

    proptest! {
        #[test]
        fn the_documented_pattern_of_a_line_is_the_rule(text in "[\\x00-\\x20\\x7e-\\xad\u{200b}]{0,3}\\PC{0,2}[\\x00-\\x20\\x7e-\\xa1]{0,2}\\PC{0,15}") {
            prop_assert_eq!(check_line(&text, 10).is_ok(), matches(LINE_PATTERN, &text, 1..=10));
        }

        #[test]
        fn the_documented_pattern_of_lines_is_the_rule(text in "\\PC{0,3}[\\x00-\\x20\\x7e-\\xa1]{0,2}\\PC{0,15}") {
            prop_assert_eq!(check_lines(&text, 0..=10).is_ok(), matches(LINES_PATTERN, &text, 0..=10));
        }
    }
}
