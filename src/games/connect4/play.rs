//! What each input does: the glue between players and matches, and the only place where anything is told.
//!
//! Somebody is in one match at a time, at a seat or as a spectator. Every change of a match is told at once to all in
//! it, whoever asked for it as the answer; only who comes and goes among the spectators is told at the end of the tick,
//! however many they are.
//!
//! A player who is lost keeps its seat until its time is over: the engine holds it ([`Input::Lost`]) and says when it is
//! back or gone. **Whoever joins under the id of a lost player is that player**, and sits where it sat: an account may come
//! in anew.

use super::Settings;
use super::bot::Level;
use super::effects::Effects;
use super::hall::{Alarm, Hall};
use super::matches::Serial;
use super::names::Names;
use super::packets::{Closing, Ending, In, Out};
use super::thinking::{NODES_PER_TICK, PATIENCE, Thinking};
use crate::engine::{Departure, Input, Refusal};
use crate::ids::PlayerId;
use crate::packet::Code;
use crate::time::Tick;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The whole game, without the engine.
#[derive(Debug)]
pub(super) struct Play {
    settings: Settings,
    visitors: BTreeMap<PlayerId, Visitor>,
    names: Names,
    pub(super) hall: Hall,
    pub(super) thinking: Thinking,
    /// Matches whose number of spectators is still to be told.
    counted: BTreeSet<Serial>,
}

/// Somebody who is there, or may come back.
#[derive(Debug)]
struct Visitor {
    name: Arc<str>,
    /// The match that it sits at or watches.
    place: Option<Serial>,
    /// Whether its connection is lost, and the engine holds its place.
    is_missed: bool,
    /// Until when a lost player may join again whose place the engine does not hold.
    lost_until: Option<Tick>,
}

impl Play {
    /// Nobody yet.
    pub(super) fn new(settings: Settings) -> Play {
        Play {
            settings,
            visitors: BTreeMap::new(),
            names: Names::default(),
            hall: Hall::default(),
            thinking: Thinking::default(),
            counted: BTreeSet::new(),
        }
    }

    /// One thing that happened.
    pub(super) fn handle(&mut self, fx: &mut impl Effects, input: Input<In>) -> Result<(), Refusal> {
        match input {
            Input::Packet { player, packet } => return self.packet(fx, player, packet),
            Input::Joined { player, name, .. } => self.join(fx, player, &name),
            Input::Lost { player } => self.miss(fx, player),
            Input::Resumed { player, full_state } => self.resume(fx, player, full_state),
            Input::Left { player, departure } => self.leave(fx, player, departure),
            // Nothing of ours is ever spared: whoever caught up has missed nothing.
            Input::CaughtUp { .. } => {}
            // It keeps nothing and answers nothing over HTTP.
            _ => {}
        }
        Ok(())
    }

    /// The second half of a tick: what is due, what the bots have come to, and how many watch.
    pub(super) fn tick(&mut self, fx: &mut impl Effects) {
        let now = fx.clock().tick;
        while let Some(alarm) = self.hall.next_alarm(now) {
            match alarm {
                Alarm::Return(player) => self.part(fx, player, Closing::Lost),
                Alarm::Move(serial) => {
                    if let Some(the_match) = self.hall.get_mut(serial) {
                        the_match.time_is_up();
                    }
                    self.tell(fx, serial, None);
                }
            }
        }
        for (serial, column) in self.thinking.think(&mut { NODES_PER_TICK }, now) {
            let deadline = fx.clock().after(self.settings.move_time);
            if self.hall.get_mut(serial).is_some_and(|m| m.drop_for_bot(column, deadline)) {
                self.tell(fx, serial, None);
            }
        }
        for serial in std::mem::take(&mut self.counted) {
            self.tell(fx, serial, None);
        }
    }

    // ------------------------------------------------------------------------------------------ coming and going

    /// Whether somebody who is there, or may come back, goes by this name.
    pub(super) fn has_name(&self, name: &str) -> bool {
        self.names.is_taken(name)
    }

    fn join(&mut self, fx: &mut impl Effects, player: PlayerId, name: &str) {
        let Some(known) = self.visitors.get_mut(&player) else {
            let name = self.names.take(player, name);
            let visitor = Visitor { name, place: None, is_missed: false, lost_until: None };
            self.visitors.insert(player, visitor);
            return;
        };
        let Some(until) = known.lost_until.take() else { return };
        self.hall.stop_expecting(player, until);
        if let Some(serial) = known.place {
            self.welcome_back(fx, player, serial);
        }
    }

