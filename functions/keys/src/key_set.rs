//! A set of keys: the ones that sign, the ones that sign next, and the earlier ones whose tokens
//! are still valid.

use std::time::Duration;

use common::auth::{PublicKeys, SigningKeys};
use common::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The largest set, in bytes: together with its name, one DynamoDB read unit reads the item.
const MAX_SET: usize = 4000;
/// The largest size of the public keys: they share 4 KB with a function's other settings.
const MAX_PUBLIC: usize = 2048;
/// How long a public key is kept after it stopped signing: an access token is valid for 15 minutes,
/// and old versions of the functions sign until a deployment is finished.
const PUBLIC_LIFETIME: Duration = Duration::from_hours(24);

/// A key as a JWK. Private keys contain `d` or `k`.
type Key = Map<String, Value>;

/// The keys in the order in which the functions read them: the first of each kind signs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeySet {
    /// Two pairs for access tokens, current and next, then the keys of refresh tokens: current,
    /// next, and earlier ones.
    keys: Vec<Key>,
    /// The public keys of earlier pairs.
    retired: Vec<Key>,
    /// The name of the set before this one.
    pub(crate) made_from: Option<String>,
}

impl KeySet {
    /// Generates a set that is independent of any other.
    pub(crate) fn generate(now: Timestamp, made_from: Option<String>) -> Result<Self, String> {
        let ((signature, mac), (next_signature, next_mac)) = (new_keys(now)?, new_keys(now)?);
        Ok(Self {
            keys: vec![signature, next_signature, mac, next_mac],
            retired: Vec::new(),
            made_from,
        })
    }

    /// The set after this one: the next keys become the current ones, the current ones retire, and
    /// keys that retired long ago are dropped. `sessions` is the longest lifetime of a session, and
    /// so of a refresh token of an old key.
    pub(crate) fn rotate(
        self,
        now: Timestamp,
        sessions: Duration,
        made_from: String,
    ) -> Result<Self, String> {
        let (signatures, macs): (Vec<Key>, Vec<Key>) =
            self.keys.into_iter().partition(|key| key["kty"] == "OKP");
        let (Ok([signed, signs]), [mac_signed, mac_signs, mac_retired @ ..]) =
            (<[Key; 2]>::try_from(signatures), macs.as_slice())
        else {
            return Err("the current keys are not a set of this function".to_owned());
        };
        let (next, mac_next) = new_keys(now)?;
        let live = |key: &Key, lifetime: Duration| {
            key.get("retired_at")
                .and_then(Value::as_i64)
                .is_some_and(|at| at >= now.minus(lifetime).as_second())
        };
        // One more day, for the same reason as above.
        let mac_lifetime = sessions.saturating_add(Duration::from_hours(24));
        let mut keys = vec![
            signs,
            next,
            mac_signs.clone(),
            mac_next,
            retire(mac_signed.clone(), now),
        ];
        keys.extend(
            mac_retired
                .iter()
                .filter(|key| live(key, mac_lifetime))
                .cloned(),
        );
        let mut retired = vec![retire(public_half(&signed), now)];
        retired.extend(
            self.retired
                .into_iter()
                .filter(|key| live(key, PUBLIC_LIFETIME)),
        );
        Ok(Self {
            keys,
            retired,
            made_from: Some(made_from),
        })
    }

    /// Parses a set written by `to_json`.
    pub(crate) fn parse(json: &str) -> Result<Self, String> {
        // serde's message may quote part of a key.
        serde_json::from_str(json).map_err(|_| "the item holds no set of keys".to_owned())
    }

    /// The set as stored, including the private keys. The functions that issue tokens read it as a
    /// JWK set.
    pub(crate) fn to_json(&self) -> Result<String, String> {
        let json =
            serde_json::to_string(self).map_err(|_| "the keys cannot be written".to_owned())?;
        SigningKeys::parse(&json)
            .map_err(|error| format!("the keys cannot be used: it {error}"))?;
        if json.len() > MAX_SET || self.public_keys()?.len() > MAX_PUBLIC {
            return Err("too many keys still have valid tokens: rotate again later, or remove all with another KeyEpoch".to_owned());
        }
        Ok(json)
    }

    /// The JWK set that verifies the tokens of all these keys, also of the next one.
    pub(crate) fn public_keys(&self) -> Result<String, String> {
        let signing = self.keys.iter().filter(|key| key["kty"] == "OKP");
        let keys: Vec<Key> = signing.chain(&self.retired).map(public_half).collect();
        let json = json!({"keys": keys}).to_string();
        PublicKeys::parse(&json)
            .map_err(|error| format!("the public keys cannot be used: it {error}"))?;
        Ok(json)
    }
}

