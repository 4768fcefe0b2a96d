//! Requests and responses, the same for Lambda and the server: reading bodies, queries, headers and
//! cursors, writing entity tags and problems, and the layer that every request passes through.

mod body;
mod conditional;
mod document;
mod endpoint;
mod idempotency;
pub mod openapi;
mod parts;
mod path;
mod query;
mod request;
mod response;
mod serve;

pub use body::{Example, Json};
pub use document::{Document, Health, Options, RequestLine};
pub use endpoint::{Access, Argument, Endpoint, Method, Running, Service, handler};
pub use idempotency::Idempotency;
pub use openapi::Operation;
pub use parts::{Now, Use};
pub use path::{Path, PathParameter};
pub use query::{Limit, Parameter, Parameters, Query, QueryFields, TimeBound};
pub use request::{CallerCheck, Request};
pub use response::{Created, Listing, NoContent, PublicJson, Representation, Response};
pub(crate) use serve::refuse;
pub use serve::{fail, serve};

/// The largest accepted body, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
