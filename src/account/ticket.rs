//! Tickets: how many errands may be under way, and whose answer one is.

use std::fmt;

/// One errand under way: a slot and how often the slot had been given out before. The answer carries it back; one that
/// comes too late just misses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket {
    /// Index into the table of tickets, dense from 0.
    pub slot: u32,
    /// How often the slot had been given out before.
    pub generation: u32,
}

impl Ticket {
    /// The one that saves travel under: not from the table, since [`Dirty`](super::Dirty) has at most one under way. So
    /// saving goes on where all tickets are taken.
    pub const SAVE: Ticket = Ticket { slot: u32::MAX, generation: 0 };
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// All tickets, and what their owner remembers with each that is out.
///
/// Invariant: `free` holds the slots whose `remembered` is `None`, each once.
#[derive(Debug)]
pub struct Tickets<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    remembered: Option<T>,
}

impl<T> Tickets<T> {
    /// `count` tickets, all free; the engine's are `limits::STORAGE_TICKETS`.
    pub fn new(count: u32) -> Tickets<T> {
        let slots = (0..count).map(|_| Slot { generation: 0, remembered: None }).collect();
        Tickets { slots, free: (0..count).rev().collect() }
    }

    /// Takes one and remembers `what` with it.
    ///
    /// # Errors
    /// All are out: `what` comes back, and the asker is told `busy`.
    pub fn take(&mut self, what: T) -> Result<Ticket, T> {
        let Some(slot) = self.free.pop() else { return Err(what) };
        let entry = &mut self.slots[slot as usize];
        debug_assert!(entry.remembered.is_none(), "a free slot remembers nothing");
        entry.remembered = Some(what);
        Ok(Ticket { slot, generation: entry.generation })
    }

    /// What is remembered with a ticket that is out, to look at or to change: an errand of several steps keeps its
    /// ticket from the first to the last.
    pub fn get_mut(&mut self, ticket: Ticket) -> Option<&mut T> {
        let entry = self.slots.get_mut(ticket.slot as usize)?;
        entry.remembered.as_mut().filter(|_| entry.generation == ticket.generation)
    }

    /// Gives a ticket back, with its last answer; `None` where it is not out.
    pub fn redeem(&mut self, ticket: Ticket) -> Option<T> {
        self.get_mut(ticket)?;
        let entry = &mut self.slots[ticket.slot as usize];
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(ticket.slot);
        entry.remembered.take()
    }

    /// How many are out.
    pub fn out(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many could be taken.
    pub fn free(&self) -> usize {
        self.free.len()
    }
}
