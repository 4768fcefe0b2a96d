//! An endpoint: method, path, access and handler in one declaration.
//!
//! A handler is an `async fn` that takes the [`App`], then who calls (for a `user` endpoint the
//! verified [`Caller`], for a `session` endpoint the [`LiveSession`] of the account), then up to
//! four things read from the request ([`Extract`]), and gives a [`Reply`] or a [`Problem`].

use std::future::Future;
use std::marker::PhantomData;

use futures_util::future::BoxFuture;

use super::conditional::check_write_without_tag;
use super::openapi::Operation;
use super::request::{Request, live_session, verify_caller};
use super::response::{Reply, Response};
use crate::app::App;
use crate::auth::{Caller, LiveSession};
use crate::problem::{Kind, Problem};

/// A method that endpoints are declared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads; `HEAD` is served with it.
    Get,
    Post,
    /// Changes a part (RFC 5789).
    Patch,
    Delete,
    /// Whatever nobody else serves: API Gateway's `$default` route.
    Any,
}

impl Method {
    /// The method's name in HTTP; `*` for any.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Any => "*",
        }
    }
}

/// Who may call an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Public,
    /// A valid access token. It is verified without the store, so it is accepted until it expires.
    User,
    /// A valid access token whose session has not ended, which takes one read. For everything about
    /// an account.
    Session,
}

/// A part of the [`App`] that an endpoint uses. A function starts with these parts only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The users table: accounts, sessions, rate limits.
    Users,
    Tasks,
    PublicKeys,
    /// The private keys, to issue tokens.
    SigningKeys,
}

/// One endpoint of the API, and one Lambda function.
pub struct Endpoint {
    /// The function's name, the operation's identifier, the sample event's name.
    pub name: &'static str,
    pub method: Method,
    /// The path, with parameters in braces, as API Gateway writes it.
    pub path: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// The parts of the app that it uses.
    pub parts: &'static [Part],
    /// The problems that its handler may answer with, beyond those of its access and its arguments.
    pub problems: &'static [Kind],
    pub access: Access,
    /// Adds arguments and answers to the API document. Apart from the handler, so that a function's
    /// binary does not contain it.
    pub describe: fn(&mut Operation),
    pub(super) handler: &'static dyn Handler,
}

/// The endpoints of one service.
pub struct Service {
    /// The service's name, which is its crate's.
    pub name: &'static str,
    /// What it is about, in one sentence.
    pub summary: &'static str,
    pub endpoints: &'static [&'static Endpoint],
}

impl Endpoint {
    pub const fn get<H: Describe>(
        name: &'static str,
        path: &'static str,
        handler: &'static H,
    ) -> Self {
        Self::new(name, Method::Get, path, handler)
    }

    /// An endpoint that creates or does something.
    pub const fn post<H: Describe>(
        name: &'static str,
        path: &'static str,
        handler: &'static H,
    ) -> Self {
        Self::new(name, Method::Post, path, handler)
    }

    /// An endpoint that changes a part of something.
    pub const fn patch<H: Describe>(
        name: &'static str,
        path: &'static str,
        handler: &'static H,
    ) -> Self {
        Self::new(name, Method::Patch, path, handler)
    }

    /// An endpoint that removes something.
    pub const fn delete<H: Describe>(
        name: &'static str,
        path: &'static str,
        handler: &'static H,
    ) -> Self {
        Self::new(name, Method::Delete, path, handler)
    }

    /// The endpoint for everything that no other one serves.
    pub const fn fallback<H: Describe>(name: &'static str, handler: &'static H) -> Self {
        Self::new(name, Method::Any, "$default", handler)
    }

    const fn new<H: Describe>(
        name: &'static str,
        method: Method,
        path: &'static str,
        handler: &'static H,
    ) -> Self {
        Self {
            name,
            method,
            path,
            summary: "",
            parts: &[],
            problems: &[],
            access: H::ACCESS,
            describe: H::describe,
            handler,
        }
    }

    #[must_use]
    pub const fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// Names the parts of the app that the handler uses. An endpoint with access `user` has the
    /// public keys anyway.
    #[must_use]
    pub const fn uses(mut self, parts: &'static [Part]) -> Self {
        self.parts = parts;
        self
    }

    /// Names the problems that the handler answers with.
    #[must_use]
    pub const fn problems(mut self, problems: &'static [Kind]) -> Self {
        self.problems = problems;
        self
    }

