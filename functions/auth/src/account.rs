//! Accounts, and how clients send and see them.

use std::fmt;

use common::auth::{NewPassword, Password, PasswordHash, Role, UserId};
use common::fields::{Body, Change, Faults, Field, fault};
use common::text::{LINE_PATTERN, check_line};
use common::time::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Tokens;

/// An email address that is valid for HTML's `<input type=email>` (WHATWG, section 4.10.5.1.5), of
/// at most 254 characters (RFC 5321). Stored as it was typed; addresses that differ only in case
/// are the same. An internationalised domain is stored in its ASCII form (UTS #46), so that both
/// spellings are one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    const MAX: usize = 254;
    /// The rule as a regular expression, for the API document. It cannot express everything that an
    /// internationalised domain may contain.
    const PATTERN: &str = "^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)+|[^\\u0000-,/:-@\\[-`{-\\u007f]*[^\\u0000-\\u007f][^\\u0000-,/:-@\\[-`{-\\u007f]*)$";

    /// The form in which addresses are compared: lower case.
    pub fn canonical(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    fn is_valid(text: &str) -> bool {
        let Some((local, domain)) = text.split_once('@') else {
            return false;
        };
        let local_ok = (1..=64).contains(&local.len())
            && local
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b));
        let label_ok = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        text.len() <= Self::MAX
            && local_ok
            && domain.contains('.')
            && domain.split('.').all(label_ok)
    }
}

impl TryFrom<String> for Email {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.trim() != text {
            return Err("must not begin or end with a space".to_owned());
        }
        let address = in_ascii(&text).unwrap_or(text);
        if Self::is_valid(&address) {
            Ok(Self(address))
        } else {
            Err(format!(
                "must be an email address, such as ada@example.com, of at most {} characters",
                Self::MAX
            ))
        }
    }
}

/// The address with its domain in ASCII form (A-labels), if the domain is internationalised and
/// valid in DNS.
fn in_ascii(address: &str) -> Option<String> {
    let (local, domain) = address.split_once('@')?;
    // A domain in ASCII stays as it was typed.
    let ascii = if domain.is_ascii() {
        return None;
    } else {
        idna::domain_to_ascii_strict(domain).ok()?
    };
    Some(format!("{local}@{ascii}"))
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Field for Email {
    fn read(value: Value) -> Result<Self, Faults> {
        Self::try_from(String::read(value)?).map_err(fault)
    }
}

impl JsonSchema for Email {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Email".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // No `format`: libraries check different rules under that name, and stricter ones than
        // HTML's definition.
        json_schema!({"type": "string", "description": "An email address. A domain in its own script is kept, and shown, in ASCII.", "minLength": 5, "maxLength": Self::MAX, "pattern": Self::PATTERN})
    }
}

/// The name of a person: one line of 1 to 100 characters, at least one of them visible. Stored
/// names are not checked again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("minLength" = 1, "maxLength" = 100, "pattern" = LINE_PATTERN))]
pub struct Name(String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        check_line(&text, 100).map(|()| Self(text))
    }
}

impl Field for Name {
    fn read(value: Value) -> Result<Self, Faults> {
        Self::try_from(String::read(value)?).map_err(fault)
    }
}

/// An account as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub id: UserId,
    /// The address, unique among accounts.
    pub email: Email,
    pub name: Option<Name>,
    pub role: Role,
    /// The hash that the password is verified against.
    pub password_hash: PasswordHash,
    /// Increased when all sessions but one are ended; sessions of an older epoch have ended.
    pub epoch: u32,
    /// When the account was registered.
    pub created_at: Timestamp,
    /// When it was last changed by its owner.
    pub updated_at: Timestamp,
    /// The version: 1 at first, and one more with every change.
    pub version: u64,
}

impl Account {
    pub fn new(
        email: Email,
        name: Option<Name>,
        password_hash: PasswordHash,
        now: Timestamp,
    ) -> Self {
        Self {
            id: UserId::new(now),
            email,
            name,
            role: Role::User,
            password_hash,
            epoch: 0,
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }
}

/// An account as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// The identifier of the account.
    pub id: UserId,
    /// The email address.
    pub email: Email,
    /// The owner's name.
    pub name: Option<Name>,
    /// The role.
    pub role: Role,
    /// When the account was registered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The version: 1 at first, and one more with every change.
    pub version: u64,
}

impl From<Account> for User {
    fn from(account: Account) -> Self {
        let Account {
            id,
            email,
            name,
            role,
            created_at,
            updated_at,
            version,
            ..
        } = account;
        Self {
            id,
            email,
            name,
            role,
            created_at,
            updated_at,
            version,
        }
    }
}

