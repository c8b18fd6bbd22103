//! Accounts and login sessions.

use super::Engine;
use crate::account::{Answer, Ticket};
use crate::time::Time;

/// Where something about an account stands.
#[derive(Debug)]
pub(super) enum Step {
    /// Nowhere any more.
    Ended,
}

impl Engine {
    pub(super) fn go_on(&mut self, ticket: Ticket, _: Step, _: Answer, _: Time) {
        self.redeem(ticket);
    }
}