    /// Whether the endpoint needs this part of the app.
    pub fn needs(&self, part: Part) -> bool {
        let by_access: &[Part] = match self.access {
            Access::Public => &[],
            Access::User => &[Part::PublicKeys],
            Access::Session => &[Part::PublicKeys, Part::Users],
        };
        self.parts.contains(&part) || by_access.contains(&part)
    }
}

/// Reads one argument of a handler from the request.
pub trait Extract: Sized + Send {
    /// Whether it is the request's preconditions. A write that takes none is held to have no entity
    /// tag.
    const CONDITIONAL: bool = false;

    /// Reads it.
    ///
    /// # Errors
    /// A 4xx that says what is wrong and where.
    fn extract(request: &Request) -> Result<Self, Problem>;

    /// Adds to the API document what it reads and which problems it may answer with.
    fn describe(operation: &mut Operation);
}

pub trait Handler: Sync {
    /// Answers a request, the caller verified and the arguments read.
    fn call<'a>(
        &'a self,
        app: &'a App,
        request: &'a Request,
    ) -> BoxFuture<'a, Result<Response, Problem>>;
}

/// A handler whose types are still known.
pub trait Describe: Handler + 'static {
    const ACCESS: Access;
    /// Adds its arguments and its answer to the API document.
    fn describe(operation: &mut Operation);
}

/// An `async fn` with these arguments. `'a` is how long it borrows the app.
pub trait AsyncHandler<'a, Arguments>: Send + Sync {
    type Reply: Reply;
    type Future: Future<Output = Result<Self::Reply, Problem>> + Send + 'a;
    fn call(&self, app: &'a App, arguments: Arguments) -> Self::Future;
}

/// A handler that anyone may call.
pub struct Public<F, Arguments>(F, PhantomData<fn(Arguments)>);

/// A handler that needs a verified caller.
pub struct User<F, Arguments>(F, PhantomData<fn(Arguments)>);

/// A handler that needs a session that lives.
pub struct Session<F, Arguments>(F, PhantomData<fn(Arguments)>);

/// Anyone may call this handler.
pub const fn public<F, Arguments>(handler: F) -> Public<F, Arguments>
where
    F: for<'a> AsyncHandler<'a, Arguments> + Copy,
{
    Public(handler, PhantomData)
}

/// Only a caller with a valid access token may call this handler, which is given the [`Caller`]
/// first.
pub const fn user<F, Arguments>(handler: F) -> User<F, Arguments>
where
    F: for<'a> AsyncHandler<'a, Arguments> + Copy,
{
    User(handler, PhantomData)
}

/// Only a caller whose session lives may call this handler, which is given the [`LiveSession`]
/// first.
pub const fn session<F, Arguments>(handler: F) -> Session<F, Arguments>
where
    F: for<'a> AsyncHandler<'a, Arguments> + Copy,
{
    Session(handler, PhantomData)
}

/// Checks preconditions where the handler does not: a read's answer has an entity tag, which they
/// are held against later.
fn check_conditions(request: &Request, by_handler: bool) -> Result<(), Problem> {
    if by_handler || request.is_read() {
        Ok(())
    } else {
        check_write_without_tag(request)
    }
}

