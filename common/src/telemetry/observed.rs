//! Data that is collected about a request while it is answered, anywhere in the code.

use std::cell::RefCell;
use std::future::Future;
use std::time::Duration;

use serde::Serialize;

use super::milliseconds;

/// One call of a store.
#[derive(Clone, Debug, Serialize)]
pub struct StoreCall {
    /// The operation, such as `PutItem`.
    pub operation: &'static str,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
}

/// Data that is collected about a request while it is answered.
#[derive(Debug, Default)]
pub struct Observed {
    pub(super) function: &'static str,
    pub(super) caller: Option<String>,
    pub(super) session: Option<String>,
    pub(super) account: Option<String>,
    pub(super) store_calls: Vec<StoreCall>,
}

tokio::task_local! {
    static OBSERVED: RefCell<Observed>;
}

/// Runs the work of a request to this function and collects what is noted meanwhile.
pub async fn observe<T>(function: &'static str, work: impl Future<Output = T>) -> (T, Observed) {
    OBSERVED
        .scope(
            RefCell::new(Observed {
                function,
                ..Observed::default()
            }),
            async {
                let value = work.await;
                (value, OBSERVED.with(RefCell::take))
            },
        )
        .await
}

/// The function whose request is being answered, if any.
pub fn current_function() -> Option<&'static str> {
    OBSERVED
        .try_with(|observed| observed.borrow().function)
        .ok()
}

/// Notes the caller and the session.
pub fn note_caller(user: &impl ToString, session: &impl ToString) {
    note(|observed| {
        (observed.caller, observed.session) = (Some(user.to_string()), Some(session.to_string()))
    });
}

/// Notes the account that a caller names without being signed in: a digest of its address, never
/// the address.
pub fn note_account(digest: String) {
    note(|observed| observed.account = Some(digest));
}

fn note(what: impl FnOnce(&mut Observed)) {
    // Outside of a request, such as while demo data is created, nothing is collected.
    let _ = OBSERVED.try_with(|observed| what(&mut observed.borrow_mut()));
}

pub fn note_store_call(operation: &'static str, duration: Duration) {
    let call = StoreCall {
        operation,
        duration_ms: milliseconds(duration),
    };
    note(|observed| observed.store_calls.push(call));
}
