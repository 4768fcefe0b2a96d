//! Entity tags and preconditions (RFC 9110, sections 8.8.3 and 13.1).
//!
//! The entity tag of a task or a user is its version in quotes; other answers have a digest of their body.

use http::{HeaderName, header};
use serde_json::json;

use super::endpoint::Extract;
use super::openapi::Operation;
use super::request::Request;
use crate::contract::IfMatch;
use crate::problem::{Kind, Problem};

impl Extract for IfMatch {
    fn extract(request: &Request) -> Result<Self, Problem> {
        let Some(tags) = entity_tags(request, &header::IF_MATCH)? else { return Ok(Self::Any) };
        match tags {
            Tags::Any => Ok(Self::Any),
            // If-Match compares strongly: a weak tag never matches (RFC 9110, section 13.1.1).
            Tags::These(tags) => Ok(Self::Versions(
                tags.iter()
                    .filter(|tag| !tag.weak)
                    .filter_map(|tag| tag.opaque.parse::<u64>().ok().filter(|version| version.to_string() == tag.opaque))
                    .collect(),
            )),
        }
    }

    fn describe(operation: &mut Operation) {
        operation.takes_header(
            "If-Match",
            "The entity tags of the versions that may be changed; another version answers 412.",
            json!({"type": "string"}),
            "\"3\"",
        );
        operation.may_answer(&[Kind::MalformedHeader, Kind::PreconditionFailed]);
    }
}

/// Whether `If-None-Match` names this entity tag, so that a read may answer 304.
///
/// # Errors
/// 400 when the header cannot be read.
pub(super) fn none_match(request: &Request, etag: &str) -> Result<bool, Problem> {
    Ok(match entity_tags(request, &header::IF_NONE_MATCH)? {
        None => false,
        Some(Tags::Any) => true,
        // If-None-Match compares weakly (RFC 9110, section 13.1.2).
        Some(Tags::These(tags)) => tags.iter().any(|tag| tag.opaque == etag.trim_matches('"')),
    })
}

/// How many tags one header may name.
const MAX_TAGS: usize = 50;

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
        Problem::malformed_header(name, format!("must be * or a list of at most {MAX_TAGS} entity tags in double quotes, such as \"3\""))
    };
    let mut tags = Vec::new();
    for value in &values {
        let text = value.to_str().map_err(|_| malformed())?;
        if text.trim() == "*" && values.len() == 1 {
            return Ok(Some(Tags::Any));
        }
        tags.append(&mut parse_list(text).ok_or_else(malformed)?);
    }
    if tags.is_empty() || tags.len() > MAX_TAGS { Err(malformed()) } else { Ok(Some(Tags::These(tags))) }
}

/// The tags of one comma-separated list; `None` when it is none. An opaque tag may itself hold commas.
fn parse_list(text: &str) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
        let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
        if opaque.contains([' ', '\t']) {
            return None;
        }
        tags.push(Tag { weak, opaque: opaque.to_owned() });
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(tags)
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
        assert_eq!(list(r#"W/"a,b" , "c""#), Some(vec![(true, "a,b".to_owned()), (false, "c".to_owned())]));
        assert_eq!(list("3"), None);
        assert_eq!(list(r#""3"#), None);
        assert_eq!(list(r#""3" "4""#), None);
        assert_eq!(list(r#"w/"3""#), None);
    }
}