    fn welcome_back(&mut self, fx: &mut impl Effects, player: PlayerId, serial: Serial) {
        let deadline = fx.clock().after(self.settings.move_time);
        if let Some(the_match) = self.hall.get_mut(serial) {
            the_match.come_back(player, deadline);
        }
        self.tell(fx, serial, None);
    }

    /// The match at which a player sits, and does not just watch.
    fn seat_of(&self, player: PlayerId) -> Option<Serial> {
        let place = self.visitors.get(&player)?.place?;
        self.hall.get(place).is_some_and(|m| m.seats(player)).then_some(place)
    }

    /// The engine holds a lost player's place, and says so when its time is over: until then all see that it is away.
    fn miss(&mut self, fx: &mut impl Effects, player: PlayerId) {
        let Some(visitor) = self.visitors.get_mut(&player) else { return };
        visitor.is_missed = true;
        let Some(serial) = self.seat_of(player) else { return };
        if let Some(the_match) = self.hall.get_mut(serial) {
            the_match.lose(player);
        }
        self.tell(fx, serial, None);
    }

    /// A lost player is back, and is told how its match stands where it may not know.
    fn resume(&mut self, fx: &mut impl Effects, player: PlayerId, full_state: bool) {
        let Some(visitor) = self.visitors.get_mut(&player) else { return };
        let (was_missed, place) = (std::mem::take(&mut visitor.is_missed), visitor.place);
        let Some(serial) = place else { return };
        if was_missed && self.seat_of(player).is_some() {
            self.welcome_back(fx, player, serial);
        } else if full_state && let Some(the_match) = self.hall.get(serial) {
            fx.send(&[player], &the_match.state(fx.clock()));
        }
    }

    /// A player is gone. Whose account comes in anew sits where it sat, whether its place is held or it still seemed to be here.
    fn leave(&mut self, fx: &mut impl Effects, player: PlayerId, departure: Departure) {
        let visitor = self.visitors.get_mut(&player);
        let was_missed = visitor.is_some_and(|visitor| std::mem::take(&mut visitor.is_missed));
        match departure {
            // Its account has come in over another connection, and joins in a moment.
            Departure::Closed(Code::Replaced) => self.lose(fx, player),
            _ if was_missed && may_return(departure) => self.part(fx, player, Closing::Lost),
            _ if may_return(departure) => self.lose(fx, player),
            _ => self.part(fx, player, Closing::Left),
        }
    }

    /// A player is gone that may join again: its seat is held. Who does not sit has nothing to come back to.
    fn lose(&mut self, fx: &mut impl Effects, player: PlayerId) {
        let (Some(serial), Some(visitor)) = (self.seat_of(player), self.visitors.get_mut(&player)) else {
            return self.part(fx, player, Closing::Left);
        };
        let until = fx.clock().after(self.settings.resume_grace);
        visitor.lost_until = Some(until);
        self.hall.expect_back(player, until);
        if let Some(the_match) = self.hall.get_mut(serial) {
            the_match.lose(player);
        }
        self.tell(fx, serial, None);
    }

    /// A player is gone for good.
    fn part(&mut self, fx: &mut impl Effects, player: PlayerId, why: Closing) {
        self.leave_place(fx, player, why);
        if let Some(visitor) = self.visitors.remove(&player) {
            self.names.release(player, &visitor.name);
        }
    }

    // ---------------------------------------------------------------------------------------------------- packets

    fn packet(&mut self, fx: &mut impl Effects, player: PlayerId, packet: In) -> Result<(), Refusal> {
        if !self.visitors.contains_key(&player) {
            return Err(Refusal::new(Code::Conflict, "you are not in the game"));
        }
        match packet {
            In::MatchCreate { private } => self.create(fx, player, private.unwrap_or(false)),
            In::MatchJoin { match_id: Some(id) } => self.sit_at(fx, player, &id),
            In::MatchJoin { match_id: None } => self.sit_anywhere(fx, player),
            In::MatchBot { level } => self.play_bot(fx, player, level),
            In::MatchDrop { column } => self.drop_disc(fx, player, column),
            In::MatchSpectate { match_id } => self.spectate(fx, player, &match_id),
            In::MatchLeave => self.get_up(fx, player),
            In::MatchRematch => self.rematch(fx, player),
            In::MatchList => {
                fx.reply(&Out::MatchList { matches: self.hall.list() });
                Ok(())
            }
        }
    }

    fn create(&mut self, fx: &mut impl Effects, player: PlayerId, private: bool) -> Result<(), Refusal> {
        self.check_free(player)?;
        self.leave_place(fx, player, Closing::Elsewhere);
        let serial = self.hall.open(private, || fx.secret());
        self.sit(fx, player, serial)
    }

