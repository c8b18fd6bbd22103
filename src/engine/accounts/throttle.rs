//! How often logins may fail, and how many passwords of one address may be hashed at once (PROTOCOL, "Throttle").
//!
//! Failures are kept by the moment at which they were tried: whatever minute one looks at, no more than the limits are in it.
//! **An attempt counts as failed from its beginning** and is forgiven when it turns out not to be, so that attempts made
//! side by side do not slip through. What is counted is the name as it was sent, so that a name nobody has is refused
//! just like one that somebody has.
//!
//! **A flood of names and addresses makes nobody's failures forgotten before its own**: at most `limits::LOGIN_KEYS` are counted of each
//! kind, and of those the ones that failed least go first.

use crate::address::AddressKey;
use crate::limits;
use crate::time::Time;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

/// A name as it was sent, in lower case. No account's is longer than what is kept of it.
type Name = Arc<str>;

/// Everybody's failures of the last minute.
#[derive(Debug)]
pub(in crate::engine) struct Throttle {
    by_both: Failures<(Name, AddressKey)>,
    by_name: Failures<Name>,
    by_address: Failures<AddressKey>,
    /// How many passwords of an address are on their way through hashing; no zeros.
    hashing: HashMap<AddressKey, u32>,
}

/// A login that was begun, to be forgiven where it does not fail.
#[derive(Debug)]
pub(in crate::engine) struct Attempt {
    name: Name,
    address: AddressKey,
    at: Time,
}

impl Attempt {
    /// Whose it is.
    pub(in crate::engine) fn address(&self) -> AddressKey {
        self.address
    }
}

impl Throttle {
    pub(in crate::engine) fn new() -> Throttle {
        Throttle {
            by_both: Failures::new(limits::LOGIN_FAILURES_NAME_AND_ADDRESS),
            by_name: Failures::new(limits::LOGIN_FAILURES_NAME),
            by_address: Failures::new(limits::LOGIN_FAILURES_ADDRESS),
            hashing: HashMap::new(),
        }
    }

    /// Begins a login under `name`, whatever that is. `Err` is after how many milliseconds the next may be tried.
    pub(in crate::engine) fn begin(
        &mut self,
        name: &str,
        address: AddressKey,
        now: Time,
    ) -> Result<Attempt, u32> {
        // Longer than any account's name: what is cut off tells no two accounts apart.
        let name: String = name.chars().take(limits::LOGIN_NAME).flat_map(char::to_lowercase).collect();
        let name: Name = name.into();
        let both = (name.clone(), address);
        let waits = [
            self.by_both.wait_ms(&both, now),
            self.by_name.wait_ms(&name, now),
            self.by_address.wait_ms(&address, now),
        ];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(wait);
        }
        self.by_both.add(both, now);
        self.by_name.add(name.clone(), now);
        self.by_address.add(address, now);
        Ok(Attempt { name, address, at: now })
    }

    /// The attempt has not failed, or not by its own fault.
    pub(in crate::engine) fn forgive(&mut self, attempt: Attempt) {
        let Attempt { name, address, at } = attempt;
        self.by_name.take(&name, at);
        self.by_address.take(&address, at);
        self.by_both.take(&(name, address), at);
    }

    /// Takes a place in the hashing queue; false where the address has as many as it may.
    pub(in crate::engine) fn take_place(&mut self, address: AddressKey) -> bool {
        let places = self.hashing.entry(address).or_default();
        let free = *places < limits::HASHES_PER_ADDRESS;
        *places += u32::from(free);
        free
    }

    /// Gives a place back.
    pub(in crate::engine) fn give_place(&mut self, address: AddressKey) {
        match self.hashing.get_mut(&address) {
            Some(places) if *places > 1 => *places -= 1,
            Some(_) => drop(self.hashing.remove(&address)),
            None => debug_assert!(false, "a place is taken before it is given back"),
        }
    }
}

/// When something failed, by whose doing; each at most `most` times a minute.
///
/// Keys that failed longest ago and those that failed least are at hand: nothing here goes over all of them, whatever is
/// sent.
///
/// Invariant: both orders hold what `times` holds, and no list of times is empty.
#[derive(Debug)]
struct Failures<K> {
    most: usize,
    times: HashMap<K, VecDeque<Time>>,
    by_last: BTreeSet<(Time, K)>,
    /// By how many failures, then by the last.
    by_number: BTreeSet<(usize, Time, K)>,
}

impl<K: Eq + Hash + Ord + Clone> Failures<K> {
    fn new(most: usize) -> Failures<K> {
        Failures { most, times: HashMap::new(), by_last: BTreeSet::new(), by_number: BTreeSet::new() }
    }

