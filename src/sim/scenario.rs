//! What the simulation has to know of a game, and what may go wrong around it.

use crate::account::{Hasher, Store};
use crate::engine::{Engine, Game, Settings};
use crate::ids::{GameId, PlayerId};
use crate::packet::{Character, ServerPacket};
use crate::random::Random;
use crate::time::Tick;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::Duration;

/// A game as it is played and watched.
pub trait Scenario {
    /// The game.
    type Game: Game<Out: DeserializeOwned + PartialEq + Clone + Debug>;
    /// One simulated person at it.
    type Script: Script<Self::Game>;

    /// The game with nobody in it; asked once more for the replay.
    fn game(&mut self) -> Self::Game;

    /// Somebody who is about to connect. What those send who are not honest may be changed on its way.
    fn script(&mut self, conduct: Conduct, chance: &mut Random) -> Self::Script;

    /// What keeps things, with nothing in it, and what hashes passwords; asked once. `None`: the run keeps nothing.
    fn storage(&mut self) -> Option<(Box<dyn Store>, Box<dyn Hasher>)> {
        None
    }

    /// Somebody who is about to ask over HTTP; `number` is nobody else's. `None`: nobody does, and [`Conduct::Caller`] is
    /// [`Conduct::Honest`].
    fn caller(&mut self, number: usize) -> Option<Box<dyn Caller>> {
        let _ = number;
        None
    }

    /// Everybody has been quiet for a while: all that was told to these, who are in and well, has come to them, but for what
    /// newer packets have replaced and what is still under way.
    ///
    /// # Errors
    /// Somebody does not know what it was told last, and will not know it by what is under way either.
    fn is_quiet(
        &mut self,
        world: &World<'_, Self::Game>,
        people: &[Settled<'_, Self::Game, Self::Script>],
    ) -> Result<(), String> {
        let _ = (world, people);
        Ok(())
    }

    /// Whether the game plays on all the same whoever is lost or comes back. Then it must say the same to everybody as if no
    /// line had ever been cut, but for what it tells somebody afresh.
    fn is_blind_to_losses(&self) -> bool {
        true
    }

    /// Who somebody comes in as who is about to connect; `number` is nobody else's.
    fn who(&mut self, number: usize) -> Who {
        let _ = number;
        Who::Guest
    }

    /// A client hears a packet of the game. `store` is what is on disk, and does whatever it is asked.
    ///
    /// # Errors
    /// It is told of something that is not there.
    fn heard(&mut self, packet: &<Self::Game as Game>::Out, store: &mut dyn Store) -> Result<(), String> {
        let _ = (packet, store);
        Ok(())
    }

    /// A tick is over, and everybody has been offered what it brought.
    ///
    /// # Errors
    /// Something is not as the game promises.
    fn tick_over(&mut self, world: &World<'_, Self::Game>) -> Result<(), String>;
}

/// What a client says in `auth_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Nobody of whom anything is kept.
    Guest,
    /// Whoever the token of a login session stands for.
    Token(String),
    /// An account's name and its password.
    Password {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
}

/// One simulated person.
pub trait Script<G: Game> {
    /// What it does next; `None`: nothing for now.
    fn act(&mut self, chance: &mut Random) -> Option<G::In>;

    /// It has come in with an account that plays as nobody yet, and has these characters.
    fn is_in_lobby(&mut self, characters: &[Character]) {
        let _ = characters;
    }

    /// In the lobby it hears a packet of the game: who it plays as from that one on; `None`: nobody yet.
    fn comes_out_as(&mut self, packet: &G::Out) -> Option<PlayerId> {
        let _ = packet;
        None
    }

    /// Something that it asked was refused.
    fn is_refused(&mut self) {}

    /// It hears a packet of the game, `me` being its own player.
    ///
    /// # Errors
    /// It should not have heard that.
    fn hear(&mut self, me: PlayerId, packet: &G::Out) -> Result<(), String>;

    /// It has come back, and is told everything afresh: what it hears next may be about what it has missed.
    fn is_told_afresh(&mut self) {}
}

/// One simulated person who asks over HTTP, one thing at a time.
pub trait Caller {
    /// The next request, whole: the one before is answered.
    fn ask(&mut self, chance: &mut Random) -> Vec<u8>;

    /// The answer to it. `store` is what is on disk, and does whatever it is asked.
    ///
    /// # Errors
    /// That is no answer to the request, or storage has something else.
    fn answered(&mut self, status: u16, body: &[u8], store: &mut dyn Store) -> Result<(), String>;
}

/// What can be seen from above after a tick.
pub struct World<'a, G: Game> {
    /// The engine.
    pub engine: &'a Engine,
    /// Which of its games is played.
    pub game: GameId,
    /// The tick.
    pub tick: Tick,
    /// What its games said in it, and to whom, in that order. What the engine itself answers is not in it.
    pub told: &'a [Told<G::Out>],
}

/// Somebody who is in and well, and had the time to hear what there was to hear.
pub struct Settled<'a, G: Game, S> {
    /// Its player.
    pub player: PlayerId,
    /// Who leads it.
    pub script: &'a S,
    /// What it was told within the last second and has not heard, in that order: even when everybody is quiet, what was
    /// said over a line that had stalled may arrive at the last moment.
    pub under_way: Vec<&'a G::Out>,
}

/// One packet to one player.
#[derive(Clone, Debug, PartialEq)]
pub struct Told<Out> {
    /// Its recipient.
    pub player: PlayerId,
    /// Whether it answers something that the recipient asked.
    pub is_reply: bool,
    /// The packet.
    pub packet: ServerPacket<Out>,
}

