//! The line of those who have been let in and whom their game has not been told of yet.
//!
//! A newcomer costs more than anything else that comes in: it is told everything, and so is everybody around it. Were
//! thousands who come in one second handed over in one tick, that tick would be late, and the memory in which the world
//! was encoded for each of them would be touched for good. So a tick takes [`limits::JOINS_PER_TICK`], first come first
//! served, and the others stand here. Below that nobody waits, and nothing is reordered.
//!
//! Who comes out of the lobby, as a character, is a newcomer like any other. To its peer somebody in the line plays
//! already. What it sends waits in its host behind its own join; who leaves the line is forgotten, and its game never
//! hears of it.
//!
//! Invariant: a seat says that it waits exactly while its connection stands in the line.

use super::Engine;
use crate::ids::ConnId;
use crate::limits;
use std::collections::VecDeque;

/// The line, of all games together.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Those who have gone meanwhile are passed over.
    line: VecDeque<ConnId>,
    /// Newcomers that the coming tick takes already.
    taken: usize,
}

impl Arrivals {
    /// Whether a newcomer goes to its game at once; it stands in the line from now on where not.
    pub(super) fn admit(&mut self, conn: ConnId) -> bool {
        let at_once = self.line.is_empty() && self.taken < limits::JOINS_PER_TICK;
        if at_once {
            self.taken += 1;
        } else {
            self.line.push_back(conn);
        }
        at_once
    }

    /// Somebody who stood in the line goes by another id from here on, and stands at its end.
    pub(super) fn follow(&mut self, conn: ConnId) {
        self.line.push_back(conn);
    }

    /// Everybody who stands in the line, and some who did.
    pub(super) fn line(&self) -> impl Iterator<Item = ConnId> {
        self.line.iter().copied()
    }
}

impl Engine {
    /// A tick begins: as many of the line as it takes go to their games.
    pub(super) fn bring_in(&mut self) {
        let mut room = limits::JOINS_PER_TICK - std::mem::take(&mut self.arrivals.taken);
        while room > 0
            && let Some(conn) = self.arrivals.line.pop_front()
        {
            room -= usize::from(self.let_in(conn));
        }
        if self.arrivals.line.is_empty() {
            // A crowd comes once: the memory of its line is given back.
            self.arrivals.line = VecDeque::new();
        }
    }

    /// Tells a game of somebody who stood in the line; false where nobody does any more.
    fn let_in(&mut self, conn: ConnId) -> bool {
        let Some(peer) = self.core.peers.get_mut(conn) else { return false };
        let (Some(game), Some(seat)) = (peer.game, &mut peer.seat) else { return false };
        seat.waits = false;
        let from = seat.sender(conn, peer.session.encoding);
        self.hosts[usize::from(game.0)].join(from, seat.name.to_string(), seat.account());
        self.core.bring_forward(conn);
        true
    }
}
