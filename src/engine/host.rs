//! Holds one game and forgets its type.
//!
//! The engine keeps its games as `Box<dyn Hosted>`: a packet is decoded once, behind one virtual call, and waits as
//! the game's own type until the tick hands it over.

use super::calls::Call;
use super::context::Context;
use super::core::Core;
use super::game::{Departure, Game, Input, Roster};
use super::inboxes::Share;
use super::keeping::{BadRecord, CommitId, Kept, NotKept, ReadingId, Unkept};
use super::record::Record;
use crate::account::{Failure, LogEntry};
use crate::ids::{AccountId, ConnId, GameId, PlayerId};
use crate::limits;
use crate::packet::{Encoding, Envelope, Unreadable, Variant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A game whose type is forgotten.
pub(super) trait Hosted: Send {
    /// Decodes a packet and puts it before the game's next tick, or before the one that hears of its sender. `share` is its
    /// sender's in the queue that it comes into. `is_repeated` says whether the same bytes came a moment ago; it is asked only about packets
    /// that may be duplicates.
    fn receive(
        &mut self,
        from: Sender,
        envelope: &Envelope<'_>,
        share: Share,
        is_repeated: &mut dyn FnMut() -> bool,
    ) -> Result<(Taken, Option<Variant>), Unreadable>;
    /// Puts a player's arrival before the game's next tick, and behind it what the player has sent since.
    fn join(&mut self, from: Sender, name: String, account: Option<AccountId>);
    /// What an account has in this game.
    fn roster(&self, account: AccountId, name: &str) -> Roster;
    /// Whether somebody who may be away goes by that name.
    fn has_name(&self, name: &str) -> bool;
    /// Puts a player's departure before the game's next tick; of one that still waits nothing is told.
    fn leave(&mut self, from: Sender, departure: Departure);
    /// Puts the news that a player has caught up before the game's next tick.
    fn caught_up(&mut self, from: Sender);
    /// Puts the news that a player's connection is lost before the game's next tick.
    fn lost(&mut self, from: Sender);
    /// Puts the news that a lost player is back before the game's next tick.
    fn resumed(&mut self, from: Sender, full_state: bool);
    /// Whoever is about to join over one connection does so over another.
    fn reconnect(&mut self, from: ConnId, to: ConnId);
    /// How many packets wait because their players do.
    fn early(&self) -> usize;
    /// Drops what came on a connection and was to be handled in the game's next tick.
    fn forget(&mut self, conn: ConnId);
    /// Puts the outcome of a commit before the game's next tick.
    fn committed(&mut self, commit: u64, outcome: Result<Vec<u64>, Failure>);
    /// Puts what was read of the game's log before its next tick.
    fn logged(&mut self, reading: u64, outcome: Result<Vec<LogEntry>, Failure>);
    /// Puts a request over HTTP before the game's next tick; false where its inbox is full.
    fn call(&mut self, conn: ConnId, call: Call) -> bool;
    /// What kinds of records the game keeps.
    fn collections(&self) -> &'static [&'static str];
    /// Puts all that the game has kept before its first tick; none of it where it cannot read one.
    fn load(&mut self, records: Vec<Kept>) -> Result<(), BadRecord>;
    /// Whether something waits for the game's next tick.
    fn has_inputs(&self) -> bool;
    /// Takes back a recorded input; false where it cannot be read.
    fn replay(&mut self, input: &[u8]) -> bool;
    /// Runs the tick.
    fn tick(&mut self, core: &mut Core, record: Option<&mut Vec<Record>>);
}

/// Whom an input is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    pub(super) player: PlayerId,
    pub(super) conn: Option<ConnId>,
    pub(super) encoding: Encoding,
    /// Whether its game has not been told of it yet.
    pub(super) waits: bool,
}

impl Sender {
    /// Whom an input is about that is about nobody.
    const NOBODY: Sender = Sender { player: PlayerId(0), conn: None, encoding: Encoding::Json, waits: false };
}

/// What became of a packet that could be read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Taken {
    /// It waits for the tick.
    Queued,
    /// The same bytes came a moment ago.
    Duplicate,
    /// The game's inbox is full.
    Full,
}

pub(super) struct Host<G: Game> {
    id: GameId,
    game: G,
    inbox: Vec<Pending<G::In>>,
    early: Early<G::In>,
    /// How many requests over HTTP are in the inbox.
    calls: usize,
    /// Which encodings the newcomers in the inbox speak.
    coming: [bool; 2],
}