/// The tokens, and the account that they are for.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SignedIn {
    /// The tokens.
    #[serde(flatten)]
    pub tokens: Tokens,
    /// The account.
    pub user: User,
}

/// The body of a registration.
#[derive(Body, Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Registration {
    /// The email address.
    pub email: Email,
    /// The password.
    pub password: NewPassword,
    /// The name.
    pub name: Option<Name>,
}

/// The body of a login.
#[derive(Body, Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Credentials {
    /// The account's address.
    pub email: Email,
    /// The password.
    pub password: Password,
}

/// A JSON Merge Patch (RFC 7396) of an account.
#[derive(Body, Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NamePatch {
    /// The new name; null removes it.
    #[schemars(with = "Option<Name>")]
    pub name: Change<Name>,
}

/// The body of a password change.
#[derive(Body, Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PasswordChange {
    /// The current password.
    pub current_password: Password,
    /// The new password.
    pub new_password: NewPassword,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Result<Email, String> {
        text.to_owned().try_into()
    }

    #[test]
    fn addresses_follow_the_html_standard() {
        for good in [
            "ada@example.com",
            "a.b+c@x-y.co",
            "O'Neil@EXAMPLE.org",
            &format!("{}@example.com", "a".repeat(64)),
        ] {
            assert!(email(good).is_ok(), "{good}");
        }

        for bad in [
            "ada",
            "ada@",
            "@example.com",
            "ada@localhost",
            "a b@example.com",
            "ada@-x.com",
            "ada@x..com",
            "ada@exa_mple.com",
            "\u{e9}@example.com",
            "a@b@c.com",
        ] {
            assert!(email(bad).is_err(), "{bad}");
        }

        assert!(email(&format!("{}@{}.com", "a".repeat(64), "b.".repeat(95))).is_err());
    }

    #[test]
    fn addresses_are_case_insensitive() {
        assert_eq!(canonical("Ada@Example.com"), canonical("ada@example.COM"));
    }

    fn canonical(text: &str) -> String {
        email(text).expect(text).canonical()
    }

    #[test]
    fn a_domain_in_its_own_script_is_kept_as_the_dns_knows_it() {
        for (typed, kept) in [
            ("a@ex\u{e4}mple.com", "a@xn--exmple-cua.com"),
            ("Ada@EXA\u{308}MPLE.com", "Ada@xn--exmple-cua.com"),
            ("a@fa\u{df}.de", "a@xn--fa-hia.de"),
            ("a@\u{4f8b}\u{3048}\u{3002}jp", "a@xn--r8jz45g.jp"),
            ("a@\u{ff45}xample.com", "a@example.com"),
        ] {
            assert_eq!(email(typed).expect(typed).to_string(), kept);
        }

        assert_eq!(
            canonical("a@ex\u{e4}mple.com"),
            canonical("A@XN--EXMPLE-CUA.com")
        );

        let long = format!("a@{}.com", "\u{e4}".repeat(60));
        for bad in [
            "\u{e9}@ex\u{e4}mple.com",
            "a@\u{e4}",
            "a@ex\u{e4}m_ple.com",
            "a@-\u{e4}.com",
            "a@ex\u{e4}mple.com.",
            "a@\u{e4}..com",
            "a@\u{200d}\u{e4}.com",
            "a@\u{1f600}\u{e0001}.com",
            &long,
        ] {
            assert!(email(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_with_a_space_around_it_says_so() {
        for text in [
            " ada@example.com",
            "ada@example.com\t",
            "ada@example.com\u{a0}",
        ] {
            assert!(
                email(text)
                    .expect_err(text)
                    .contains("begin or end with a space"),
                "{text}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn the_documented_pattern_of_an_address_is_the_rule(text in "[a-z.+]{0,3}@?[-a-z0-9.]{0,12}|[ -~]{0,8}@[a-z]{1,3}[.][a-z]{1,2}|[a-z@]{0,3}[-a-z.@\u{e4}\u{4f8b}]{0,9}") {
            let pattern = regex::Regex::new(Email::PATTERN).expect("a regular expression");
            let documented = pattern.is_match(&text) && (5..=Email::MAX).contains(&text.chars().count());
            let read = email(&text).is_ok();

            // For an internationalised domain the pattern does not express every rule.
            proptest::prop_assert!(if text.is_ascii() { read == documented } else { documented || !read }, "{}", text);
        }
    }
}
