//! The problems of this service.

use common::problem::{Kind, Problem, Refusal};
use http::StatusCode;

pub(crate) const NOT_IN_TRASH: Kind = Kind::new(StatusCode::CONFLICT, "not-in-the-trash");

/// The task to restore is not in the trash but in the owner's list.
pub(crate) const NOT_IN_THE_TRASH: Refusal = Refusal {
    reason: "the task is not in the trash",
    problem: || Problem::new(NOT_IN_TRASH, "The task is not in the trash."),
};
