//! CloudFormation's requests and their answers.
//!
//! https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html

use serde::Serialize;
use serde_json::{Value, json};

/// A request. Each member is read separately: even an invalid request must be answered.
pub(crate) struct Request<'e>(&'e Value);

/// The properties of the resource in the template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Properties {
    pub(crate) epoch: String,
    pub(crate) version: String,
}

impl Properties {
    /// The name of the set of keys for these properties.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.epoch, self.version)
    }
}

/// Whether this is a valid part of a name.
fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=32).contains(&text.len()) && text.bytes().all(plain)
}

impl<'e> Request<'e> {
    /// `None` without a URL for the answer: then this is not a request of CloudFormation.
    pub(crate) fn new(event: &'e Value) -> Option<Self> {
        event["ResponseURL"].is_string().then_some(Self(event))
    }

    pub(crate) fn kind(&self) -> &'e str {
        self.text("RequestType")
    }

    pub(crate) fn response_url(&self) -> &'e str {
        self.text("ResponseURL")
    }

    pub(crate) fn request_id(&self) -> &'e str {
        self.text("RequestId")
    }

    /// The resource's name in the last answer; empty for a creation.
    pub(crate) fn physical_id(&self) -> &'e str {
        self.text("PhysicalResourceId")
    }

    /// The table of the keys.
    pub(crate) fn table(&self) -> Result<&'e str, String> {
        self.0["ResourceProperties"]["Table"]
            .as_str()
            .filter(|name| !name.is_empty())
            .ok_or_else(|| "Table must name a table".to_owned())
    }

    pub(crate) fn properties(&self) -> Result<Properties, String> {
        let properties = &self.0["ResourceProperties"];
        let label = |name: &str| {
            let label = properties[name].as_str().unwrap_or_default();
            if !is_label(label) {
                return Err(format!(
                    "{name} must have 1 to 32 letters, digits, dots, hyphens or underscores"
                ));
            }
            Ok(label.to_owned())
        };
        Ok(Properties {
            epoch: label("KeyEpoch")?,
            version: label("KeyVersion")?,
        })
    }

    /// The current set of keys: `None` for a creation, or if CloudFormation named the resource
    /// itself, which it does when a creation was never answered.
    pub(crate) fn present(&self) -> Option<&'e str> {
        let (epoch, version) = self.physical_id().split_once('/')?;
        (is_label(epoch) && is_label(version)).then_some(self.physical_id())
    }

    fn text(&self, member: &str) -> &'e str {
        self.0[member].as_str().unwrap_or_default()
    }

    /// The answer in CloudFormation's format, at most 4 KB.
    pub(crate) fn answer(&self, outcome: &Outcome) -> Vec<u8> {
        let mut answer = json!({
            "PhysicalResourceId": outcome.physical_id,
            "StackId": self.text("StackId"),
            "RequestId": self.request_id(),
            "LogicalResourceId": self.text("LogicalResourceId"),
        });
        match &outcome.result {
            Ok(data) => {
                answer["Status"] = json!("SUCCESS");
                answer["Data"] = json!(data);
            }
            Err(reason) => {
                answer["Status"] = json!("FAILED");
                answer["Reason"] = json!(reason);
            }
        }
        answer.to_string().into_bytes()
    }
}

/// The outcome of a request.
pub(crate) struct Outcome {
    pub(crate) physical_id: String,
    /// The attributes, or the reason, which contains no secret.
    pub(crate) result: Result<Option<Data>, String>,
}

/// The attributes for the template.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Data {
    pub(crate) public_keys: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_could_name_another_set_is_refused() {
        for bad in [
            json!("../1"),
            json!("a/b"),
            json!(""),
            json!(1),
            json!(null),
            json!("x".repeat(33)),
        ] {
            let event = json!({"ResponseURL": "", "ResourceProperties": {"KeyEpoch": "1", "KeyVersion": bad}});

            assert!(
                Request::new(&event)
                    .expect("a request")
                    .properties()
                    .is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_resource_of_another_stack_is_not_a_key_set() {
        let present = |id: &str| {
            Request::new(&json!({"ResponseURL": "", "PhysicalResourceId": id}))
                .expect("a request")
                .present()
                .is_some()
        };

        assert!(present("1/2026-03-01"));

        for other in [
            "",
            "none",
            "tasklane-SigningKeys-1ABCDEF",
            "/tasklane/tasklane/0aa0-11/1/1",
            "1/",
            "/1",
        ] {
            assert!(!present(other), "{other}");
        }
    }
}
