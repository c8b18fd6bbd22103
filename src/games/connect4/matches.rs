//! One match: who sits at it, whose turn it is, how it ends, who wants it again, who watches.
//!
//! It knows no other match and tells nobody: `hall.rs` has all matches, `play.rs` decides who hears what. Time is an
//! argument. Whatever is asked of it either is done or is refused and changes nothing.
//!
//! Invariant: it runs only while both seats are taken by somebody who has not left, and only while it runs is anybody on
//! turn.

use super::board::{Board, Cell, Column, Disc};
use super::bot::Level;
use super::effects::Clock;
use super::packets::{BOT, Ending, Listed, MatchId, MatchState, Out, Player, Row};
use crate::engine::Refusal;
use crate::ids::PlayerId;
use crate::packet::Code;
use crate::time::Tick;
use std::collections::BTreeSet;
use std::sync::Arc;

/// After what time it may help to ask again for a seat opposite somebody who is lost, milliseconds.
const RETURN_MS: u32 = 2000;

/// The how manieth match of this run it is: the order in which they wait.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Serial(pub(super) u64);

/// Two seats, a board, and those who watch.
#[derive(Debug)]
pub(super) struct Match {
    pub(super) id: MatchId,
    private: bool,
    /// By disc; who waits has red.
    seats: [Option<Seat>; 2],
    board: Board,
    stage: Stage,
    watchers: BTreeSet<PlayerId>,
    /// When the one on turn has lost by not moving.
    deadline: Option<Tick>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// For somebody to sit down opposite.
    Waiting,
    Running,
    Over {
        ending: Ending,
        winner: Option<Disc>,
        line: Option<[Cell; 4]>,
    },
}

/// Who sits there.
#[derive(Debug)]
struct Seat {
    player: PlayerId,
    name: Arc<str>,
    /// Where it is the server's own player: how well it plays.
    level: Option<Level>,
    presence: Presence,
    rematch: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Presence {
    Here,
    /// Its connection is lost; it may come back.
    Lost,
    /// It has left the match for good. The seat shows who it was.
    Gone,
}

impl Match {
    /// One at which nobody sits.
    pub(super) fn new(id: MatchId, private: bool) -> Match {
        Match {
            id,
            private,
            seats: [None, None],
            board: Board::EMPTY,
            stage: Stage::Waiting,
            watchers: BTreeSet::new(),
            deadline: None,
        }
    }

    /// Somebody sits down; with the second it begins, and the first move is due by `deadline`.
    ///
    /// # Errors
    /// `conflict`: it has begun, or is over.
    pub(super) fn sit(&mut self, player: PlayerId, name: Arc<str>, deadline: Tick) -> Result<(), Refusal> {
        self.check_open()?;
        self.take_seat(
            Seat { player, name, level: None, presence: Presence::Here, rematch: false },
            deadline,
        );
        Ok(())
    }

    /// The server's own player sits down opposite.
    pub(super) fn sit_bot(&mut self, level: Level, deadline: Tick) {
        let name = format!("Bot, level {}", level.number()).into();
        let level = Some(level);
        self.take_seat(Seat { player: BOT, name, level, presence: Presence::Here, rematch: false }, deadline);
    }

    fn take_seat(&mut self, seat: Seat, deadline: Tick) {
        let Some(free) = self.seats.iter_mut().find(|seat| seat.is_none()) else { return };
        *free = Some(seat);
        if self.seats.iter().all(Option::is_some) {
            self.begin(deadline);
        }
    }

    fn begin(&mut self, deadline: Tick) {
        self.board = Board::EMPTY;
        self.stage = Stage::Running;
        self.deadline = Some(deadline);
        self.seats.iter_mut().flatten().for_each(|seat| seat.rematch = false);
    }

    /// Whether one can sit down.
    ///
    /// # Errors
    /// `conflict`: it has begun, is over, or who waits there is lost: a match begins only with two who are there.
    pub(super) fn check_open(&self) -> Result<(), Refusal> {
        match self.stage {
            Stage::Waiting if self.is_anybody_lost() => {
                let message = "who waits there has lost the connection, and may be back in a moment";
                Err(Refusal::new(Code::Conflict, message).retry_after(RETURN_MS))
            }
            Stage::Waiting => Ok(()),
            Stage::Running => Err(Refusal::new(Code::Conflict, "both seats of this match are taken")),
            Stage::Over { .. } => Err(over()),
        }
    }

