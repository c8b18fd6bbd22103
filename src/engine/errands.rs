//! What goes out to storage and hashing and comes back: tickets, errands, and what may lag.
//!
//! Nothing here waits and nothing here decides. An errand takes a [`Ticket`], and with it what is to be remembered until the
//! answer comes; none free is the asker's bad luck, and told so. Whoever drives the engine carries errands out
//! ([`Engine::errand`]) and answers back ([`Engine::complete`]). An account's answer is acted on at once, a game's becomes
//! an input of the next tick, so that the log of inputs has it.
//!
//! **In a replay nothing goes out:** what storage answered the first time is in the log.
//!
//! Invariant: `outgoing` holds at most one errand for each ticket that is out, and one save.

use super::Engine;
use super::accounts;
use super::core::Core;
use crate::account::{
    Answer, Change, Dirty, Errand, Failure, NewEvent, Renewal, Reply, Request, SavedRecord, StoreError,
    Ticket, Tickets,
};
use crate::ids::GameId;
use crate::limits;
use crate::packet::Code;
use crate::time::Time;
use std::collections::VecDeque;
use std::sync::Arc;

/// What is remembered while an errand is under way.
#[derive(Debug)]
pub(super) enum Pending {
    /// The engine's own business: accounts, login sessions, bans.
    Account(accounts::Step),
    /// A game's commit, by the game's own count.
    Game { game: GameId, commit: u64, changes: Arc<[Change]> },
    /// A game reads its log, by its own count.
    GameLog { game: GameId, reading: u64 },
}

/// Why an errand did not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsent {
    /// As many are under way as may.
    Busy,
    /// Nobody carries any: this server keeps nothing.
    NoStorage,
}

impl Unsent {
    pub(super) fn code(self) -> Code {
        match self {
            Unsent::Busy => Code::Busy,
            Unsent::NoStorage => Code::NotReady,
        }
    }
}

/// Who carries errands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    /// Nobody: they are refused.
    Nobody,
    /// Whoever drives the engine.
    Driver,
    /// The log that is replayed: they are taken and forgotten.
    Log,
}

/// Everything under way.
#[derive(Debug)]
pub(super) struct Errands {
    carrier: Carrier,
    tickets: Tickets<Pending>,
    outgoing: VecDeque<(Ticket, Errand)>,
    dirty: Dirty,
}

impl Errands {
    pub(super) fn new() -> Errands {
        Errands {
            carrier: Carrier::Nobody,
            tickets: Tickets::new(limits::STORAGE_TICKETS),
            outgoing: VecDeque::new(),
            dirty: Dirty::new(),
        }
    }

    /// Whether somebody carries errands.
    pub(super) fn has_storage(&self) -> bool {
        self.carrier != Carrier::Nobody
    }

    /// Whether an errand could be sent now.
    pub(super) fn check(&self) -> Result<(), Unsent> {
        match self.carrier {
            Carrier::Nobody => Err(Unsent::NoStorage),
            Carrier::Driver if self.tickets.free() == 0 => Err(Unsent::Busy),
            Carrier::Driver | Carrier::Log => Ok(()),
        }
    }

    /// Sends an errand and remembers `pending` until its answer comes.
    pub(super) fn send(&mut self, pending: Pending, errand: Errand) -> Result<(), Unsent> {
        self.check()?;
        if self.carrier == Carrier::Log {
            return Ok(());
        }
        let ticket = self.tickets.take(pending).map_err(|_| Unsent::Busy)?;
        self.outgoing.push_back((ticket, errand));
        Ok(())
    }

    /// The next errand of several under one ticket.
    pub(super) fn again(&mut self, ticket: Ticket, pending: Pending, errand: Errand) {
        let Some(place) = self.tickets.get_mut(ticket) else { return };
        *place = pending;
        self.outgoing.push_back((ticket, errand));
    }

    /// Whether a log is replayed: whatever a game is answered stands there.
    pub(super) fn is_replay(&self) -> bool {
        self.carrier == Carrier::Log
    }

    /// Sends a game's commit. What else is saved of its records waits until it is answered.
    pub(super) fn commit(
        &mut self,
        game: GameId,
        commit: u64,
        changes: Vec<Change>,
        events: Vec<NewEvent>,
    ) -> Result<(), Unsent> {
        let held: Arc<[Change]> = changes.as_slice().into();
        let pending = Pending::Game { game, commit, changes: held.clone() };
        self.send(pending, Errand::Store(Request::Write { changes, events }))?;
        if self.carrier == Carrier::Driver {
            self.dirty.hold(&held);
        }
        Ok(())
    }

    /// Has a record saved in one of the next rounds.
    pub(super) fn save(&mut self, record: SavedRecord) {
        if self.carrier == Carrier::Driver {
            self.dirty.save(record);
        }
    }