    fn sit_at(&mut self, fx: &mut impl Effects, player: PlayerId, id: &str) -> Result<(), Refusal> {
        let serial = self.hall.find(id)?;
        let Some(the_match) = self.hall.get(serial) else { return Ok(()) };
        if the_match.seats(player) {
            fx.reply(&the_match.state(fx.clock()));
            return Ok(());
        }
        the_match.check_open()?;
        self.check_free(player)?;
        self.leave_place(fx, player, Closing::Elsewhere);
        self.sit(fx, player, serial)
    }

    fn sit_anywhere(&mut self, fx: &mut impl Effects, player: PlayerId) -> Result<(), Refusal> {
        self.check_free(player)?;
        let own = self.visitors.get(&player).and_then(|visitor| visitor.place);
        let own = own.filter(|serial| self.hall.get(*serial).is_some_and(|m| m.seats(player) && m.is_open()));
        match (self.hall.first_open(own), own) {
            (Some(serial), _) => {
                self.leave_place(fx, player, Closing::Elsewhere);
                self.sit(fx, player, serial)
            }
            (None, Some(own)) => {
                // It waits already.
                self.tell(fx, own, Some(player));
                Ok(())
            }
            (None, None) => self.create(fx, player, false),
        }
    }

    /// Sits down where there is room.
    fn sit(&mut self, fx: &mut impl Effects, player: PlayerId, serial: Serial) -> Result<(), Refusal> {
        let deadline = fx.clock().after(self.settings.move_time);
        let (Some(visitor), Some(the_match)) = (self.visitors.get_mut(&player), self.hall.get_mut(serial))
        else {
            return Ok(());
        };
        the_match.sit(player, visitor.name.clone(), deadline)?;
        visitor.place = Some(serial);
        self.tell(fx, serial, Some(player));
        Ok(())
    }

    fn play_bot(&mut self, fx: &mut impl Effects, player: PlayerId, level: u32) -> Result<(), Refusal> {
        self.check_free(player)?;
        let Some(level) = Level::new(level) else {
            return Err(Refusal::new(Code::Invalid, "levels are 1 to 5"));
        };
        self.leave_place(fx, player, Closing::Elsewhere);
        let deadline = fx.clock().after(self.settings.move_time);
        let serial = self.hall.open(false, || fx.secret());
        let (Some(visitor), Some(the_match)) = (self.visitors.get_mut(&player), self.hall.get_mut(serial))
        else {
            return Ok(());
        };
        the_match.sit(player, visitor.name.clone(), deadline)?;
        the_match.sit_bot(level, deadline);
        visitor.place = Some(serial);
        self.tell(fx, serial, Some(player));
        Ok(())
    }

    fn drop_disc(&mut self, fx: &mut impl Effects, player: PlayerId, column: u32) -> Result<(), Refusal> {
        let serial = self.place(player)?;
        let deadline = fx.clock().after(self.settings.move_time);
        if let Some(the_match) = self.hall.get_mut(serial) {
            the_match.drop_disc(player, column, deadline)?;
        }
        self.tell(fx, serial, Some(player));
        Ok(())
    }

    fn spectate(&mut self, fx: &mut impl Effects, player: PlayerId, id: &str) -> Result<(), Refusal> {
        let serial = self.hall.find(id)?;
        if self.hall.get(serial).is_some_and(|m| m.seats(player)) {
            return Err(Refusal::new(Code::Conflict, "you sit at this match"));
        }
        self.check_free(player)?;
        self.leave_place(fx, player, Closing::Elsewhere);
        let (Some(visitor), Some(the_match)) = (self.visitors.get_mut(&player), self.hall.get_mut(serial))
        else {
            return Ok(());
        };
        the_match.watch(player);
        visitor.place = Some(serial);
        fx.reply(&the_match.state(fx.clock()));
        self.counted.insert(serial);
        Ok(())
    }

    fn get_up(&mut self, fx: &mut impl Effects, player: PlayerId) -> Result<(), Refusal> {
        self.place(player)?;
        self.leave_place(fx, player, Closing::Left);
        Ok(())
    }

    fn rematch(&mut self, fx: &mut impl Effects, player: PlayerId) -> Result<(), Refusal> {
        let serial = self.place(player)?;
        let deadline = fx.clock().after(self.settings.move_time);
        if let Some(the_match) = self.hall.get_mut(serial) {
            the_match.ask_rematch(player, deadline)?;
        }
        self.tell(fx, serial, Some(player));
        Ok(())
    }

