//! An endpoint: method, path, access and handler in one declaration.
//!
//! A handler is an `async fn` whose signature says everything: who may call it (the verified
//! [`Caller`](crate::auth::Caller) comes first; without one anyone may), which parts it uses
//! ([`Use`](super::Use)), and what it reads from the request ([`Extract`]). It returns a [`Reply`]
//! or a [`Problem`].

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::future::{BoxFuture, LocalBoxFuture};
use futures_util::try_join;

use super::conditional::check_write_without_tag;
use super::openapi::Operation;
use super::request::Request;
use super::response::{Reply, Response};
use crate::config::Setting;
use crate::part::{Part, StartError, Starter};
use crate::problem::{Kind, Problem};
use crate::storage::Storage;
use crate::time::Clock;

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

/// One endpoint of the API, and one Lambda function.
pub struct Endpoint {
    /// The function's name, the operation's identifier, the sample event's name.
    pub name: &'static str,
    pub method: Method,
    /// The path, with parameters in braces, as API Gateway writes it.
    pub path: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// The problems that its handler may answer with, beyond those of its access and its arguments.
    pub problems: &'static [Kind],
    pub access: Access,
    /// Adds arguments and answers to the API document. Apart from the handler, so that a function's
    /// binary does not contain it.
    pub describe: fn(&mut Operation),
    /// The settings that its parts read.
    pub settings: fn() -> Vec<Setting>,
    handler: &'static dyn Handler,
}

/// The endpoints of one service.
pub struct Service {
    /// The service's name, which is its crate's.
    pub name: &'static str,
    /// What it is about, in one sentence.
    pub summary: &'static str,
    pub endpoints: &'static [&'static Endpoint],
    /// What it keeps in the database, if anything.
    pub storage: Option<&'static Storage>,
}

/// An endpoint whose parts have started: it answers requests.
pub struct Running {
    pub endpoint: &'static Endpoint,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) handler: Box<dyn RunningHandler>,
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
            problems: &[],
            access: H::ACCESS,
            describe: H::describe,
            settings: H::settings,
            handler,
        }
    }

    #[must_use]
    pub const fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// Names the problems that the handler answers with.
    #[must_use]
    pub const fn problems(mut self, problems: &'static [Kind]) -> Self {
        self.problems = problems;
        self
    }

    /// Starts the parts that the handler uses, and no others.
    ///
    /// # Errors
    /// One of them cannot be started.
    pub async fn start(&'static self, starter: &Starter<'_>) -> Result<Running, StartError> {
        let (handler, clock) = try_join!(self.handler.start(starter), starter.part())?;
        Ok(Running {
            endpoint: self,
            clock,
            handler,
        })
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

/// A handler that is still to be given its parts.
pub trait Handler: Sync {
    fn start<'a>(&'static self, starter: &'a Starter<'_>) -> Starting<'a>;
}

/// A handler that is being given its parts.
pub(super) type Starting<'a> = LocalBoxFuture<'a, Result<Box<dyn RunningHandler>, StartError>>;

/// A handler with its parts.
pub trait RunningHandler: Send + Sync {
    /// Answers a request.
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Problem>>;
}

/// A handler whose types are still known.
pub trait Describe: Handler + 'static {
    const ACCESS: Access;
    /// The settings that its arguments' parts read.
    fn settings() -> Vec<Setting>;
    /// Adds its arguments and its answer to the API document.
    fn describe(operation: &mut Operation);
}

/// One argument of a handler.
pub trait Argument: Sized + Send + 'static {
    /// Who may call a handler that has this argument.
    const ACCESS: Access = Access::Public;
    /// Whether it is the request's preconditions.
    const CONDITIONAL: bool = false;

    /// What it is made with.
    type Part: Part;

    /// Makes the argument.
    ///
    /// # Errors
    /// Why the request cannot be handled.
    fn take(
        part: &Self::Part,
        request: &Request,
    ) -> impl Future<Output = Result<Self, Problem>> + Send;

    /// Adds to the API document what it reads and which problems it may answer with.
    fn describe(_: &mut Operation) {}
}

impl<T: Extract + 'static> Argument for T {
    const CONDITIONAL: bool = T::CONDITIONAL;

    type Part = ();

    async fn take((): &(), request: &Request) -> Result<Self, Problem> {
        T::extract(request)
    }

    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

