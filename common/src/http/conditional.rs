//! Entity tags and preconditions (RFC 9110, sections 8.8.3 and 13).
//!
//! The entity tag of a resource with a version is the version in quotes; other answers have a
//! digest of their body. `If-Match` and `If-None-Match` are read the same way for every method: a
//! write takes a [`Precondition`], which the store checks together with the write, and a read is
//! checked against the tag of its answer. A write to a resource without an entity tag is refused if
//! it sends `If-Match`.

use http::{HeaderName, StatusCode, header};
use serde_json::json;

use super::endpoint::Extract;
use super::openapi::Operation;
use super::request::Request;
use crate::precondition::Precondition;
use crate::problem::{Kind, Problem};

impl Extract for Precondition {
    const CONDITIONAL: bool = true;

    fn extract(request: &Request) -> Result<Self, Problem> {
        let wanted = match entity_tags(request, &header::IF_MATCH)? {
            // If-Match compares strongly: a weak tag never matches (RFC 9110, section 13.1.1).
            Some(Tags::These(tags)) => Some(versions(tags.iter().filter(|tag| !tag.weak))),
            Some(Tags::Any) | None => None,
        };
        let unwanted = match entity_tags(request, &header::IF_NONE_MATCH)? {
            // A resource that is written exists, so none of its versions is allowed.
            Some(Tags::Any) => return Ok(Self::OneOf(Vec::new())),
            // If-None-Match compares weakly (RFC 9110, section 13.1.2).
            Some(Tags::These(tags)) => versions(tags.iter()),
            None => Vec::new(),
        };
        Ok(match wanted {
            Some(wanted) => Self::OneOf(
                wanted
                    .into_iter()
                    .filter(|version| !unwanted.contains(version))
                    .collect(),
            ),
            None if unwanted.is_empty() => Self::Any,
            None => Self::NoneOf(unwanted),
        })
    }

    fn describe(operation: &mut Operation) {
        operation.takes_header(
            "If-Match",
            "The entity tags of the versions that may be changed; any other version returns 412.",
            json!({"type": "string", "pattern": TAGS_PATTERN}),
            "\"3\"",
        );
        operation.takes_header(
            "If-None-Match",
            "The entity tags of versions that must not be changed, or * for any; such a version returns 412.",
            json!({"type": "string", "pattern": TAGS_PATTERN}),
            "\"2\"",
        );
        operation.may_answer(&[Kind::MALFORMED_HEADER, Kind::PRECONDITION_FAILED]);
    }
}

/// The versions that these tags name. A tag that this API never issued is not a version.
fn versions<'t>(tags: impl Iterator<Item = &'t Tag>) -> Vec<u64> {
    tags.filter_map(|tag| {
        tag.opaque
            .parse()
            .ok()
            .filter(|version: &u64| version.to_string() == tag.opaque)
    })
    .collect()
}

/// Checks the preconditions of a read whose answer has this entity tag: 200 or 304.
///
/// # Errors
/// 412 when `If-Match` does not name it, 400 when a header is malformed.
pub(super) fn check_read(request: &Request, etag: &str) -> Result<StatusCode, Problem> {
    let opaque = etag.trim_matches('"');
    // Both are read first: a malformed one is reported whatever the other one says.
    let (wanted, unwanted) = (
        entity_tags(request, &header::IF_MATCH)?,
        entity_tags(request, &header::IF_NONE_MATCH)?,
    );
    if let Some(Tags::These(tags)) = wanted
        && !tags.iter().any(|tag| !tag.weak && tag.opaque == opaque)
    {
        return Err(Problem::precondition_failed(Some(etag)));
    }
    Ok(match unwanted {
        Some(Tags::Any) => StatusCode::NOT_MODIFIED,
        Some(Tags::These(tags)) if tags.iter().any(|tag| tag.opaque == opaque) => {
            StatusCode::NOT_MODIFIED
        }
        _ => StatusCode::OK,
    })
}

