//! Conditions on the version of what is written (RFC 9110, section 13).

/// The precondition of a write: which versions the caller is willing to change (`If-Match`,
/// `If-None-Match`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Whatever version there is.
    Any,
    /// Only these versions. Tags that this API never gave are no version, so the list may be empty:
    /// then none is allowed.
    OneOf(Vec<u64>),
    /// Every version but these.
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
}
