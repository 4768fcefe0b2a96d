//! Parts of the program as arguments of a handler.

use super::endpoint::{Argument, Part};
use super::request::Request;
use crate::app::App;
use crate::problem::Problem;
use crate::time::Timestamp;

/// A part that a handler uses. A function starts with the parts of its handler's signature.
#[derive(Clone, Copy, Debug)]
pub struct Use<T>(pub T);

/// What can be used as a part.
pub trait FromApp: Sized + Send + 'static {
    /// Whether it needs this part of the app.
    fn needs(part: Part) -> bool;

    /// Takes the part.
    ///
    /// # Errors
    /// 500 when the app was started without it.
    fn from_app(app: &App) -> Result<Self, Problem>;
}

impl<T: FromApp> Argument for Use<T> {
    fn needs(part: Part) -> bool {
        T::needs(part)
    }

    async fn take(app: &App, _: &Request) -> Result<Self, Problem> {
        T::from_app(app).map(Self)
    }
}

/// The time of the request.
#[derive(Clone, Copy, Debug)]
pub struct Now(pub Timestamp);

impl Argument for Now {
    async fn take(app: &App, _: &Request) -> Result<Self, Problem> {
        Ok(Self(app.clock.now()))
    }
}
