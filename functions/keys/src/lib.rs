//! Makes the signing keys of a stack: a custom resource of CloudFormation, which is no endpoint of
//! the API.
//!
//! The private keys are kept in a table that only this function and those that issue tokens may
//! read; the public ones are handed back to the template, which gives them to every function that
//! verifies tokens.
//!
//! # Why every change can be undone and repeated
//!
//! Each pair of `KeyEpoch` and `KeyVersion` has an item of its own, written once, whose name is the
//! resource's physical name. So a request that comes twice finds what the first one made and
//! answers the same. When `KeyVersion` changes, the next item is made from the present one, which
//! stays: if the update fails, CloudFormation asks for the old properties again and is given the
//! old item, and deletes the new one; if it succeeds, CloudFormation deletes the old one, after
//! everything that used it has been replaced.
//!
//! # Why no token is refused while functions are replaced one by one
//!
//! A set holds the key that signs, the one that signs next, and those that signed before. Two
//! neighbouring sets both hold the two keys that either signs with, so whichever of them a function
//! has, it verifies what any other one signs.

mod function;
mod key_set;
mod make_keys;
mod request;

pub use function::main;