    /// Has a login session renewed, in one of the next rounds.
    pub(super) fn renew(&mut self, renewal: Renewal) {
        if self.carrier == Carrier::Driver {
            self.dirty.renew(renewal);
        }
    }

    /// Sends the next piece of what may lag, where one is due.
    fn send_saves(&mut self, now: Time) {
        if let Some(saves) = self.dirty.next(now) {
            self.outgoing.push_back((Ticket::SAVE, Errand::Store(Request::Save(saves))));
        }
    }

    /// Errands and saves that are not done.
    pub(super) fn under_way(&self) -> usize {
        self.tickets.out() + usize::from(!self.dirty.is_clean())
    }
}

impl Core {
    /// Keeps what an operator is shown of the disk.
    fn note_disk(&mut self, answer: &Answer) {
        match answer {
            Answer::Store(Err(Failure::Store(error))) => {
                self.counters.storage_failed(error.name());
                self.disk_trouble = Some(error.name());
            }
            Answer::Store(Ok(reply)) if reply.tells_of_a_write() => self.disk_trouble = None,
            Answer::Store(_) | Answer::Hash(_) => {}
        }
    }

    /// A tick's share of what may lag. When everything is to end, it does not wait for its time.
    pub(super) fn save_what_lags(&mut self, ending: bool) {
        if ending {
            self.errands.dirty.ask();
        }
        self.errands.send_saves(self.now);
    }
}

impl Engine {
    /// Somebody carries errands from here on: accounts can be had, and what games save is kept.
    pub fn use_storage(&mut self) {
        self.core.errands.carrier = Carrier::Driver;
    }

    /// Nothing goes out from here on, and whatever was under way is forgotten: a log is replayed.
    pub(super) fn carry_nothing(&mut self) {
        self.core.errands = Errands { carrier: Carrier::Log, ..Errands::new() };
    }

    /// The next errand for storage or hashing. Whoever drives the engine takes them after each call of it until there are
    /// none, and answers each, once, with [`Engine::complete`].
    pub fn errand(&mut self) -> Option<(Ticket, Errand)> {
        self.core.errands.outgoing.pop_front()
    }

    /// An errand's answer. One that comes for nothing that is under way does no harm.
    pub fn complete(&mut self, ticket: Ticket, answer: Answer, now: Time) {
        self.core.now = now;
        self.core.note_disk(&answer);
        if ticket == Ticket::SAVE {
            return self.saved(answer);
        }
        match self.core.errands.tickets.get_mut(ticket) {
            None => {}
            Some(Pending::Account(step)) => {
                let step = std::mem::replace(step, accounts::Step::Ended);
                self.go_on(ticket, step, answer, now);
            }
            Some(Pending::Game { .. }) => self.committed(ticket, answer),
            Some(Pending::GameLog { .. }) => self.logged(ticket, answer),
        }
    }

    /// Gives a ticket back.
    pub(super) fn redeem(&mut self, ticket: Ticket) {
        self.core.errands.tickets.redeem(ticket);
    }

    fn saved(&mut self, answer: Answer) {
        let failed = match answer {
            Answer::Store(Ok(_)) => None,
            Answer::Store(Err(failure)) => Some(failure.to_string()),
            Answer::Hash(_) => Some("storage answered what nobody had asked".to_owned()),
        };
        self.core.errands.dirty.reported(failed.is_none());
        if let Some(why) = failed {
            self.core.fail(format!("what may lag is not saved, and will be tried again: {why}"));
        }
    }

    fn committed(&mut self, ticket: Ticket, answer: Answer) {
        let Some(Pending::Game { game, commit, changes }) = self.core.errands.tickets.redeem(ticket) else {
            return;
        };
        let outcome = match answer {
            Answer::Store(Ok(Reply::Written { events })) => Ok(events),
            Answer::Store(Err(failure)) => Err(failure),
            _ => Err(unasked()),
        };
        self.core.errands.dirty.release(&changes, outcome.is_ok());
        self.hosts[usize::from(game.0)].committed(commit, outcome);
    }

    fn logged(&mut self, ticket: Ticket, answer: Answer) {
        let Some(Pending::GameLog { game, reading }) = self.core.errands.tickets.redeem(ticket) else {
            return;
        };
        let outcome = match answer {
            Answer::Store(Ok(Reply::Events(entries))) => Ok(entries),
            Answer::Store(Err(failure)) => Err(failure),
            _ => Err(unasked()),
        };
        self.hosts[usize::from(game.0)].logged(reading, outcome);
    }

    /// Whether a draining engine may be dropped: nobody is left, games have heard so, and all that they saved is on disk.
    pub fn is_settled(&self) -> bool {
        let heard = self.hosts.iter().all(|host| !host.has_inputs());
        self.is_empty()
            && heard
            && self.core.errands.under_way() == 0
            && self.core.errands.outgoing.is_empty()
    }
}

fn unasked() -> Failure {
    Failure::Store(StoreError::Io("storage answered what nobody had asked".to_owned()))
}