macro_rules! arity {
    ($($argument:ident),*) => {
        impl<'a, Function, Fut, Answer, $($argument),*> AsyncHandler<'a, ((), $($argument,)*)> for Function
        where
            Function: Fn(&'a App, $($argument),*) -> Fut + Send + Sync,
            Fut: Future<Output = Result<Answer, Problem>> + Send + 'a,
            Answer: Reply,
        {
            type Reply = Answer;
            type Future = Fut;
            #[allow(non_snake_case, reason = "the types' names serve as the arguments' names")]
            fn call(&self, app: &'a App, ((), $($argument,)*): ((), $($argument,)*)) -> Fut {
                self(app, $($argument),*)
            }
        }

        impl<'a, Function, Fut, Answer, $($argument),*> AsyncHandler<'a, (Caller, $($argument,)*)> for Function
        where
            Function: Fn(&'a App, Caller, $($argument),*) -> Fut + Send + Sync,
            Fut: Future<Output = Result<Answer, Problem>> + Send + 'a,
            Answer: Reply,
        {
            type Reply = Answer;
            type Future = Fut;
            #[allow(non_snake_case, reason = "the types' names serve as the arguments' names")]
            fn call(&self, app: &'a App, (caller, $($argument,)*): (Caller, $($argument,)*)) -> Fut {
                self(app, caller, $($argument),*)
            }
        }

        impl<'a, Function, Fut, Answer, $($argument),*> AsyncHandler<'a, (LiveSession, $($argument,)*)> for Function
        where
            Function: Fn(&'a App, LiveSession, $($argument),*) -> Fut + Send + Sync,
            Fut: Future<Output = Result<Answer, Problem>> + Send + 'a,
            Answer: Reply,
        {
            type Reply = Answer;
            type Future = Fut;
            #[allow(non_snake_case, reason = "the types' names serve as the arguments' names")]
            fn call(&self, app: &'a App, (live, $($argument,)*): (LiveSession, $($argument,)*)) -> Fut {
                self(app, live, $($argument),*)
            }
        }

        impl<Function, $($argument: Extract + 'static),*> Handler for Public<Function, ((), $($argument,)*)>
        where
            Function: for<'a> AsyncHandler<'a, ((), $($argument,)*)>,
        {
            fn call<'a>(&'a self, app: &'a App, request: &'a Request) -> BoxFuture<'a, Result<Response, Problem>> {
                Box::pin(async move {
                    check_conditions(request, false $(|| $argument::CONDITIONAL)*)?;
                    let arguments = ((), $($argument::extract(request)?,)*);
                    self.0.call(app, arguments).await?.into_response(request)
                })
            }
        }

        impl<Function, $($argument: Extract + 'static),*> Describe for Public<Function, ((), $($argument,)*)>
        where
            Function: for<'a> AsyncHandler<'a, ((), $($argument,)*)> + 'static,
        {
            const ACCESS: Access = Access::Public;
            fn describe(operation: &mut Operation) {
                $($argument::describe(operation);)*
                <<Function as AsyncHandler<'static, ((), $($argument,)*)>>::Reply as Reply>::describe(operation);
            }
        }

        impl<Function, $($argument: Extract + 'static),*> Handler for User<Function, (Caller, $($argument,)*)>
        where
            Function: for<'a> AsyncHandler<'a, (Caller, $($argument,)*)>,
        {
            fn call<'a>(&'a self, app: &'a App, request: &'a Request) -> BoxFuture<'a, Result<Response, Problem>> {
                Box::pin(async move {
                    let caller = verify_caller(app, request)?;
                    check_conditions(request, false $(|| $argument::CONDITIONAL)*)?;
                    let arguments = (caller, $($argument::extract(request)?,)*);
                    self.0.call(app, arguments).await?.into_response(request)
                })
            }
        }

        impl<Function, $($argument: Extract + 'static),*> Describe for User<Function, (Caller, $($argument,)*)>
        where
            Function: for<'a> AsyncHandler<'a, (Caller, $($argument,)*)> + 'static,
        {
            const ACCESS: Access = Access::User;
            fn describe(operation: &mut Operation) {
                operation.requires_access_token();
                $($argument::describe(operation);)*
                <<Function as AsyncHandler<'static, (Caller, $($argument,)*)>>::Reply as Reply>::describe(operation);
            }
        }

        impl<Function, $($argument: Extract + 'static),*> Handler for Session<Function, (LiveSession, $($argument,)*)>
        where
            Function: for<'a> AsyncHandler<'a, (LiveSession, $($argument,)*)>,
        {
            fn call<'a>(&'a self, app: &'a App, request: &'a Request) -> BoxFuture<'a, Result<Response, Problem>> {
                Box::pin(async move {
                    let live = live_session(app, request).await?;
                    check_conditions(request, false $(|| $argument::CONDITIONAL)*)?;
                    let arguments = (live, $($argument::extract(request)?,)*);
                    self.0.call(app, arguments).await?.into_response(request)
                })
            }
        }

        impl<Function, $($argument: Extract + 'static),*> Describe for Session<Function, (LiveSession, $($argument,)*)>
        where
            Function: for<'a> AsyncHandler<'a, (LiveSession, $($argument,)*)> + 'static,
        {
            const ACCESS: Access = Access::Session;
            fn describe(operation: &mut Operation) {
                operation.requires_access_token();
                $($argument::describe(operation);)*
                <<Function as AsyncHandler<'static, (LiveSession, $($argument,)*)>>::Reply as Reply>::describe(operation);
            }
        }
    };
}

arity!();
arity!(First);
arity!(First, Second);
arity!(First, Second, Third);
arity!(First, Second, Third, Fourth);
