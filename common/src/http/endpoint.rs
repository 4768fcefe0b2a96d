//! An endpoint: method, path, access and handler in one declaration.
//!
//! A handler is an `async fn` whose signature is its declaration: who may call it (the verified
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Also serves `HEAD`.
    Get,
    Post,
    /// Changes parts of a resource (RFC 5789).
    Patch,
    Delete,
    /// Requests that no other endpoint serves: API Gateway's `$default` route.
    Any,
}

impl Method {
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
    /// A valid access token whose session has not ended, which costs one read. For everything about
    /// an account.
    Session,
}

/// One endpoint of the API, and one Lambda function.
pub struct Endpoint {
    /// The name of the function, of the sample event, and of the operation in the API document.
    pub name: &'static str,
    pub method: Method,
    /// The path, with parameters in braces, as API Gateway writes it.
    pub path: &'static str,
    /// One sentence for the API document.
    pub summary: &'static str,
    /// The problems that its handler may answer with, in addition to those of its access and
    /// arguments.
    pub problems: &'static [Kind],
    pub access: Access,
    /// Adds arguments and answers to the API document. Separate from the handler, so that a
    /// function's binary does not contain it.
    pub describe: fn(&mut Operation),
    /// The settings of its parts.
    pub settings: fn() -> Vec<Setting>,
    handler: &'static dyn Handler,
}

/// The endpoints of one service.
pub struct Service {
    /// The name of the service and of its crate.
    pub name: &'static str,
    /// One sentence for the API document.
    pub summary: &'static str,
    pub endpoints: &'static [&'static Endpoint],
    /// What the service stores in the database, if anything.
    pub storage: Option<&'static Storage>,
}

/// An endpoint whose parts have started, ready to answer requests.
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

    /// An endpoint that creates a resource or executes an action.
    pub const fn post<H: Describe>(
        name: &'static str,
        path: &'static str,
        handler: &'static H,
    ) -> Self {
        Self::new(name, Method::Post, path, handler)
    }

    /// An endpoint that changes parts of a resource.
    pub const fn patch<H: Describe>(
        name: &'static str,
        path: &'static str,
        handler: &'static H,
    ) -> Self {
        Self::new(name, Method::Patch, path, handler)
    }

    /// An endpoint that deletes a resource.
    pub const fn delete<H: Describe>(
        name: &'static str,
        path: &'static str,
        handler: &'static H,
    ) -> Self {
        Self::new(name, Method::Delete, path, handler)
    }

    /// The endpoint for requests that no other endpoint serves.
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

    /// Sets the problems that the handler may answer with.
    #[must_use]
    pub const fn problems(mut self, problems: &'static [Kind]) -> Self {
        self.problems = problems;
        self
    }

    /// Starts only the parts that the handler uses.
    ///
    /// # Errors
    /// A part cannot start.
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
    /// Whether this argument is the request's preconditions. A write without such an argument
    /// counts as a write to a resource without an entity tag.
    const CONDITIONAL: bool = false;

    /// Reads the argument.
    ///
    /// # Errors
    /// A 4xx that says what is wrong and where.
    fn extract(request: &Request) -> Result<Self, Problem>;

    /// Documents what it reads and its possible problems.
    fn describe(operation: &mut Operation);
}

/// A handler whose parts have not started.
pub trait Handler: Sync {
    fn start<'a>(&'static self, starter: &'a Starter<'_>) -> Starting<'a>;
}

/// The start of a handler's parts.
pub(super) type Starting<'a> = LocalBoxFuture<'a, Result<Box<dyn RunningHandler>, StartError>>;

/// A handler with its parts.
pub trait RunningHandler: Send + Sync {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Problem>>;
}

/// A handler that still knows the types of its arguments.
pub trait Describe: Handler + 'static {
    const ACCESS: Access;
    /// The settings of its arguments' parts.
    fn settings() -> Vec<Setting>;
    /// Documents its arguments and its answer.
    fn describe(operation: &mut Operation);
}

/// One argument of a handler.
pub trait Argument: Sized + Send + 'static {
    /// Who may call a handler that has this argument.
    const ACCESS: Access = Access::Public;
    /// Whether this argument is the request's preconditions.
    const CONDITIONAL: bool = false;

    /// The part that the argument is created with.
    type Part: Part;

    /// Creates the argument for a request.
    ///
    /// # Errors
    /// The problem that the client gets.
    fn take(
        part: &Self::Part,
        request: &Request,
    ) -> impl Future<Output = Result<Self, Problem>> + Send;

    /// Documents what it reads and its possible problems.
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

/// A function and the types of its arguments, as the handler of an endpoint.
pub struct Typed<F, Arguments>(F, PhantomData<fn(Arguments)>);

/// A function and the parts of its arguments.
struct Started<F: AsyncHandler<Arguments>, Arguments> {
    function: F,
    parts: F::Parts,
}

/// Creates a handler from this function.
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

/// The access of a handler with these arguments. The caller must come first, so that nothing is
/// read for a client without access: any other order does not compile.
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

/// Checks the preconditions if the handler does not. Those of a read are checked later, against the
/// entity tag of its answer.
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

/// Starts the arguments' parts concurrently.
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
