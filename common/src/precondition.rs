//! Conditions on the version of a resource that is written (RFC 9110, section 13).

use crate::problem::StoreError;

/// The precondition of a write: the versions that the caller allows to be changed (`If-Match`,
/// `If-None-Match`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Any version.
    Any,
    /// Only these versions. Tags that this API never issued are not versions, so the list may be
    /// empty: then no version is allowed.
    OneOf(Vec<u64>),
    /// Every version except these.
    NoneOf(Vec<u64>),
}

impl Precondition {
    /// Whether a resource at this version may be changed.
    pub fn allows(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version),
            Self::NoneOf(versions) => !versions.contains(&version),
        }
    }

    /// # Errors
    /// [`StoreError::Stale`] if a resource at this version may not be changed.
    pub fn check(&self, version: u64) -> Result<(), StoreError> {
        if self.allows(version) {
            Ok(())
        } else {
            Err(StoreError::Stale { current: version })
        }
    }
}