/// How a client behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conduct {
    /// As the contract wants it.
    Honest,
    /// It asks over HTTP and looks at the answers.
    Visitor,
    /// It asks over HTTP for what is to be kept, see [`Caller`].
    Caller,
    /// It sends what is no request.
    Stranger,
    /// It joins, and sends what is no frame or no packet, between others that are.
    Garbler,
    /// It joins, and sends as much as it can.
    Flooder,
}

/// How a client's connection ends, if it is not the server who ends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Not before everybody goes.
    Stays,
    /// By a `disconnect`.
    Quits,
    /// By a Close frame.
    Closes,
    /// It ends its half and reads on.
    HalfCloses,
    /// By a reset.
    Resets,
    /// It neither sends nor reads any more, and nobody tells the server.
    FallsSilent,
}

/// How much a client's line carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carriage {
    /// All there is, within a quarter of a second, in pieces of any size.
    Prompt,
    /// Less than is sent, in the long run.
    Slow,
    /// Nothing for seconds, then all.
    Stalling,
}

/// What goes wrong, and how often: each list is chosen from by weight.
#[derive(Clone, Debug)]
pub struct Faults {
    /// How clients behave.
    pub conduct: Vec<(Conduct, u32)>,
    /// How they end.
    pub fate: Vec<(Fate, u32)>,
    /// How much their lines carry.
    pub carriage: Vec<(Carriage, u32)>,
    /// How lines are cut under honest clients, who come back.
    pub cuts: Cutting,
    /// How often a tick comes late, by up to four intervals: a probability.
    pub late_tick: f32,
    /// How often a flush is interrupted by what comes in: a probability for each tick.
    pub cut_flush: f32,
    /// What the disk does.
    pub disk: DiskFaults,
}

/// How lines are cut: probabilities, but for the time. All who are cut must be able to come back: nothing else may go wrong
/// with them, and nothing may be scarce.
#[derive(Clone, Copy, Debug)]
pub struct Cutting {
    /// That the line of an honest client is cut, again and again, at any byte.
    pub lines: f32,
    /// That a cut is a line that goes dead: neither end hears of it, and both go on writing into it.
    pub dead: f32,
    /// How long a client takes a dead line for alive, at most.
    pub unnoticed: Duration,
    /// That it stays away for long: for anything up to its grace.
    pub long: f32,
    /// That it comes back too late: when its player must be gone.
    pub too_long: f32,
    /// That it comes back with the other encoding, and is told everything afresh.
    pub recoded: f32,
}

impl Cutting {
    /// Lines hold.
    pub fn none() -> Cutting {
        let unnoticed = Duration::ZERO;
        Cutting { lines: 0.0, dead: 0.0, unnoticed, long: 0.0, too_long: 0.0, recoded: 0.0 }
    }
}

/// What goes wrong with the disk: probabilities.
#[derive(Clone, Copy, Debug)]
pub struct DiskFaults {
    /// That a commit or a hash takes up to [`DiskFaults::longest`].
    pub stalls: f32,
    /// How long that is at most.
    pub longest: Duration,
    /// That a commit or a hash fails.
    pub fails: f32,
    /// That there is no room from a commit on, for up to two seconds.
    pub fills: f32,
}

impl DiskFaults {
    /// Nothing goes wrong, and nothing takes long.
    pub fn none() -> DiskFaults {
        DiskFaults { stalls: 0.0, longest: Duration::ZERO, fails: 0.0, fills: 0.0 }
    }
}

impl Default for Faults {
    /// Everything goes wrong at times, and about half of all goes well.
    fn default() -> Faults {
        Faults {
            conduct: vec![
                (Conduct::Honest, 12),
                (Conduct::Visitor, 1),
                (Conduct::Caller, 4),
                (Conduct::Stranger, 2),
                (Conduct::Garbler, 3),
                (Conduct::Flooder, 2),
            ],
            fate: vec![
                (Fate::Stays, 8),
                (Fate::Quits, 2),
                (Fate::Closes, 2),
                (Fate::HalfCloses, 1),
                (Fate::Resets, 3),
                (Fate::FallsSilent, 2),
            ],
            carriage: vec![(Carriage::Prompt, 6), (Carriage::Slow, 1), (Carriage::Stalling, 1)],
            cuts: Cutting::none(),
            late_tick: 0.02,
            cut_flush: 0.2,
            disk: DiskFaults { stalls: 0.03, longest: Duration::from_secs(3), fails: 0.05, fills: 0.02 },
        }
    }
}

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Everything that is left to chance follows from it.
    pub seed: u64,
    /// Clients that come, one after the other.
    pub clients: usize,
    /// How long they come and play, before everybody is made to leave.
    pub duration: Duration,
    /// The engine's settings.
    pub engine: Settings,
    /// What goes wrong.
    pub faults: Faults,
    /// Told what happens, line by line.
    pub trace: Option<fn(&str)>,
}

/// Chooses one of several by their weights.
pub(super) fn choose<T: Copy>(among: &[(T, u32)], chance: &mut Random) -> Option<T> {
    let total: u64 = among.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut at = chance.below(total);
    among
        .iter()
        .find(|(_, weight)| match at.checked_sub(u64::from(*weight)) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        })
        .map(|(one, _)| *one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_weigh() {
        let mut chance = Random::new(1);
        let mut counts = [0; 3];
        for _ in 0..4000 {
            counts[choose(&[(0, 1), (1, 0), (2, 3)], &mut chance).unwrap()] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((900..1100).contains(&counts[0]), "{counts:?}");
        assert_eq!(choose::<u8>(&[], &mut chance), None);
    }
}
