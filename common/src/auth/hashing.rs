//! The work behind passwords: Argon2id off the async threads, a bounded number at a time, in memory that is kept. Who has to
//! wait is bounded too, in all and by source, so that one client cannot keep everybody else waiting.
//!
//! Left to itself each hash asks the system for its 19 MiB anew, and the allocator keeps several times that for every thread
//! that has hashed: a function's 512 MB were nearly full after twenty logins.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::Semaphore;

use super::source::widest_network;
use crate::problem::Problem;

/// How long a request waits for its turn to hash: well within a function's time.
const PATIENCE: Duration = Duration::from_secs(5);

/// The part of the queue that one source may take: a quarter of it.
const SHARE_OF_A_SOURCE: usize = 4;

/// Computes Argon2id.
pub(super) struct Hashing {
    argon2: Argon2<'static>,
    turns: Arc<Semaphore>,
    queue: Queue,
    /// What is not in use of the memory for each turn.
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

/// Argon2id with the memory to compute it in.
pub(super) struct Turn<'t> {
    argon2: Argon2<'static>,
    memory: &'t mut Vec<Block>,
}

impl Hashing {
    /// With these parameters, this many at a time, while this many wait.
    pub(super) fn new(params: Params, concurrency: usize, queue: usize) -> Self {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        Self { argon2, turns: Arc::new(Semaphore::new(concurrency)), queue: Queue::new(queue), memory: Arc::default() }
    }

    /// Computes something for this source, when its turn has come.
    ///
    /// # Errors
    /// 503 when too many are waiting, in all or from this source; at once, so that waiting costs nobody anything.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        source: IpAddr,
        work: impl FnOnce(Turn<'_>) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = match Arc::clone(&self.turns).try_acquire_owned() {
            Ok(turn) => turn,
            Err(_) => {
                let _place = self.queue.join(source).ok_or_else(|| Problem::unavailable("too many passwords are waiting to be hashed"))?;
                tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned())
                    .await
                    .map_err(|_| Problem::unavailable("a password waited too long to be hashed"))?
                    .map_err(Problem::internal)?
            }
        };
        let (argon2, kept) = (self.argon2.clone(), Arc::clone(&self.memory));
        let worked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut memory = kept.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            let worked = work(Turn { argon2, memory: &mut memory });
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
            worked
        });
        worked.await.map_err(Problem::internal)
    }
}

/// Who is waiting, by source.
struct Queue {
    most: usize,
    waiting: Mutex<HashMap<String, usize>>,
}

/// A place in the queue, free again when it is dropped.
struct Place<'q> {
    queue: &'q Queue,
    source: String,
}

impl Queue {
    fn new(most: usize) -> Self {
        Self { most, waiting: Mutex::default() }
    }

    /// A place for this source, unless the queue or the source's share of it is full.
    fn join(&self, source: IpAddr) -> Option<Place<'_>> {
        let source = widest_network(source);
        let mut waiting = self.waiting();
        let (all, own) = (waiting.values().sum::<usize>(), waiting.get(&source).copied().unwrap_or(0));
        if all >= self.most || own >= self.most.div_ceil(SHARE_OF_A_SOURCE) {
            return None;
        }
        waiting.insert(source.clone(), own + 1);
        Some(Place { queue: self, source })
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting();
        match waiting.get_mut(&self.source) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(waiting.remove(&self.source)),
        }
    }
}

