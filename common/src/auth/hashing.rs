//! Hashes passwords with Argon2id outside the async threads: a limited number at a time, in memory
//! that is reused.
//!
//! Otherwise each hash would allocate its 19 MiB anew, and the allocator keeps several times that
//! for every thread that has hashed: a function's 512 MB were nearly full after twenty logins.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::Semaphore;

use crate::problem::Problem;

/// How long a request waits until it can hash: well within a function's timeout.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Hashing {
    params: Params,
    turns: Arc<Semaphore>,
    /// The buffers that no turn uses at the moment.
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

/// Argon2id with the memory that it computes in.
pub(super) struct Turn<'t> {
    argon2: Argon2<'static>,
    memory: &'t mut Vec<Block>,
}

impl Hashing {
    pub(super) fn new(params: Params, concurrency: usize) -> Self {
        Self {
            params,
            turns: Arc::new(Semaphore::new(concurrency)),
            memory: Arc::default(),
        }
    }

    /// Runs `work` on a blocking thread when a turn is free.
    ///
    /// # Errors
    /// 503 when the wait takes too long.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(Turn<'_>) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_| Problem::unavailable("a password waited too long to be hashed"))?
            .map_err(Problem::internal)?;
        let (params, kept) = (self.params.clone(), Arc::clone(&self.memory));
        let worked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut memory = kept
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()
                .unwrap_or_default();
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let worked = work(Turn {
                argon2,
                memory: &mut memory,
            });
            kept.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(memory);
            worked
        });
        worked.await.map_err(Problem::internal)
    }
}

impl Turn<'_> {
    /// Fills `output` with the key that Argon2id derives from the password.
    ///
    /// # Errors
    /// The salt or the output is too short or too long.
    pub(super) fn derive(
        &mut self,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> argon2::Result<()> {
        let blocks = self.argon2.params().block_count();
        if self.memory.len() < blocks {
            self.memory.resize(blocks, Block::default());
        }
        self.argon2.hash_password_into_with_memory(
            password,
            salt,
            output,
            &mut self.memory[..blocks],
        )
    }

    /// Hashes a password. Returns a PHC string.
    ///
    /// # Errors
    /// Argon2id refuses an input.
    pub(super) fn hash(
        &mut self,
        password: &[u8],
        salt: &[u8],
    ) -> Result<String, argon2::password_hash::Error> {
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        self.derive(password, salt, &mut output)?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(self.argon2.params())?,
            salt: Some(Salt::new(salt)?),
            hash: Some(Output::new(&output)?),
        };
        Ok(hash.to_string())
    }

    /// Whether this is the hash of the password, and whether it was computed with weaker parameters
    /// than today's.
    ///
    /// # Errors
    /// It is not an Argon2 hash.
    pub(super) fn verify(
        &mut self,
        password: &[u8],
        hash: &str,
    ) -> Result<(bool, bool), argon2::password_hash::Error> {
        use argon2::password_hash::Error;

        let hash = PasswordHash::new(hash)?;
        let params = Params::try_from(&hash)?;
        let outdated = params.m_cost() < self.argon2.params().m_cost()
            || params.t_cost() < self.argon2.params().t_cost();
        let version = hash
            .version
            .map(Version::try_from)
            .transpose()?
            .unwrap_or_default();
        let (salt, expected) = hash.salt.zip(hash.hash).ok_or(Error::Internal)?;
        self.argon2 = Argon2::new(
            Algorithm::try_from(hash.algorithm.as_str())?,
            version,
            params,
        );
        let mut output = vec![0; expected.len()];
        self.derive(password, &salt, &mut output)?;
        // Outputs are compared in constant time.
        Ok((Output::new(&output)? == expected, outdated))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reused_memory_is_bounded_and_does_not_affect_a_hash() {
        let hashing = Hashing::new(Params::new(64, 1, 1, None).expect("parameters"), 2);
        let hash = |password: &'static [u8]| {
            hashing.work(move |mut turn| turn.hash(password, b"sixteen bytes...").expect("hashed"))
        };

        let hashes = futures_util::future::join_all(
            [b"first" as &[u8], b"other", b"first", b"first"].map(hash),
        )
        .await;
        let hashes: Vec<String> = hashes
            .into_iter()
            .collect::<Result<_, _>>()
            .expect("hashed");

        assert_eq!((&hashes[0], &hashes[0]), (&hashes[2], &hashes[3]));
        assert_ne!(hashes[0], hashes[1]);
        assert!(hashing.memory.lock().expect("the memory").len() <= 2);
    }

    #[tokio::test]
    async fn a_hash_is_verified_with_its_own_parameters() {
        let weak = Hashing::new(Params::new(64, 1, 1, None).expect("parameters"), 1);
        let strong = Hashing::new(Params::new(128, 2, 1, None).expect("parameters"), 1);

        let hash = weak
            .work(|mut turn| turn.hash(b"password", b"sixteen bytes...").expect("hashed"))
            .await
            .expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");

        let verified = strong
            .work(move |mut turn| turn.verify(b"password", &hash))
            .await
            .expect("verified");
        assert_eq!(verified, Ok((true, true)));

        for hash in [
            "",
            "plain",
            "$argon2id$v=19$m=64,t=1,p=1",
            "$scrypt$ln=1,r=1,p=1$c2l4dGVlbiBieXRlcw$c2l4dGVlbiBieXRlcw",
        ] {
            assert!(
                strong
                    .work(move |mut turn| turn.verify(b"password", hash))
                    .await
                    .expect("an answer")
                    .is_err(),
                "{hash}"
            );
        }
    }
}