/// What those have sent whom the game has not been told of yet.
///
/// Invariant: `count` is that of the packets in `by_player`.
struct Early<P> {
    by_player: BTreeMap<PlayerId, Vec<Pending<P>>>,
    count: usize,
}

impl<P> Early<P> {
    fn keep(&mut self, pending: Pending<P>) {
        self.by_player.entry(pending.player).or_default().push(pending);
        self.count += 1;
    }

    fn take(&mut self, player: PlayerId) -> Vec<Pending<P>> {
        let packets = self.by_player.remove(&player).unwrap_or_default();
        self.count -= packets.len();
        packets
    }
}

/// An input on its way to the tick.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Pending<P> {
    #[serde(skip)]
    conn: Option<ConnId>,
    /// Encodings are recorded: what is sent to whom depends on them.
    postcard: bool,
    player: PlayerId,
    id: Option<u32>,
    input: Input<P>,
}

impl<P> Pending<P> {
    /// What it is that waits.
    pub(super) fn into_input(self) -> Input<P> {
        self.input
    }

    fn new(from: Sender, id: Option<u32>, input: Input<P>) -> Pending<P> {
        let postcard = from.encoding == Encoding::Postcard;
        Pending { conn: from.conn, postcard, player: from.player, id, input }
    }

    fn encoding(&self) -> Encoding {
        if self.postcard { Encoding::Postcard } else { Encoding::Json }
    }

    fn is_call(&self) -> bool {
        matches!(self.input, Input::Called { .. })
    }

    /// Whether a peer has sent it: it is no news of the engine's.
    fn was_sent(&self) -> bool {
        self.is_call() || matches!(self.input, Input::Packet { .. })
    }
}

impl<G: Game> Host<G> {
    pub(super) fn new(id: GameId, game: G) -> Host<G> {
        let early = Early { by_player: BTreeMap::new(), count: 0 };
        Host { id, game, inbox: Vec::new(), early, calls: 0, coming: [false; 2] }
    }

    fn push(&mut self, from: Sender, id: Option<u32>, input: Input<G::In>) {
        self.put(Pending::new(from, id, input));
    }

    fn put(&mut self, pending: Pending<G::In>) {
        if let Input::Joined { .. } | Input::Resumed { full_state: true, .. } = pending.input {
            self.coming[pending.encoding() as usize] = true;
        }
        self.inbox.push(pending);
    }

    fn handle(&mut self, ctx: &mut Context<'_, G>, pending: Pending<G::In>) {
        match &pending.input {
            Input::Packet { player, .. } => ctx.begin_packet(*player, pending.id),
            Input::Called { .. } => ctx.begin_call(pending.conn),
            _ => {}
        }
        let outcome = self.game.handle(ctx, pending.input);
        ctx.finish(outcome);
    }
}

impl<G: Game> Hosted for Host<G> {
    fn receive(
        &mut self,
        from: Sender,
        envelope: &Envelope<'_>,
        share: Share,
        is_repeated: &mut dyn FnMut() -> bool,
    ) -> Result<(Taken, Option<Variant>), Unreadable> {
        let packet: G::In = envelope.game()?;
        let (waiting, most) = match from.waits {
            true => (self.early.count, limits::INBOX_LINE),
            false => (self.inbox.len(), limits::INBOX_GAME),
        };
        if !share.has_room(waiting, most) {
            return Ok((Taken::Full, None));
        }
        if envelope.id.is_none() && !G::is_stream(&packet) && is_repeated() {
            return Ok((Taken::Duplicate, None));
        }
        let pending = Pending::new(from, envelope.id, Input::Packet { player: from.player, packet });
        if from.waits {
            self.early.keep(pending);
        } else {
            self.inbox.push(pending);
        }
        Ok((Taken::Queued, envelope.variant::<G::In>()))
    }

    fn join(&mut self, from: Sender, name: String, account: Option<AccountId>) {
        let guest = account.is_none();
        self.push(from, None, Input::Joined { player: from.player, name, guest, account });
        self.inbox.extend(self.early.take(from.player));
    }

    fn roster(&self, account: AccountId, name: &str) -> Roster {
        self.game.roster(account, name)
    }

    fn has_name(&self, name: &str) -> bool {
        self.game.has_name(name)
    }

    fn leave(&mut self, from: Sender, departure: Departure) {
        if from.waits {
            self.early.take(from.player);
        }
        // Of a character that waits the realm hears: it may be on the way out of the lobby.
        let is_character = !from.player.is_guest() && !from.player.is_in_lobby();
        if !from.waits || is_character {
            self.push(from, None, Input::Left { player: from.player, departure });
        }
    }

