//! Properties that must hold for any input, tried on random inputs.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use tokio::runtime::Handle;
use uuid::Uuid;

/// The variable that makes a run use the inputs of a failed run.
const SEED: &str = "PROPTEST_RNG_SEED";
/// How many smaller inputs are tried after a failure; each is a whole history on the store.
const SHRINKING: u32 = 200;

/// The result of one input.
pub type Tried = Result<(), TestCaseError>;

/// Tries a property on this many inputs. A failure shows the smallest failing input that was found,
/// and how to reproduce it.
pub fn check<S: Strategy>(inputs: u32, strategy: &S, property: impl AsyncFn(S::Value) -> Tried) {
    let given = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    // As random as a new identifier.
    let seed = given.unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0);
    let config = Config {
        cases: inputs,
        max_shrink_iters: SHRINKING,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    let runtime = Handle::current();
    let tried = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(strategy, |input| runtime.block_on(property(input)))
    });
    if let Err(failure) = tried {
        panic!("{failure}\nthe same inputs again: {SEED}={seed}");
    }
}
