//! The rules as a whole, driven through [`Effects`] by a recorder in the engine's place; replay through the engine
//! itself.

mod many;
mod rules;
mod seats;
mod wire;

use super::effects::{Clock, Effects};
use super::packets::{In, MatchState, Out};
use super::play::Play;
use super::{Settings, packets::Closing};
use crate::engine::{Departure, Input, Refusal};
use crate::ids::{AccountId, PlayerId};
use crate::packet::Code;
use crate::random::{Random, Secrets};
use crate::time::{Tick, TickRate};
use std::collections::BTreeSet;
use std::time::Duration;

/// Does what the engine does with audiences, and keeps what each player was sent.
struct Recorder {
    members: BTreeSet<PlayerId>,
    sent: Vec<(PlayerId, Out)>,
    asking: Option<PlayerId>,
    random: Random,
    secrets: Secrets,
    tick: u64,
}

impl Effects for Recorder {
    fn send(&mut self, to: &[PlayerId], packet: &Out) {
        let here = to.iter().filter(|player| self.members.contains(player));
        self.sent.extend(here.map(|player| (*player, packet.clone())));
    }

    fn reply(&mut self, packet: &Out) {
        let asking = self.asking.take().expect("a packet is replied to once");
        self.sent.push((asking, packet.clone()));
    }

    fn secret(&mut self) -> [u8; 16] {
        self.secrets.bytes()
    }

    fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    fn clock(&self) -> Clock {
        Clock { tick: Tick(self.tick), rate: TickRate::default() }
    }
}

/// The rules and their recorder.
struct Table {
    play: Play,
    fx: Recorder,
}

const A: PlayerId = PlayerId(1);
const B: PlayerId = PlayerId(2);
const C: PlayerId = PlayerId(3);

impl Table {
    /// With so many players who are called after their numbers, from 1.
    fn with(players: u32) -> Table {
        let fx = Recorder {
            members: BTreeSet::new(),
            sent: Vec::new(),
            asking: None,
            random: Random::new(7),
            secrets: Secrets::new([9; 32]),
            tick: 0,
        };
        let mut table = Table { play: Play::new(Settings::default()), fx };
        (1..=players).for_each(|id| table.join(PlayerId(id)));
        table
    }

    /// A and B at a match that has just begun, C with no place; nothing told yet.
    fn running() -> (Table, String) {
        let mut table = Table::with(3);
        let id = id_of(&table.ask(A, In::MatchCreate { private: None }));
        table.ask(B, In::MatchJoin { match_id: Some(id.clone()) });
        table.fx.sent.clear();
        (table, id)
    }

    fn join(&mut self, player: PlayerId) {
        self.join_as(player, &format!("P{player}"), None);
    }

    fn join_as(&mut self, player: PlayerId, name: &str, account: Option<AccountId>) {
        self.fx.members.insert(player);
        let input = Input::Joined { player, name: name.to_owned(), guest: account.is_none(), account };
        self.play.handle(&mut self.fx, input).unwrap();
        self.play.audit();
    }

    /// Its connection is lost, and the engine holds its place.
    fn miss(&mut self, player: PlayerId) {
        self.play.handle(&mut self.fx, Input::Lost { player }).unwrap();
        self.play.audit();
    }

    fn resume(&mut self, player: PlayerId, full_state: bool) {
        self.play.handle(&mut self.fx, Input::Resumed { player, full_state }).unwrap();
        self.play.audit();
    }

    fn leave(&mut self, player: PlayerId, departure: Departure) {
        self.fx.members.remove(&player);
        self.play.handle(&mut self.fx, Input::Left { player, departure }).unwrap();
        self.play.audit();
    }

    fn say(&mut self, player: PlayerId, packet: In) -> Result<(), Refusal> {
        self.fx.asking = Some(player);
        let outcome = self.play.handle(&mut self.fx, Input::Packet { player, packet });
        self.play.audit();
        outcome
    }

    /// Says something that is answered by `match_state`; the state.
    fn ask(&mut self, player: PlayerId, packet: In) -> MatchState {
        let before = self.fx.sent.len();
        self.say(player, packet.clone()).unwrap_or_else(|refusal| panic!("{packet:?}: {refusal:?}"));
        assert!(self.fx.asking.is_none(), "{packet:?} is replied to");
        let (to, state) = &self.fx.sent[before..]
            .iter()
            .find_map(|(to, packet)| Some((*to, state_in(packet)?)))
            .expect("the reply comes first");
        assert_eq!(*to, player);
        (*state).clone()
    }

    /// The code with which something is refused, which nobody hears of.
    fn refused(&mut self, player: PlayerId, packet: In) -> Code {
        let (sent, sizes) = (self.fx.sent.len(), self.play.sizes());
        let refusal = self.say(player, packet.clone()).expect_err("it is refused");
        assert_eq!((self.fx.sent.len(), self.play.sizes()), (sent, sizes), "{packet:?} changes nothing");
        refusal.code
    }

    fn drop(&mut self, player: PlayerId, column: u32) -> MatchState {
        self.ask(player, In::MatchDrop { column })
    }

    /// A, who begins, makes four in the first column.
    fn win_for_a(&mut self) -> MatchState {
        for _ in 0..3 {
            self.drop(A, 0);
            self.drop(B, 1);
        }
        self.drop(A, 0)
    }

    fn tick(&mut self) -> Vec<(PlayerId, Out)> {
        self.fx.tick += 1;
        self.play.tick(&mut self.fx);
        self.play.audit();
        self.told()
    }

    /// Ticks for as long; what was told meanwhile.
    fn pass(&mut self, time: Duration) -> Vec<(PlayerId, Out)> {
        let end = self.fx.tick + TickRate::default().ticks_in(time);
        let mut told = Vec::new();
        while self.fx.tick < end {
            told.extend(self.tick());
        }
        told
    }

    /// What was told since the last look.
    fn told(&mut self) -> Vec<(PlayerId, Out)> {
        std::mem::take(&mut self.fx.sent)
    }

    /// Whether nobody is there and nothing is held for anybody.
    fn is_empty(&self) -> bool {
        self.play.sizes() == ([0; 4], [0; 5])
    }
}

fn state_in(packet: &Out) -> Option<&MatchState> {
    match packet {
        Out::MatchState(state) => Some(state),
        _ => None,
    }
}

/// The last state that a player was told.
fn state_of(told: &[(PlayerId, Out)], player: PlayerId) -> MatchState {
    let mut states = told.iter().filter(|(to, _)| *to == player).filter_map(|(_, packet)| state_in(packet));
    states.next_back().unwrap_or_else(|| panic!("{player} is told")).clone()
}

fn id_of(state: &MatchState) -> String {
    state.match_id.into()
}

/// Who was told something, in order.
fn heard(told: &[(PlayerId, Out)]) -> Vec<u32> {
    told.iter().map(|(to, _)| to.0).collect()
}

fn closing(packet: &Out) -> Option<Closing> {
    match packet {
        Out::MatchClosed { reason, .. } => Some(*reason),
        _ => None,
    }
}