    fn caught_up(&mut self, from: Sender) {
        if !from.waits {
            self.push(from, None, Input::CaughtUp { player: from.player });
        }
    }

    fn lost(&mut self, from: Sender) {
        if !from.waits {
            self.push(from, None, Input::Lost { player: from.player });
        }
    }

    fn resumed(&mut self, from: Sender, full_state: bool) {
        if !from.waits {
            self.push(from, None, Input::Resumed { player: from.player, full_state });
        }
    }

    fn reconnect(&mut self, from: ConnId, to: ConnId) {
        let early = self.early.by_player.values_mut().flatten();
        for pending in self.inbox.iter_mut().chain(early).filter(|pending| pending.conn == Some(from)) {
            pending.conn = Some(to);
        }
    }

    fn early(&self) -> usize {
        self.early.count
    }

    fn forget(&mut self, conn: ConnId) {
        let is_its = |pending: &Pending<G::In>| pending.conn == Some(conn) && pending.was_sent();
        self.calls -= self.inbox.iter().filter(|p| is_its(p) && p.is_call()).count();
        self.inbox.retain(|pending| !is_its(pending));
        let early = self.early.by_player.iter();
        let player =
            early.filter(|(_, packets)| packets.iter().any(is_its)).map(|(&player, _)| player).next();
        if let Some(player) = player {
            self.early.take(player);
        }
    }

    fn committed(&mut self, commit: u64, outcome: Result<Vec<u64>, Failure>) {
        let outcome = outcome.map_err(|failure| NotKept::from(&failure));
        self.push(Sender::NOBODY, None, Input::Committed { commit: CommitId(commit), outcome });
    }

    fn logged(&mut self, reading: u64, outcome: Result<Vec<LogEntry>, Failure>) {
        let outcome = outcome.map_err(|failure| NotKept::from(&failure));
        self.push(Sender::NOBODY, None, Input::Log { reading: ReadingId(reading), outcome });
    }

    fn call(&mut self, conn: ConnId, call: Call) -> bool {
        let has_room = self.calls < limits::CALLS_GAME;
        if has_room {
            self.calls += 1;
            self.push(Sender { conn: Some(conn), ..Sender::NOBODY }, None, Input::Called { call });
        }
        has_room
    }

    fn collections(&self) -> &'static [&'static str] {
        G::COLLECTIONS
    }

    fn load(&mut self, records: Vec<Kept>) -> Result<(), BadRecord> {
        for record in &records {
            G::accepts(record).map_err(|why| BadRecord {
                game: G::NAME,
                collection: record.collection.clone(),
                key: record.key.clone(),
                why,
            })?;
        }
        self.push(Sender::NOBODY, None, Input::Loaded { records });
        Ok(())
    }

    fn has_inputs(&self) -> bool {
        !self.inbox.is_empty()
    }

    fn replay(&mut self, input: &[u8]) -> bool {
        let Ok(pending) = postcard::from_bytes(input) else { return false };
        self.put(pending);
        true
    }

    fn tick(&mut self, core: &mut Core, mut record: Option<&mut Vec<Record>>) {
        let mut inbox = std::mem::take(&mut self.inbox);
        // What is said before somebody comes in may be heard after it: it is to be encoded for the newcomer too.
        core.realm_mut(self.id).expect(std::mem::take(&mut self.coming));
        for pending in inbox.drain(..) {
            if let Some(log) = &mut record {
                log.push(Record::input(self.id, &pending));
            }
            match pending.input {
                Input::Joined { player, .. } => core.join(self.id, player, pending.conn, pending.encoding()),
                Input::Left { player, departure: Departure::Became(to) } => {
                    core.realm_mut(self.id).become_another(player, to);
                }
                // The game has not heard of whoever never joined.
                Input::Left { player, .. } if !core.realm_mut(self.id).leave(player) => continue,
                Input::Resumed { player, full_state: true } => {
                    core.hear_again(self.id, player, pending.encoding());
                }
                _ => {}
            }
            self.handle(&mut Context::new(core, self.id), pending);
        }
        // The inbox keeps its memory: in a steady tick it allocates nothing.
        self.inbox = inbox;
        self.calls = 0;
        self.game.tick(&mut Context::new(core, self.id));
        core.send_gathered(self.id);
        for unkept in core.take_unkept(self.id) {
            let input = match unkept {
                Unkept::Commit(commit, why) => Input::Committed { commit, outcome: Err(why) },
                Unkept::Reading(reading, why) => Input::Log { reading, outcome: Err(why) },
            };
            self.push(Sender::NOBODY, None, input);
        }
    }
}