/// An `async fn` with these arguments.
pub trait AsyncHandler<Arguments>: Copy + Send + Sync + 'static {
    const ACCESS: Access;
    /// The parts of the arguments, in their order.
    type Parts: Send + Sync + 'static;

    fn settings() -> Vec<Setting>;
    fn describe(operation: &mut Operation);
    fn start(starter: &Starter<'_>) -> impl Future<Output = Result<Self::Parts, StartError>>;
    fn call<'a>(
        &'a self,
        parts: &'a Self::Parts,
        request: &'a Request,
    ) -> BoxFuture<'a, Result<Response, Problem>>;
}

/// A function with its arguments' types, as an endpoint's handler.
pub struct Typed<F, Arguments>(F, PhantomData<fn(Arguments)>);

/// A function and the parts that its arguments are made with.
struct Started<F: AsyncHandler<Arguments>, Arguments> {
    function: F,
    parts: F::Parts,
}

/// Makes a handler of this function.
pub const fn handler<F: AsyncHandler<Arguments>, Arguments>(function: F) -> Typed<F, Arguments> {
    Typed(function, PhantomData)
}

impl<F: AsyncHandler<Arguments>, Arguments: 'static> Handler for Typed<F, Arguments> {
    fn start<'a>(&'static self, starter: &'a Starter<'_>) -> Starting<'a> {
        Box::pin(async {
            let parts = F::start(starter).await?;
            let started = Started::<F, Arguments> {
                function: self.0,
                parts,
            };
            Ok(Box::new(started) as Box<dyn RunningHandler>)
        })
    }
}

impl<F: AsyncHandler<Arguments>, Arguments: 'static> RunningHandler for Started<F, Arguments> {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Problem>> {
        self.function.call(&self.parts, request)
    }
}

impl<F: AsyncHandler<Arguments>, Arguments: 'static> Describe for Typed<F, Arguments> {
    const ACCESS: Access = F::ACCESS;

    fn settings() -> Vec<Setting> {
        F::settings()
    }

    fn describe(operation: &mut Operation) {
        F::describe(operation);
    }
}

/// The access of a handler whose arguments have these. Who calls comes first, so that nothing is
/// read for somebody who may not call: another order does not compile.
const fn access(arguments: &[Access]) -> Access {
    let mut later = 1;
    while later < arguments.len() {
        assert!(
            matches!(arguments[later], Access::Public),
            "who calls must be the first argument"
        );
        later += 1;
    }
    if arguments.is_empty() {
        Access::Public
    } else {
        arguments[0]
    }
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
        impl<Function, Fut, Answer, $($argument: Argument),*> AsyncHandler<($($argument,)*)> for Function
        where
            Function: Fn($($argument),*) -> Fut + Copy + Send + Sync + 'static,
            Fut: Future<Output = Result<Answer, Problem>> + Send,
            Answer: Reply,
        {
            const ACCESS: Access = access(&[$($argument::ACCESS),*]);

            type Parts = ($($argument::Part,)*);

            fn settings() -> Vec<Setting> {
                let of_each: &[Vec<Setting>] = &[$($argument::Part::settings()),*];
                of_each.concat()
            }

            fn describe(operation: &mut Operation) {
                $($argument::describe(operation);)*
                Answer::describe(operation);
            }

            async fn start(starter: &Starter<'_>) -> Result<Self::Parts, StartError> {
                start!(starter, $($argument),*)
            }

            #[allow(non_snake_case, reason = "the types' names serve as the arguments' names")]
            fn call<'a>(
                &'a self,
                ($($argument,)*): &'a Self::Parts,
                request: &'a Request,
            ) -> BoxFuture<'a, Result<Response, Problem>> {
                let is_conditional = false $(|| $argument::CONDITIONAL)*;
                Box::pin(async move {
                    #[allow(unused_mut, reason = "without arguments nothing changes it")]
                    let mut checked = false;
                    $(
                        if $argument::ACCESS == Access::Public && !checked {
                            check_conditions(request, is_conditional)?;
                            checked = true;
                        }
                        let $argument = $argument::take($argument, request).await?;
                    )*
                    if !checked {
                        check_conditions(request, is_conditional)?;
                    }
                    self($($argument),*).await?.into_response(request)
                })
            }
        }
    };
}

/// Starts the arguments' parts at the same time.
macro_rules! start {
    ($starter:ident, ) => {{
        let _ = $starter;
        Ok(())
    }};
    ($starter:ident, $($argument:ident),+) => {
        try_join!($($starter.part::<$argument::Part>()),+)
    };
}

arity!();
arity!(A);
arity!(A, B);
arity!(A, B, C);
arity!(A, B, C, D);
arity!(A, B, C, D, E);
arity!(A, B, C, D, E, F);
arity!(A, B, C, D, E, F, G);
arity!(A, B, C, D, E, F, G, H);
arity!(A, B, C, D, E, F, G, H, I);
