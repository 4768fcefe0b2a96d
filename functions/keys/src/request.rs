//! What CloudFormation asks, and how it is answered.
//!
//! https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html

use serde::Serialize;
use serde_json::{Value, json};

/// A request. Read member by member: whatever one of them looks like, there must be an answer.
pub(crate) struct Request<'e>(&'e Value);

/// The properties of the resource in the template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Properties {
    pub(crate) epoch: String,
    pub(crate) version: String,
    /// The KMS key that the private keys are encrypted with, when it is not the account's own for parameters.
    pub(crate) kms_key: Option<String>,
}

impl<'e> Request<'e> {
    /// `None` when there is nowhere to send an answer to: this is no request of CloudFormation.
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

    /// What the resource was called in the last answer; empty when it is to be created.
    pub(crate) fn physical_id(&self) -> &'e str {
        self.text("PhysicalResourceId")
    }

    /// Where the parameters of this stack are, apart from those of an earlier one of its name.
    pub(crate) fn folder(&self) -> Result<String, String> {
        let mut parts = self.text("StackId").split('/');
        match (parts.next().is_some_and(|arn| arn.contains(":cloudformation:")), parts.next(), parts.next(), parts.next()) {
            (true, Some(name), Some(id), None) if !name.is_empty() && !id.is_empty() => Ok(format!("/tasklane/{name}/{id}/")),
            _ => Err("StackId is no ARN of a stack".to_owned()),
        }
    }

    pub(crate) fn properties(&self) -> Result<Properties, String> {
        let properties = &self.0["ResourceProperties"];
        let label = |name: &str| {
            let label = properties[name].as_str().unwrap_or_default();
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if label.is_empty() || label.len() > 32 || !label.bytes().all(plain) {
                return Err(format!("{name} must have 1 to 32 letters, digits, dots, hyphens or underscores"));
            }
            Ok(label.to_owned())
        };
        let kms_key = properties["KmsKeyId"].as_str().filter(|key| !key.is_empty()).map(str::to_owned);
        Ok(Properties { epoch: label("KeyEpoch")?, version: label("KeyVersion")?, kms_key })
    }

    /// Whether the keys were encrypted with another KMS key so far.
    pub(crate) fn changes_kms_key(&self) -> bool {
        let key = |properties: &str| self.0[properties]["KmsKeyId"].as_str().unwrap_or_default();
        key("ResourceProperties") != key("OldResourceProperties")
    }

    fn text(&self, member: &str) -> &'e str {
        self.0[member].as_str().unwrap_or_default()
    }

    /// The answer as CloudFormation reads it: at most 4 KB.
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

/// What came of a request.
pub(crate) struct Outcome {
    pub(crate) physical_id: String,
    /// The attributes, or the reason, which holds no secret.
    pub(crate) result: Result<Option<Data>, String>,
}

/// The attributes that the template can use.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Data {
    pub(crate) public_keys: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_could_name_another_parameter_is_refused() {
        for bad in [json!("../1"), json!("a/b"), json!(""), json!(1), json!(null), json!("x".repeat(33))] {
            let event = json!({"ResponseURL": "", "ResourceProperties": {"KeyEpoch": "1", "KeyVersion": bad}});
            assert!(Request::new(&event).expect("a request").properties().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_stack_has_a_folder() {
        let folder = |id: &str| Request::new(&json!({"ResponseURL": "", "StackId": id})).expect("a request").folder();
        let arn = "arn:aws:cloudformation:eu-central-1:123456789012:stack";
        assert_eq!(folder(&format!("{arn}/tasklane/0aa0-11")), Ok("/tasklane/tasklane/0aa0-11/".to_owned()));
        for bad in ["", "stack", arn, &format!("{arn}/tasklane"), &format!("{arn}//1"), &format!("{arn}/a/b/c")] {
            assert!(folder(bad).is_err(), "{bad}");
        }
    }
}