    // ------------------------------------------------------------------------------------------------------ places

    /// The match that a player sits at or watches.
    fn place(&self, player: PlayerId) -> Result<Serial, Refusal> {
        let place = self.visitors.get(&player).and_then(|visitor| visitor.place);
        place.ok_or_else(|| Refusal::new(Code::NotFound, "you are in no match"))
    }

    /// Whether a player may go to another match: it has none to lose.
    fn check_free(&self, player: PlayerId) -> Result<(), Refusal> {
        let plays = |serial| self.hall.get(serial).is_some_and(|m| m.is_running() && m.seats(player));
        match self.visitors.get(&player).and_then(|visitor| visitor.place) {
            Some(serial) if plays(serial) => {
                Err(Refusal::new(Code::Conflict, "you are playing; leave that match first"))
            }
            _ => Ok(()),
        }
    }

    /// A player leaves the match that it is in, if any; where nobody is left who plays, the match is closed. Who meant to
    /// enter another match and not to close its own is told that, too.
    fn leave_place(&mut self, fx: &mut impl Effects, player: PlayerId, why: Closing) {
        let Some(visitor) = self.visitors.get_mut(&player) else { return };
        if let Some(until) = visitor.lost_until.take() {
            self.hall.stop_expecting(player, until);
        }
        let Some(serial) = visitor.place.take() else { return };
        let Some(the_match) = self.hall.get_mut(serial) else { return };
        if !the_match.seats(player) {
            the_match.unwatch(player);
            self.counted.insert(serial);
            return;
        }
        the_match.get_up(player, if why == Closing::Lost { Ending::Lost } else { Ending::Left });
        if the_match.is_left() {
            self.close(fx, serial, why, Some(player).filter(|_| why == Closing::Elsewhere));
        } else {
            self.tell(fx, serial, None);
        }
    }

    /// A match is no more: those who watched it are told, and `closer` with them.
    fn close(&mut self, fx: &mut impl Effects, serial: Serial, reason: Closing, closer: Option<PlayerId>) {
        self.thinking.forget(serial);
        self.counted.remove(&serial);
        let Some(the_match) = self.hall.close(serial) else { return };
        let mut told: Vec<PlayerId> = the_match.watchers().collect();
        for watcher in &told {
            if let Some(visitor) = self.visitors.get_mut(watcher) {
                visitor.place = None;
            }
        }
        told.extend(closer);
        fx.send(&told, &Out::MatchClosed { match_id: the_match.id, reason });
    }

    /// Tells all in a match how it stands, the one who asked as the answer; and has the bot think where it is on turn.
    fn tell(&mut self, fx: &mut impl Effects, serial: Serial, asker: Option<PlayerId>) {
        self.hall.settle(serial);
        self.counted.remove(&serial);
        let Some(the_match) = self.hall.get(serial) else { return };
        let state = the_match.state(fx.clock());
        if asker.is_some() {
            fx.reply(&state);
        }
        let mut others = the_match.audience();
        others.retain(|player| Some(*player) != asker);
        fx.send(&others, &state);
        match the_match.bot_on_turn() {
            Some((level, board)) => {
                let until = fx.clock().after(PATIENCE);
                self.thinking.ask(serial, board, level, until, fx.random());
            }
            None => self.thinking.forget(serial),
        }
    }

    /// How much of everything there is: visitors, names, thinking bots, untold numbers of spectators, and what the hall has.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> ([usize; 4], [usize; 5]) {
        let own = [self.visitors.len(), self.names.len(), self.thinking.len(), self.counted.len()];
        (own, self.hall.sizes())
    }

    /// Holds everything against everything else.
    #[cfg(test)]
    pub(super) fn audit(&self) {
        self.hall.audit();
        assert_eq!(self.names.len(), self.visitors.len());
        for (player, visitor) in &self.visitors {
            let Some(serial) = visitor.place else { continue };
            let the_match = self.hall.get(serial).expect("a place is a match that is there");
            let watches = the_match.watchers().any(|watcher| watcher == *player);
            assert!(the_match.seats(*player) != watches, "{player} sits or watches");
            assert!(visitor.lost_until.is_none() || !watches);
        }
    }
}

/// Whether whoever left so may come back: its connection was lost, which is nobody's decision.
fn may_return(departure: Departure) -> bool {
    matches!(
        departure,
        Departure::Lost | Departure::Closed(Code::IdleTimeout | Code::SlowConsumer | Code::Shutdown)
    )
}
