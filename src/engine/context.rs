//! What a game can do: everything it says and asks goes through here.
//!
//! No call blocks, fails or re-enters the game. What is sent is encoded once for each encoding that somebody in the
//! audience uses, and waits in the recipients' outboxes until the tick is over.

use super::asker::{Asked, Asker};
use super::core::Core;
use super::game::{Game, Refusal, To};
use super::keeping::{Commit, CommitId, ReadingId};
use crate::account::RecordId;
use crate::ids::{ConnId, GameId, PlayerId, RegionId};
use crate::packet::Code;
use crate::random::Random;
use crate::time::{Tick, TickRate, WallMs};
use serde::Serialize;
use std::fmt::Display;
use std::marker::PhantomData;

/// The world as a game sees it during one tick.
pub struct Context<'a, G: Game> {
    core: &'a mut Core,
    game: GameId,
    /// Whose packet or request is being handled, until the game takes the answer upon itself.
    asking: Asked,
    replied: bool,
    _game: PhantomData<fn(&G)>,
}

impl<'a, G: Game> Context<'a, G> {
    pub(super) fn new(core: &'a mut Core, game: GameId) -> Context<'a, G> {
        Context { core, game, asking: Asked::Nobody, replied: false, _game: PhantomData }
    }

    /// Sends a packet to all of an audience. Nobody there: nothing is even encoded.
    pub fn send(&mut self, to: To<'_>, packet: &G::Out) {
        self.core.send::<G>(self.game, to, None, packet);
    }

    /// Answers the packet that is being handled, to its sender and with its `id` as `re`. Outside of
    /// [`Game::handle`] of a packet there is nobody to answer, and nothing happens.
    pub fn reply(&mut self, packet: &G::Out) {
        let Asked::Packet { player, id, .. } = self.asking else { return };
        // A second answer would break "exactly one reply": it goes out as a packet of its own.
        let re = if self.replied { None } else { id };
        self.replied = true;
        self.core.send::<G>(self.game, To::Player(player), re, packet);
    }

    /// Takes the answer to the packet or request that is being handled upon the game: nothing is said of itself, and what
    /// [`Game::handle`] returns is told to nobody. The answer is [`Context::reply_to`], [`Context::answer`],
    /// [`Context::done`] or [`Context::refuse`], in this tick or any later one. Where nothing is being handled, or it has been taken,
    /// or replied to already, no answer reaches anybody.
    pub fn asker(&mut self) -> Asker {
        let mut asked = std::mem::replace(&mut self.asking, Asked::Nobody);
        if let Asked::Packet { player, visit, .. } = &mut asked {
            *visit = self.core.realm(self.game).member(*player).map(|member| member.visit);
        }
        if self.replied { Asker::nobody() } else { Asker(asked) }
    }

    /// Answers a packet with a packet.
    pub fn reply_to(&mut self, asker: Asker, packet: &G::Out) {
        self.core.answer_packet::<G>(self.game, asker.0, packet);
    }

    /// Answers a request over HTTP with JSON; `status` is 200 or 201.
    pub fn answer<T: Serialize + ?Sized>(&mut self, asker: Asker, status: u16, value: &T) {
        self.core.answer_json(asker.0, status, value);
    }

    /// Answers that it is done: `ok` to a packet that carried an `id`, 204 to a request.
    pub fn done(&mut self, asker: Asker) {
        self.core.answer_done(self.game, asker.0);
    }

    /// Answers that it is refused: `error` to a packet, the code's status to a request.
    pub fn refuse(&mut self, asker: Asker, refusal: Refusal) {
        self.core.answer_refusal(self.game, asker.0, refusal);
    }

    /// Has the newest value of a record kept, in one of the next rounds ([`SAVE_INTERVAL`](crate::limits::SAVE_INTERVAL)) or at a
    /// stop. A crash may lose it. Where the server keeps nothing, nothing happens. `version` is that of the value's
    /// shape, the game's own.
    pub fn save<T: Serialize + ?Sized>(
        &mut self,
        collection: &str,
        key: impl Display,
        version: u32,
        value: &T,
    ) {
        self.core.save(RecordId::new(G::NAME, collection, key.to_string()), version, value);
    }

    /// Has all of a commit kept, or nothing of it. What came of it is [`Input::Committed`](super::Input::Committed) in a later tick, never in
    /// this one: until then nothing has happened. What it touches is the game's to reserve.
    ///
    /// Commits take effect in the order of these calls. Where the server keeps nothing, each is answered
    /// [`NotKept::Unavailable`](super::NotKept::Unavailable).
    pub fn commit(&mut self, commit: Commit) -> CommitId {
        self.core.commit(self.game, G::NAME, commit)
    }

    /// Reads at most `limit` events of the game's log, newest first, with numbers below `before`. They come as
    /// [`Input::Log`](super::Input::Log) in a later tick.
    pub fn read_log(&mut self, before: Option<u64>, limit: u32) -> ReadingId {
        self.core.read_log(self.game, G::NAME, before, limit)
    }

    /// Puts a player into a region, out of the one it was in; from now on it is in the audience of both kinds of
    /// region. Nothing happens for somebody who is gone or a region that does not exist.
    pub fn enter(&mut self, player: PlayerId, region: RegionId) {
        self.core.realm_mut(self.game).enter(player, region);
    }

    /// Takes a player out of its region: it stands nowhere.
    pub fn leave_region(&mut self, player: PlayerId) {
        self.core.realm_mut(self.game).leave_region(player);
    }

    /// Where a player stands.
    pub fn region_of(&self, player: PlayerId) -> Option<RegionId> {
        self.core.realm(self.game).region_of(player)
    }

    /// Who stands in a region; the order is the same in every replay.
    pub fn members(&self, region: RegionId) -> impl Iterator<Item = PlayerId> {
        self.core.realm(self.game).in_region(region).map(|member| member.player)
    }

    /// Ends a player's connection after this tick, telling it `code` and `message`; a code that has no close of its own
    /// counts as [`Code::Kicked`]. The game hears of it as [`Input::Left`](super::Input::Left) in the next tick.
    pub fn kick(&mut self, player: PlayerId, code: Code, message: &str) {
        self.core.kick(self.game, player, code, message);
    }

    /// Has a player's connection play as `player` from now on: an account in the lobby enters the world, or another of its
    /// characters does. Whoever plays as `player` already is closed [`Code::Replaced`]. The game hears of it in the next tick:
    /// [`Input::Left`](super::Input::Left) of the older, `Left` of `from` with [`Departure::Became`](super::Departure::Became), then
    /// [`Input::Joined`](super::Input::Joined); where a crowd comes in, that is a later tick's, as for any newcomer. Nothing happens for somebody who is gone, for a guest,
    /// or for an id that is no character's.
    pub fn become_player(&mut self, from: PlayerId, player: PlayerId, name: &str) {
        self.core.changes_of_player.push((self.game, from, player, name.to_owned()));
    }

    /// The tick that is running.
    pub fn tick(&self) -> Tick {
        self.core.tick
    }

    /// How many ticks make a second.
    pub fn rate(&self) -> TickRate {
        self.core.settings.tick_rate
    }

    /// The wall time of this tick.
    pub fn wall(&self) -> WallMs {
        self.core.wall
    }

    /// Chance, for the rules only: nothing that grants access may come from it.
    pub fn random(&mut self) -> &mut Random {
        &mut self.core.random
    }

    /// `N` bytes that nobody can guess, for whatever grants access: the id of a private match, say.
    pub fn secret<const N: usize>(&mut self) -> [u8; N] {
        self.core.secrets.bytes()
    }

    /// How many players are in this game, without those in the lobby.
    pub fn online(&self) -> usize {
        self.core.realm(self.game).playing()
    }

    /// The next packet is from `player` and carries `id`.
    pub(super) fn begin_packet(&mut self, player: PlayerId, id: Option<u32>) {
        self.asking = Asked::Packet { player, visit: None, id };
        self.replied = false;
    }

    /// The next input is a request over HTTP.
    pub(super) fn begin_call(&mut self, conn: Option<ConnId>) {
        self.asking = Asked::Call(conn);
        self.replied = false;
    }

    /// It has been handled: sees to it that a packet with an `id`, and a request, has got its one answer.
    pub(super) fn finish(&mut self, outcome: Result<(), Refusal>) {
        let mut asked = std::mem::replace(&mut self.asking, Asked::Nobody);
        if let Asked::Packet { id, .. } = &mut asked
            && self.replied
        {
            *id = None;
        }
        match outcome {
            Err(refusal) => self.core.answer_refusal(self.game, asked, refusal),
            Ok(()) => self.core.answer_done(self.game, asked),
        }
    }
}
