//! What accounts may still send when they log in again: a new connection is no new allowance.
//!
//! Whoever ends its connection, is replaced on it or loses it leaves what its limits had come to under its account, and goes
//! on from there on the next one, in whichever game. What has come back to full is forgotten, so that nothing is kept for
//! whoever talks as it may; of guests nothing is, for nobody knows one again who does not resume.
//!
//! Invariant: no more than [`limits::ALLOWANCES`] are kept. Over it those go that are the next to be full.

use super::Engine;
use crate::ids::{AccountId, ConnId};
use crate::limits;
use crate::session::Allowance;
use crate::time::Time;
use std::collections::HashMap;

/// What is left of the limits of accounts.
#[derive(Debug, Default)]
pub(super) struct Allowances(HashMap<AccountId, Allowance>);

impl Allowances {
    /// Keeps what a connection has left of an account's.
    fn keep(&mut self, account: AccountId, left: Allowance, now: Time) {
        if left.is_full(now) {
            return;
        }
        if self.0.len() >= limits::ALLOWANCES && !self.0.contains_key(&account) {
            self.make_room(now);
        }
        let kept = self.0.entry(account).or_default();
        *kept = kept.and_then(left);
    }

    /// Half of them go where none is full: seldom, so that it costs little each time.
    fn make_room(&mut self, now: Time) {
        self.sweep(now);
        if self.0.len() >= limits::ALLOWANCES {
            let mut full: Vec<Time> = self.0.values().map(|left| left.full_at()).collect();
            let half = full.len() / 2;
            let (_, last, _) = full.select_nth_unstable(half);
            let last = *last;
            self.0.retain(|_, left| left.full_at() > last);
        }
    }

    /// Forgets what is full again.
    pub(super) fn sweep(&mut self, now: Time) {
        if self.0.capacity() == 0 {
            return;
        }
        self.0.retain(|_, left| !left.is_full(now));
        if self.0.is_empty() {
            self.0 = HashMap::new();
        }
    }
}

impl Engine {
    /// A connection is no longer an account's, or is lost: what it has left is the account's.
    pub(super) fn keep_allowance(&mut self, conn: ConnId, now: Time) {
        let Some(peer) = self.core.peers.get(conn) else { return };
        if let Some(account) = peer.seat.as_ref().and_then(|seat| seat.account()) {
            self.allowances.keep(account, peer.session.allowance(), now);
        }
    }

    /// A connection is an account's from here on, and has no more left than that.
    pub(super) fn carry_allowance(&mut self, account: AccountId, conn: ConnId) {
        let Some(left) = self.allowances.0.get(&account) else { return };
        if let Some(peer) = self.core.peers.get_mut(conn) {
            peer.session.take_on(*left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Rates, Session, Settings};

    /// What is left to somebody who has just sent so many messages.
    fn after(messages: u32, now: Time) -> Allowance {
        let mut session = Session::new(now);
        let rates = Rates::new(&Settings { message_rate: 10, message_burst: 1000, ..Settings::default() });
        assert!((0..messages).all(|_| session.take_message(1, &rates, now).is_ok()));
        session.allowance()
    }

    #[test]
    fn what_is_full_again_is_forgotten() {
        let mut allowances = Allowances::default();
        let at = Time::from_millis;
        allowances.keep(AccountId(1), after(0, at(0)), at(0));
        assert!(allowances.0.is_empty(), "nothing was taken");
        allowances.keep(AccountId(1), after(10, at(0)), at(0));
        allowances.keep(AccountId(1), after(1, at(0)), at(0));
        allowances.sweep(at(999));
        assert_eq!(allowances.0.len(), 1, "the emptier counts");
        allowances.sweep(at(1000));
        assert_eq!((allowances.0.len(), allowances.0.capacity()), (0, 0));
    }

    #[test]
    fn over_the_bound_those_go_that_are_the_next_to_be_full() {
        let mut allowances = Allowances::default();
        for account in 0..=limits::ALLOWANCES as u32 {
            let of_them = if account == 0 { 900 } else { 1 + account / 8 };
            allowances.keep(AccountId(account), after(of_them, Time::START), Time::START);
            assert!(allowances.0.len() <= limits::ALLOWANCES);
        }
        assert!(allowances.0.contains_key(&AccountId(0)) && !allowances.0.contains_key(&AccountId(1)));
        assert!(
            allowances.0.contains_key(&AccountId(limits::ALLOWANCES as u32)),
            "there is room for the last"
        );
    }
}
