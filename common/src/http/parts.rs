//! Parts as arguments of a handler.

use std::sync::Arc;

use super::endpoint::Argument;
use super::request::Request;
use crate::part::Part;
use crate::problem::Problem;
use crate::time::{Clock, Timestamp};

/// A part that a handler uses. A function starts only the parts in its handler's signature.
#[derive(Clone, Copy, Debug)]
pub struct Use<T>(pub T);

impl<T: Part> Argument for Use<T> {
    type Part = T;

    async fn take(part: &T, _: &Request) -> Result<Self, Problem> {
        Ok(Self(part.clone()))
    }
}

/// The time of the request.
#[derive(Clone, Copy, Debug)]
pub struct Now(pub Timestamp);

impl Argument for Now {
    type Part = Arc<dyn Clock>;

    async fn take(clock: &Arc<dyn Clock>, _: &Request) -> Result<Self, Problem> {
        Ok(Self(clock.now()))
    }
}
