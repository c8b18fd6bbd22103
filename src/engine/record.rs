//! The log of a run: every tick and every input, as they came. Fed to a fresh engine with the same seed and games it
//! gives the same packets to the same players.

use super::game::Input;
use super::host::Pending;
use crate::ids::{GameId, PlayerId};
use crate::time::{Tick, WallMs};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// One line of the log. Inputs of a tick stand behind the line of that tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Record {
    /// A tick began.
    Tick {
        /// Its number.
        tick: Tick,
        /// The wall time that the games were told.
        wall: WallMs,
    },
    /// A game was handed an input.
    Input {
        /// Which game, in the order in which they were added.
        game: u16,
        /// The input in postcard, as this version of the game writes it.
        input: Vec<u8>,
    },
}

impl Record {
    /// Which game was handed which input, where this is one; `P` are that game's packets.
    pub fn read<P: DeserializeOwned>(&self) -> Option<(GameId, Input<P>)> {
        let Record::Input { game, input } = self else { return None };
        Some((GameId(*game), postcard::from_bytes::<Pending<P>>(input).ok()?.into_input()))
    }

    /// Which player sent which packet to which game, where this is one; `P` are that game's packets.
    pub fn packet<P: DeserializeOwned>(&self) -> Option<(GameId, PlayerId, P)> {
        match self.read()? {
            (game, Input::Packet { player, packet }) => Some((game, player, packet)),
            _ => None,
        }
    }

    pub(super) fn input<P: Serialize>(game: GameId, pending: &Pending<P>) -> Record {
        // Packets came out of a decoder, so that they can be written; one that cannot (a map with odd keys in
        // somebody's own type) is logged empty, and the replay says where it stopped.
        let input = postcard::to_allocvec(pending).unwrap_or_default();
        Record::Input { game: game.0, input }
    }
}