    /// A player drops a disc; the next one is due by `deadline`.
    ///
    /// # Errors
    /// `forbidden`: it only watches, or is not on turn; `conflict`: it is over; `invalid`: the column is full or not
    /// there.
    pub(super) fn drop_disc(&mut self, player: PlayerId, column: u32, deadline: Tick) -> Result<(), Refusal> {
        let Some(disc) = self.disc_of(player) else {
            return Err(Refusal::new(Code::Forbidden, "who watches does not play"));
        };
        match self.stage {
            Stage::Over { .. } => return Err(over()),
            Stage::Running if disc == self.board.turn() => {}
            Stage::Running => return Err(Refusal::new(Code::Forbidden, "it is not your turn")),
            Stage::Waiting => {
                return Err(Refusal::new(Code::Forbidden, "nobody sits opposite: it is nobody's turn"));
            }
        }
        let Some(column) = Column::new(column) else {
            return Err(Refusal::new(Code::Invalid, "columns are 0 to 6"));
        };
        self.drop_in(column, deadline).map_err(|()| Refusal::new(Code::Invalid, "this column is full"))
    }

    /// The server's own player drops a disc. False where it is not on turn.
    pub(super) fn drop_for_bot(&mut self, column: Column, deadline: Tick) -> bool {
        self.bot_on_turn().is_some() && self.drop_in(column, deadline).is_ok()
    }

    fn drop_in(&mut self, column: Column, deadline: Tick) -> Result<(), ()> {
        let mover = self.board.turn();
        self.board.drop(column).map_err(|_| ())?;
        self.deadline = Some(deadline);
        if let Some(line) = self.board.line() {
            self.end(Ending::Four, Some(mover), Some(line));
        } else if self.board.is_full() {
            self.end(Ending::Draw, None, None);
        }
        Ok(())
    }

    fn end(&mut self, ending: Ending, winner: Option<Disc>, line: Option<[Cell; 4]>) {
        self.stage = Stage::Over { ending, winner, line };
        self.deadline = None;
    }

    /// The one on turn has let its time pass, and loses.
    pub(super) fn time_is_up(&mut self) {
        if self.stage == Stage::Running {
            self.end(Ending::Time, Some(self.board.turn().other()), None);
        }
    }

    /// Somebody who sits there leaves for good, which loses a match that runs: that is how it ended then.
    pub(super) fn get_up(&mut self, player: PlayerId, ending: Ending) {
        let Some(disc) = self.disc_of(player) else { return };
        if self.stage == Stage::Running {
            self.end(ending, Some(disc.other()), None);
        }
        self.set_presence(player, Presence::Gone);
    }

    /// Somebody's connection is lost; it may come back.
    pub(super) fn lose(&mut self, player: PlayerId) {
        self.set_presence(player, Presence::Lost);
    }

    /// Somebody is back. A rematch that waited for it begins, and the first move is due by `deadline`.
    pub(super) fn come_back(&mut self, player: PlayerId, deadline: Tick) {
        self.set_presence(player, Presence::Here);
        self.begin_again(deadline);
    }

    fn set_presence(&mut self, player: PlayerId, presence: Presence) {
        if let Some(seat) = self.seats.iter_mut().flatten().find(|seat| seat.player == player) {
            seat.presence = presence;
            seat.rematch &= presence != Presence::Gone;
        }
    }

    /// Somebody wants to play again; with both it begins as soon as both are there, with the colours changed. The
    /// server's own player always wants to.
    ///
    /// # Errors
    /// `forbidden`: it only watches; `conflict`: it is not over, or the other has left.
    pub(super) fn ask_rematch(&mut self, player: PlayerId, deadline: Tick) -> Result<(), Refusal> {
        let Some(disc) = self.disc_of(player) else {
            return Err(Refusal::new(Code::Forbidden, "who watches does not play"));
        };
        if !matches!(self.stage, Stage::Over { .. }) {
            return Err(Refusal::new(Code::Conflict, "this match is not over"));
        }
        if self.seat(disc.other()).is_none_or(|seat| seat.presence == Presence::Gone) {
            return Err(Refusal::new(Code::Conflict, "the other has left"));
        }
        if let Some(seat) = &mut self.seats[disc as usize] {
            seat.rematch = true;
        }
        self.begin_again(deadline);
        Ok(())
    }

    /// Begins once more where it is over, both want to and both are there.
    fn begin_again(&mut self, deadline: Tick) {
        let wants = |seat: &Seat| seat.presence == Presence::Here && (seat.rematch || seat.level.is_some());
        let agreed = self.seats.iter().all(|seat| seat.as_ref().is_some_and(wants));
        if agreed && matches!(self.stage, Stage::Over { .. }) {
            self.seats.swap(0, 1);
            self.begin(deadline);
        }
    }