/// A key for access tokens and one for refresh tokens, named after the current day.
fn new_keys(now: Timestamp) -> Result<(Key, Key), String> {
    let (day, unique) = (now.to_string(), Uuid::new_v4().simple().to_string());
    let name = format!("{}-{}", day.get(..10).unwrap_or_default(), &unique[..8]);
    let set = SigningKeys::generate(&name)
        .map_err(|error| format!("the keys cannot be generated: {error}"))?;
    let set: Value = serde_json::from_str(&set.to_json())
        .map_err(|_| "the new keys cannot be read".to_owned())?;
    match set["keys"].as_array().map(Vec::as_slice) {
        Some([Value::Object(signature), Value::Object(mac)]) => {
            Ok((signature.clone(), mac.clone()))
        }
        _ => Err("the new keys are not one of each kind".to_owned()),
    }
}

fn retire(mut key: Key, now: Timestamp) -> Key {
    key.insert("retired_at".to_owned(), json!(now.as_second()));
    key
}

fn public_half(key: &Key) -> Key {
    let public = ["kty", "crv", "use", "alg", "kid", "x"];
    public
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), key.get(*name)?.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSIONS: Duration = Duration::from_hours(24 * 90);
    const DAY: Duration = Duration::from_hours(24);

    fn start() -> Timestamp {
        "2026-03-01T00:00:00Z".parse().expect("a time")
    }

    fn names(json: &str, kind: &str) -> Vec<String> {
        let set: Value = serde_json::from_str(json).expect("JSON");
        let keys = set["keys"]
            .as_array()
            .expect("keys")
            .iter()
            .filter(|key| key["kty"] == kind);
        keys.map(|key| key["kid"].as_str().expect("a name").to_owned())
            .collect()
    }

    #[test]
    fn a_set_and_its_successor_have_each_others_signing_keys() {
        let mut now = start();
        let mut set = KeySet::generate(now, None).expect("keys");
        for _ in 0..20 {
            now = now.plus(Duration::from_hours(24 * 10));
            let private = set.to_json().expect("JSON");
            let public = set.public_keys().expect("public");
            let next = set
                .rotate(now, SESSIONS, "before".to_owned())
                .expect("keys");
            let next_private = next.to_json().expect("JSON");
            let next_public = next.public_keys().expect("public");

            for (kind, before, after) in [
                ("OKP", &public, &next_public),
                ("oct", &private, &next_private),
            ] {
                let before = names(before, kind);
                let after = names(after, kind);

                assert!(
                    after.contains(&before[0]),
                    "what signed before is still known: {kind}"
                );
                assert!(
                    before.contains(&after[0]) && after[0] == before[1],
                    "what signs now was known before: {kind}"
                );
            }

            set = next;
        }
    }

    #[test]
    fn keys_are_kept_until_their_tokens_have_ended_and_no_longer() {
        let set = KeySet::generate(start(), None).expect("keys");
        let first = names(&set.to_json().expect("JSON"), "oct")[0].clone();
        let second = set.rotate(start(), SESSIONS, "1".to_owned()).expect("keys");
        let third = second
            .rotate(start().plus(SESSIONS), SESSIONS, "2".to_owned())
            .expect("keys");

        assert!(third.to_json().expect("JSON").contains(&first));
        assert_eq!(
            names(&third.public_keys().expect("public"), "OKP").len(),
            3,
            "two that sign, and the last"
        );

        let fourth = third
            .rotate(start().plus(SESSIONS + DAY * 2), SESSIONS, "3".to_owned())
            .expect("keys");
        assert!(!fourth.to_json().expect("JSON").contains(&first));
    }

    #[test]
    fn too_many_keys_are_refused_and_not_dropped() {
        let mut set = KeySet::generate(start(), None).expect("keys");
        let mut rotations = 0;
        while set.to_json().is_ok() {
            set = set
                .rotate(
                    start().plus(DAY * 2 * rotations),
                    SESSIONS,
                    "before".to_owned(),
                )
                .expect("keys");
            rotations += 1;
        }

        // So one rotation per week always fits.
        assert!(rotations > 92 / 7 + 1, "{rotations}");
        assert!(set.to_json().expect_err("full").contains("KeyEpoch"));
    }

    #[test]
    fn the_published_set_has_no_private_key() {
        let set = KeySet::generate(start(), None)
            .expect("keys")
            .rotate(start(), SESSIONS, "1".to_owned())
            .expect("keys");
        let public = set.public_keys().expect("public");

        assert!(
            !public.contains("\"d\"")
                && !public.contains("\"k\"")
                && !public.contains("retired_at"),
            "{public}"
        );
        assert_eq!(
            KeySet::parse(&set.to_json().expect("JSON"))
                .expect("read")
                .public_keys()
                .expect("public"),
            public
        );
    }
}