/// Checks the preconditions of a write to a resource without an entity tag: `If-Match` always
/// fails, `If-None-Match` always passes.
///
/// # Errors
/// 412 with `If-Match`, 400 when a header is malformed.
pub(super) fn check_write_without_tag(request: &Request) -> Result<(), Problem> {
    entity_tags(request, &header::IF_NONE_MATCH)?;
    match entity_tags(request, &header::IF_MATCH)? {
        Some(_) => Err(Problem::precondition_failed(None)),
        None => Ok(()),
    }
}

const MAX_TAGS: usize = 50;

/// A list of tags as a regular expression, for the API document.
pub(super) const TAGS_PATTERN: &str =
    r#"^(\*|[ ,]*((W/)?"[!#-~]*"( *,[ ,]*(W/)?"[!#-~]*")*[ ,]*)?)$"#;

enum Tags {
    Any,
    These(Vec<Tag>),
}

struct Tag {
    weak: bool,
    opaque: String,
}

fn entity_tags(request: &Request, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    let values: Vec<_> = request.headers.get_all(name).iter().collect();
    if values.is_empty() {
        return Ok(None);
    }
    let malformed = || {
        Problem::malformed_header(
            name,
            format!(
                "must be * or a list of at most {MAX_TAGS} entity tags in double quotes, such as \"3\""
            ),
        )
    };
    let mut tags = Vec::new();
    for value in &values {
        let text = value.to_str().map_err(|_| malformed())?;
        if text.trim() == "*" && values.len() == 1 {
            return Ok(Some(Tags::Any));
        }
        tags.append(&mut parse_list(text).ok_or_else(malformed)?);
    }
    if tags.len() > MAX_TAGS {
        Err(malformed())
    } else {
        Ok(Some(Tags::These(tags)))
    }
}

/// The tags of one comma-separated list; `None` if it is malformed. Empty elements are ignored (RFC
/// 9110, section 5.6.1.2). An opaque tag may itself contain commas.
fn parse_list(text: &str) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(tags);
        }
        let (weak, quoted) = rest
            .strip_prefix("W/")
            .map_or((false, rest), |quoted| (true, quoted));
        let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
        if opaque.contains([' ', '\t']) {
            return None;
        }
        tags.push(Tag {
            weak,
            opaque: opaque.to_owned(),
        });
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Option<Vec<(bool, String)>> {
        parse_list(text).map(|tags| tags.into_iter().map(|tag| (tag.weak, tag.opaque)).collect())
    }

    #[test]
    fn lists_of_entity_tags_are_read_as_rfc_9110_writes_them() {
        assert_eq!(list(r#""3""#), Some(vec![(false, "3".to_owned())]));
        assert_eq!(
            list(r#"W/"a,b" , "c""#),
            Some(vec![(true, "a,b".to_owned()), (false, "c".to_owned())])
        );

        for empty in ["", ",", " , ,\t"] {
            assert_eq!(list(empty), Some(Vec::new()), "{empty:?}");
        }

        assert_eq!(
            list(r#",, "9" ,,"1","#),
            Some(vec![(false, "9".to_owned()), (false, "1".to_owned())])
        );

        let pattern = regex::Regex::new(TAGS_PATTERN).expect("a regular expression");
        for text in [
            "",
            "\"3\"",
            "W/\"a,b\" , \"c\"",
            ",, \"9\" ,,\"1\",",
            "3",
            "\"3",
            "\"3\" \"4\"",
            "w/\"3\"",
            "\"a b\"",
            "\"1\", 2",
        ] {
            assert_eq!(pattern.is_match(text), list(text).is_some(), "{text}");
        }

        assert_eq!(list("3"), None);
        assert_eq!(list(r#""3"#), None);
        assert_eq!(list(r#""3" "4""#), None);
        assert_eq!(list(r#"w/"3""#), None);
    }
}
