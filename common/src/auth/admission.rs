//! Limits how many requests that hash a password are admitted at a time, in total and from one
//! source. A refused request is answered before any work is done, so that one client cannot block
//! all others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::source::widest_network;

/// One source may take a quarter of all places.
const SHARE_OF_A_SOURCE: usize = 4;

/// The places, and which sources have taken them.
pub(super) struct Admission {
    places: usize,
    taken: Mutex<HashMap<String, usize>>,
}

/// A place; dropping it frees it.
pub(super) struct Place<'a> {
    admission: &'a Admission,
    source: String,
}

impl Admission {
    pub(super) fn new(places: usize) -> Self {
        Self {
            places,
            taken: Mutex::default(),
        }
    }

    /// Takes a place for this source. `None` when all places are taken, or this source's share is.
    pub(super) fn admit(&self, source: IpAddr) -> Option<Place<'_>> {
        let source = widest_network(source);
        let mut taken = self.taken();
        let (all, own) = (
            taken.values().sum::<usize>(),
            taken.get(&source).copied().unwrap_or(0),
        );
        if all >= self.places || own >= self.places.div_ceil(SHARE_OF_A_SOURCE) {
            return None;
        }
        taken.insert(source.clone(), own + 1);
        Some(Place {
            admission: self,
            source,
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.admission.taken();
        match taken.get_mut(&self.source) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.remove(&self.source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u8) -> IpAddr {
        [192, 0, 2, number].into()
    }

    #[test]
    fn one_source_gets_at_most_a_quarter_of_the_places() {
        let admission = Admission::new(8);

        let flood: Vec<_> = (0..450)
            .filter_map(|_| admission.admit(source(1)))
            .collect();

        assert_eq!(flood.len(), 2);

        let other = admission.admit(source(2));
        assert!(other.is_some());

        drop(flood);
        assert!(admission.admit(source(1)).is_some());
    }

    #[test]
    fn places_are_limited_and_a_released_one_is_free_again() {
        let admission = Admission::new(8);
        let mut places: Vec<_> = (0..8)
            .map(|number| admission.admit(source(number)).expect("a place"))
            .collect();

        assert!(admission.admit(source(9)).is_none());

        places.pop();

        assert!(admission.admit(source(9)).is_some());

        drop(places);
        assert!(admission.taken().is_empty());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let admission = Admission::new(4);
        let from = |text: &str| admission.admit(text.parse().expect("an address"));
        let _first = from("2001:db8:0:1::1").expect("a place");

        assert!(from("2001:db8:0:ffff::1").is_none());
        assert!(from("2001:db8:1::1").is_some());
    }
}
