//! Creates the signing keys of a stack, as a custom resource of CloudFormation. It is not an
//! endpoint of the API.
//!
//! The private keys are kept in a table that only this function and the functions that issue tokens
//! may read. The public keys are returned to the template, which passes them to every function that
//! verifies tokens.
//!
//! # Why every change can be undone and repeated
//!
//! Each pair of `KeyEpoch` and `KeyVersion` has its own item, written once. Its name is the
//! resource's physical name. So a repeated request finds the item of the first one and gives the
//! same answer. When `KeyVersion` changes, the next item is created from the current one, which
//! stays: if the update fails, CloudFormation requests the old properties again, gets the old item,
//! and deletes the new one; if it succeeds, CloudFormation deletes the old one, after everything
//! that used it has been replaced.
//!
//! # Why no token is refused while functions are replaced one by one
//!
//! A set contains the key that signs, the one that signs next, and earlier ones. Of two successive
//! sets each contains both signing keys, so a function with either set verifies what a function
//! with the other one signs.

mod function;
mod key_set;
mod make_keys;
mod request;

pub use function::main;