    /// `None` where another may be tried now; else after how many milliseconds.
    fn wait_ms(&self, key: &K, now: Time) -> Option<u32> {
        let times = self.times.get(key)?;
        let live = times.iter().skip_while(|at| is_over(**at, now));
        let oldest = *live.clone().next().filter(|_| live.count() >= self.most)?;
        let left = (oldest + limits::LOGIN_WINDOW).since(now).as_millis();
        Some(u32::try_from(left).unwrap_or(u32::MAX).max(1))
    }

    fn add(&mut self, key: K, now: Time) {
        self.make_room(&key, now);
        let mut times = self.remove(&key).unwrap_or_default();
        while times.front().is_some_and(|at| is_over(*at, now)) {
            times.pop_front();
        }
        times.push_back(now);
        self.insert(key, times);
    }

    fn take(&mut self, key: &K, at: Time) {
        let Some(mut times) = self.remove(key) else { return };
        if let Some(place) = times.iter().rposition(|time| *time == at) {
            times.remove(place);
        }
        self.insert(key.clone(), times);
    }

    /// Forgets those whose minute is over, more of them than come; where that is not enough, one of those who failed least, and of
    /// those the one whose last failure is the oldest. So whoever is about to be refused is the last to be forgotten.
    fn make_room(&mut self, key: &K, now: Time) {
        for _ in 0..2 {
            match self.by_last.first() {
                Some((last, key)) if is_over(*last, now) => drop(self.remove(&key.clone())),
                _ => break,
            }
        }
        if self.times.len() >= limits::LOGIN_KEYS
            && !self.times.contains_key(key)
            && let Some((_, _, least)) = self.by_number.first()
        {
            self.remove(&least.clone());
        }
    }

    fn insert(&mut self, key: K, times: VecDeque<Time>) {
        let Some(last) = times.back().copied() else { return };
        self.by_last.insert((last, key.clone()));
        self.by_number.insert((times.len(), last, key.clone()));
        self.times.insert(key, times);
        debug_assert_eq!(self.times.len(), self.by_last.len());
        debug_assert_eq!(self.times.len(), self.by_number.len());
    }

    fn remove(&mut self, key: &K) -> Option<VecDeque<Time>> {
        let (key, times) = self.times.remove_entry(key)?;
        if let Some(last) = times.back().copied() {
            let by_last = (last, key);
            self.by_last.remove(&by_last);
            self.by_number.remove(&(times.len(), last, by_last.1));
        }
        Some(times)
    }
}