impl Turn<'_> {
    /// Fills `output` with the key that Argon2id derives.
    ///
    /// # Errors
    /// The salt or the output is too short or too long.
    pub(super) fn derive(&mut self, password: &[u8], salt: &[u8], output: &mut [u8]) -> argon2::Result<()> {
        let blocks = self.argon2.params().block_count();
        if self.memory.len() < blocks {
            self.memory.resize(blocks, Block::default());
        }
        self.argon2.hash_password_into_with_memory(password, salt, output, &mut self.memory[..blocks])
    }

    /// Hashes a password: a PHC string.
    ///
    /// # Errors
    /// What Argon2id does not take.
    pub(super) fn hash(&mut self, password: &[u8], salt: &[u8]) -> Result<String, argon2::password_hash::Error> {
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

    /// Whether this is the hash of the password, and whether it was made with less work than is asked for today.
    ///
    /// # Errors
    /// It is no hash that Argon2 made.
    pub(super) fn verify(&mut self, password: &[u8], hash: &str) -> Result<(bool, bool), argon2::password_hash::Error> {
        use argon2::password_hash::Error;

        let hash = PasswordHash::new(hash)?;
        let params = Params::try_from(&hash)?;
        let outdated = params.m_cost() < self.argon2.params().m_cost() || params.t_cost() < self.argon2.params().t_cost();
        let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
        let (salt, expected) = hash.salt.zip(hash.hash).ok_or(Error::Internal)?;
        self.argon2 = Argon2::new(Algorithm::try_from(hash.algorithm.as_str())?, version, params);
        let mut output = vec![0; expected.len()];
        self.derive(password, &salt, &mut output)?;
        // Outputs are compared in constant time.
        Ok((Output::new(&output)? == expected, outdated))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn source(number: u8) -> IpAddr {
        [192, 0, 2, number].into()
    }

    #[tokio::test]
    async fn a_source_that_sends_more_than_can_be_hashed_is_refused_at_once_and_others_are_served() {
        let hashing = Arc::new(Hashing::new(Params::new(64, 1, 1, None).expect("parameters"), 1, 8));
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (started, begun) = tokio::sync::oneshot::channel();
        let first = tokio::spawn({
            let hashing = Arc::clone(&hashing);
            async move {
                let hold = move |_: Turn<'_>| {
                    started.send(()).expect("the test waits");
                    held.recv().expect("released");
                };
                hashing.work(source(1), hold).await
            }
        });
        begun.await.expect("the only turn is taken");
        let wait = |from| {
            let hashing = Arc::clone(&hashing);
            let mut waiting = Box::pin(async move { hashing.work(from, |_| ()).await });
            // Asked once, it is in the queue or refused.
            let now = futures_util::FutureExt::now_or_never(&mut waiting);
            (now.map(|refused| refused.expect_err("there is no turn").status().as_u16()), waiting)
        };

        let mut flood: Vec<_> = (0..450).map(|_| wait(source(1))).collect();
        let (refused, other) = wait(source(2));

        let refusals = flood.iter().filter(|(now, _)| *now == Some(503)).count();
        assert_eq!((refusals, refused), (448, None), "a quarter of the queue is one source's");
        release.send(()).expect("the first still holds its turn");
        first.await.expect("ended").expect("worked");
        for (_, waiting) in flood.extract_if(.., |(now, _)| now.is_none()) {
            waiting.await.expect("its turn came");
        }
        other.await.expect("its turn came");
        assert!(hashing.queue.waiting().is_empty());
    }

    #[test]
    fn the_queue_is_bounded_in_all_and_a_place_that_is_given_up_is_free_again() {
        let queue = Queue::new(8);
        let mut places: Vec<_> = (0..8).map(|number| queue.join(source(number)).expect("room")).collect();
        assert!(queue.join(source(9)).is_none());
        places.pop();
        assert!(queue.join(source(9)).is_some());
        drop(places);
        assert!(queue.waiting().is_empty());
        assert!(Queue::new(0).join(source(1)).is_none(), "nobody waits where there is no queue");
    }

    #[tokio::test]
    async fn memory_is_kept_for_as_many_as_work_at_a_time_and_leaves_no_trace_in_a_hash() {
        let hashing = Hashing::new(Params::new(64, 1, 1, None).expect("parameters"), 2, 16);
        let hash = |password: &'static [u8]| hashing.work(HERE, move |mut turn| turn.hash(password, b"sixteen bytes...").expect("hashed"));
        let hashes = futures_util::future::join_all([b"first" as &[u8], b"other", b"first", b"first"].map(hash)).await;
        let hashes: Vec<String> = hashes.into_iter().collect::<Result<_, _>>().expect("hashed");
        assert_eq!((&hashes[0], &hashes[0]), (&hashes[2], &hashes[3]));
        assert_ne!(hashes[0], hashes[1]);
        assert!(hashing.memory.lock().expect("the memory").len() <= 2);
    }

    #[tokio::test]
    async fn a_hash_says_with_how_much_work_it_is_verified() {
        let weak = Hashing::new(Params::new(64, 1, 1, None).expect("parameters"), 1, 4);
        let strong = Hashing::new(Params::new(128, 2, 1, None).expect("parameters"), 1, 4);
        let hash = weak.work(HERE, |mut turn| turn.hash(b"password", b"sixteen bytes...").expect("hashed")).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        let verified = strong.work(HERE, move |mut turn| turn.verify(b"password", &hash)).await.expect("verified");
        assert_eq!(verified, Ok((true, true)));
        for hash in ["", "plain", "$argon2id$v=19$m=64,t=1,p=1", "$scrypt$ln=1,r=1,p=1$c2l4dGVlbiBieXRlcw$c2l4dGVlbiBieXRlcw"] {
            assert!(strong.work(HERE, move |mut turn| turn.verify(b"password", hash)).await.expect("an answer").is_err(), "{hash}");
        }
    }
}