    /// Somebody watches from here on.
    pub(super) fn watch(&mut self, player: PlayerId) {
        self.watchers.insert(player);
    }

    /// Somebody watches no more.
    pub(super) fn unwatch(&mut self, player: PlayerId) {
        self.watchers.remove(&player);
    }

    /// Those who watch.
    pub(super) fn watchers(&self) -> impl Iterator<Item = PlayerId> {
        self.watchers.iter().copied()
    }

    /// Which discs somebody plays with; `None` for who does not sit there, or has left.
    fn disc_of(&self, player: PlayerId) -> Option<Disc> {
        let sits = |disc: &Disc| {
            let seat = self.seat(*disc).filter(|seat| seat.presence != Presence::Gone);
            seat.is_some_and(|seat| seat.player == player)
        };
        [Disc::Red, Disc::Yellow].into_iter().find(sits)
    }

    fn seat(&self, disc: Disc) -> Option<&Seat> {
        self.seats[disc as usize].as_ref()
    }

    /// Whether somebody sits there who has not left.
    pub(super) fn seats(&self, player: PlayerId) -> bool {
        self.disc_of(player).is_some()
    }

    /// Whether it is being played.
    pub(super) fn is_running(&self) -> bool {
        self.stage == Stage::Running
    }

    /// Whether it stands in the list of those that wait: who sits there is there to play.
    pub(super) fn is_open(&self) -> bool {
        self.stage == Stage::Waiting && !self.private && !self.is_anybody_lost()
    }

    fn is_anybody_lost(&self) -> bool {
        self.seats.iter().flatten().any(|seat| seat.presence == Presence::Lost)
    }

    /// Whether the server's own player sits there.
    pub(super) fn has_bot(&self) -> bool {
        self.seats.iter().flatten().any(|seat| seat.level.is_some())
    }

    /// Whether it stands in the list of those that are being played.
    pub(super) fn is_shown(&self) -> bool {
        self.is_running() && !self.private
    }

    /// Whether nobody sits there any more who could play.
    pub(super) fn is_left(&self) -> bool {
        let plays = |seat: &Seat| seat.level.is_none() && seat.presence != Presence::Gone;
        !self.seats.iter().flatten().any(plays)
    }

    /// When the one on turn has lost by not moving.
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.deadline
    }

    /// Where the server's own player is on turn: how well it plays, and on what board.
    pub(super) fn bot_on_turn(&self) -> Option<(Level, Board)> {
        let level = self.seat(self.board.turn())?.level?;
        self.is_running().then_some((level, self.board))
    }

    /// All who hear of it: those who sit there and have not left, and those who watch.
    pub(super) fn audience(&self) -> Vec<PlayerId> {
        let sits = |seat: &&Seat| seat.presence != Presence::Gone && seat.level.is_none();
        let seats = self.seats.iter().flatten().filter(sits).map(|seat| seat.player);
        seats.chain(self.watchers()).collect()
    }

    /// The match as everybody in it sees it.
    pub(super) fn state(&self, clock: Clock) -> Out {
        let player = |disc| self.seat(disc).map(|seat| seat.player);
        let (reason, winner, line) = match self.stage {
            Stage::Over { ending, winner, line } => (Some(ending), winner, line),
            Stage::Waiting | Stage::Running => (None, None, None),
        };
        Out::MatchState(Box::new(MatchState {
            match_id: self.id,
            players: self.players(),
            board: std::array::from_fn(|row| Row(std::array::from_fn(|column| self.board.at(row, column)))),
            turn: if self.is_running() { player(self.board.turn()) } else { None },
            winner: winner.and_then(player),
            draw: reason == Some(Ending::Draw),
            line,
            moves: self.board.moves(),
            spectators: self.watchers.len() as u32,
            deadline_ms: self.deadline.map(|deadline| clock.ms_until(deadline)),
            reason,
        }))
    }

    /// The match as the list has it.
    pub(super) fn listed(&self) -> Listed {
        Listed {
            match_id: self.id,
            players: self.players(),
            open: self.stage == Stage::Waiting,
            moves: self.board.moves(),
            spectators: self.watchers.len() as u32,
        }
    }

    fn players(&self) -> Vec<Player> {
        let told = |disc: Disc| {
            self.seat(disc).map(|seat| Player {
                id: seat.player,
                name: seat.name.clone(),
                disc,
                present: seat.presence == Presence::Here,
                rematch: seat.rematch,
            })
        };
        [Disc::Red, Disc::Yellow].into_iter().filter_map(told).collect()
    }
}

fn over() -> Refusal {
    Refusal::new(Code::Conflict, "this match is over")
}