fn is_over(at: Time, now: Time) -> bool {
    now.since(at) >= limits::LOGIN_WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u64) -> AddressKey {
        AddressKey::V6(n)
    }
    fn at(s: u64) -> Time {
        Time::from_millis(s * 1000)
    }

    /// How many of `tries` logins at `now` are let through to fail.
    fn tries(throttle: &mut Throttle, name: &str, from: u64, tries: u32, now: Time) -> u32 {
        (0..tries).map(|_| u32::from(throttle.begin(name, address(from), now).is_ok())).sum()
    }

    #[test]
    fn five_a_minute_for_one_name_from_one_address() {
        let mut throttle = Throttle::new();
        assert_eq!(tries(&mut throttle, "Ann", 1, 3, at(0)), 3);
        assert_eq!(tries(&mut throttle, "aNN", 1, 9, at(30)), 2, "whatever the case");
        assert_eq!(throttle.begin("ann", address(1), at(59)).err(), Some(1000));
        assert_eq!(
            tries(&mut throttle, "ann", 1, 9, at(60)),
            3,
            "those of the last minute count, not of a calendar's"
        );
        assert_eq!(throttle.begin("ann", address(1), at(60)).err(), Some(30_000));
        assert_eq!(tries(&mut throttle, "bob", 1, 9, at(60)), 5, "another name");
        assert_eq!(tries(&mut throttle, "ann", 2, 9, at(60)), 5, "another address");
    }

    #[test]
    fn twenty_a_minute_from_one_address() {
        let mut throttle = Throttle::new();
        let passed: u32 = (0..50).map(|n| tries(&mut throttle, &format!("name{n}"), 1, 1, at(0))).sum();
        assert_eq!(passed, 20);
        assert_eq!(throttle.begin("new", address(1), at(1)).err(), Some(59_000));
        assert_eq!(tries(&mut throttle, "new", 2, 1, at(1)), 1);
        assert_eq!(tries(&mut throttle, "new", 1, 1, at(60)), 1);
    }

    #[test]
    fn a_hundred_a_minute_for_one_name() {
        let mut throttle = Throttle::new();
        let passed: u32 = (0..50).map(|n| tries(&mut throttle, "ann", n, 3, at(0))).sum();
        assert_eq!(passed, 100);
        assert!(throttle.begin("ann", address(99), at(0)).is_err());
        assert!(throttle.begin("bob", address(99), at(0)).is_ok());
    }

    #[test]
    fn what_did_not_fail_is_not_counted_and_what_is_under_way_is() {
        let mut throttle = Throttle::new();
        for second in 0..50 {
            let attempt = throttle.begin("ann", address(1), at(second)).expect("none has failed");
            throttle.forgive(attempt);
        }
        assert!(throttle.by_both.times.is_empty() && throttle.by_name.times.is_empty());
        let under_way: Vec<Attempt> =
            (0..5).map(|_| throttle.begin("ann", address(1), at(50)).expect("five may be")).collect();
        assert!(throttle.begin("ann", address(1), at(50)).is_err());
        under_way.into_iter().for_each(|attempt| throttle.forgive(attempt));
        assert!(throttle.begin("ann", address(1), at(50)).is_ok());
    }

    #[test]
    fn a_name_may_be_anything_and_is_not_kept_whole() {
        let mut throttle = Throttle::new();
        let endless = "x".repeat(60_000);
        assert_eq!(tries(&mut throttle, &endless, 1, 9, at(0)), 5);
        assert!(throttle.by_name.times.keys().all(|name| name.len() <= 4 * limits::LOGIN_NAME));
        assert_eq!(tries(&mut throttle, "", 1, 9, at(0)), 5);
    }

    #[test]
    fn a_flood_from_everywhere_has_a_bound_and_leaves_those_who_fail_often() {
        let mut throttle = Throttle::new();
        assert_eq!(tries(&mut throttle, "ann", 0, 5, at(0)), 5);
        for n in 1..=3 * limits::LOGIN_KEYS as u64 {
            tries(&mut throttle, &format!("n{n}"), n, 1, at(1));
        }
        assert!(throttle.by_address.times.len() <= limits::LOGIN_KEYS);
        assert!(throttle.by_both.times.len() <= limits::LOGIN_KEYS);
        assert!(throttle.begin("ann", address(0), at(2)).is_err(), "not forgotten");
    }

    #[test]
    fn a_flood_of_those_who_fail_twice_forgets_nobody_who_is_refused() {
        // It made everybody's failures forgotten at once.
        let mut throttle = Throttle::new();
        assert_eq!(tries(&mut throttle, "ann", 0, 5, at(0)), 5);
        for n in 1..=2 * limits::LOGIN_KEYS as u64 {
            tries(&mut throttle, &format!("n{n}"), n, 2, at(1));
            assert!(throttle.by_both.times.len() <= limits::LOGIN_KEYS);
        }
        assert!(throttle.begin("ann", address(0), at(2)).is_err(), "not forgotten");
        let newest = 2 * limits::LOGIN_KEYS as u64;
        assert_eq!(throttle.by_address.times.len(), limits::LOGIN_KEYS);
        assert!(throttle.by_address.times.contains_key(&address(newest)));
        assert!(
            !throttle.by_address.times.contains_key(&address(1)),
            "the oldest of those who failed as often"
        );
    }

    #[test]
    fn what_is_over_goes_before_what_is_not() {
        let mut throttle = Throttle::new();
        for n in 0..limits::LOGIN_KEYS as u64 {
            tries(&mut throttle, &format!("n{n}"), n, 5, at(0));
        }
        for n in 0..limits::LOGIN_KEYS as u64 {
            tries(&mut throttle, &format!("m{n}"), n + limits::LOGIN_KEYS as u64, 1, at(60));
        }
        assert_eq!(throttle.by_name.times.len(), limits::LOGIN_KEYS);
        assert!(throttle.by_name.times.keys().all(|name| name.starts_with('m')));
    }

    #[test]
    fn an_address_has_four_places() {
        let mut throttle = Throttle::new();
        let taken = (0..9).filter(|_| throttle.take_place(address(1))).count();
        assert_eq!(taken, 4);
        assert!(throttle.take_place(address(2)));
        throttle.give_place(address(1));
        assert!(throttle.take_place(address(1)) && !throttle.take_place(address(1)));
        (0..4).for_each(|_| throttle.give_place(address(1)));
        throttle.give_place(address(2));
        assert!(throttle.hashing.is_empty());
    }
}
