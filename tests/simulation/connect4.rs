//! Connect 4, played at random under every fault: whoever is told of a match is in it, discs never vanish, and a match
//! that is over stays as it is.

use evertick::games::connect4::packets::{Ending, MatchId, MatchState};
use evertick::games::connect4::{Connect4, In, Out, Settings};
use evertick::ids::PlayerId;
use evertick::packet::ServerPacket;
use evertick::random::Random;
use evertick::sim::{Conduct, Scenario, Script, World};
use std::collections::BTreeMap;
use std::time::Duration;

/// The game, watched.
#[derive(Default)]
pub(crate) struct Hall {
    /// The last that anybody was told of each match.
    matches: BTreeMap<MatchId, MatchState>,
}

impl Scenario for Hall {
    type Game = Connect4;
    type Script = Opponent;

    fn game(&mut self) -> Connect4 {
        // Short, so that a short run meets them.
        let mut settings = Settings::default();
        settings.move_time = Duration::from_millis(1500);
        settings.resume_grace = Duration::from_millis(700);
        Connect4::new(settings)
    }

    fn script(&mut self, _: Conduct, _: &mut Random) -> Opponent {
        Opponent::default()
    }

    /// An opponent is told who is lost, and may win by it.
    fn is_blind_to_losses(&self) -> bool {
        false
    }

    fn tick_over(&mut self, world: &World<'_, Connect4>) -> Result<(), String> {
        for told in world.told {
            let ServerPacket::Game(Out::MatchState(state)) = &told.packet else { continue };
            check(state)?;
            let seats = state.players.iter().any(|player| player.id == told.player);
            if !seats && state.spectators == 0 {
                return Err(format!("{} is told of a match that it is not in: {state:?}", told.player));
            }
            if let Some(before) = self.matches.insert(state.match_id, (**state).clone()) {
                follows(&before, state)?;
            }
        }
        Ok(())
    }
}

/// What holds in every state.
fn check(state: &MatchState) -> Result<(), String> {
    let discs = state.board.iter().flat_map(|row| row.0).flatten().count();
    let is_over = state.winner.is_some() || state.draw;
    let runs = state.players.len() == 2 && !is_over;
    let right = [
        discs == state.moves as usize,
        state.turn.is_some() == runs,
        state.deadline_ms.is_some() == runs,
        state.line.is_some() == (state.reason == Some(Ending::Four)),
        state.reason.is_some() == is_over && state.draw == (state.reason == Some(Ending::Draw)),
        state.players.iter().all(|player| !player.rematch || is_over),
    ];
    match right.iter().position(|right| !right) {
        None => Ok(()),
        Some(which) => Err(format!("rule {which} does not hold in {state:?}")),
    }
}

/// What holds between two states of a match, the second told after the first.
fn follows(before: &MatchState, after: &MatchState) -> Result<(), String> {
    let was_over = before.winner.is_some() || before.draw;
    let anew = was_over && after.moves == 0;
    let kept = before.board.iter().zip(&after.board).all(|(before, after)| {
        before.0.iter().zip(after.0).all(|(before, after)| before.is_none() || *before == after)
    });
    let ended = (before.winner, before.draw, before.moves) == (after.winner, after.draw, after.moves);
    if anew || (kept && (!was_over || ended)) {
        return Ok(());
    }
    Err(format!("{after:?}\ndoes not follow\n{before:?}"))
}

/// One simulated player.
#[derive(Default)]
pub(crate) struct Opponent {
    state: Option<MatchState>,
    known: Vec<MatchId>,
    me: Option<PlayerId>,
}

impl Script<Connect4> for Opponent {
    fn act(&mut self, chance: &mut Random) -> Option<In> {
        let known = self.known.get(chance.below(self.known.len() as u64) as usize);
        let some_id = known.map_or("0000000000".to_owned(), |id| String::from(*id));
        let mine = self.state.as_ref().is_some_and(|state| state.turn == self.me && state.turn.is_some());
        Some(match chance.below(100) {
            0..50 if mine => In::MatchDrop { column: chance.below(7) as u32 },
            50..60 => In::MatchDrop { column: chance.below(9) as u32 },
            60..72 => In::MatchJoin { match_id: None },
            72..75 => In::MatchJoin { match_id: Some(some_id) },
            75..77 => In::MatchCreate { private: Some(chance.chance(0.5)) },
            77..80 => In::MatchBot {
                // The best two think more than a sweep has time for.
                level: [0, 1, 1, 2, 2, 3, 6][chance.below(7) as usize],
            },
            80..84 => In::MatchSpectate { match_id: some_id },
            84..90 => In::MatchRematch,
            90..92 => In::MatchLeave,
            92..95 => In::MatchList,
            _ => return None,
        })
    }

    fn hear(&mut self, me: PlayerId, packet: &Out) -> Result<(), String> {
        self.me = Some(me);
        match packet {
            Out::MatchState(state) => {
                self.known.push(state.match_id);
                self.state = Some((**state).clone());
            }
            Out::MatchList { matches } => {
                self.known = matches.iter().map(|listed| listed.match_id).collect();
                let mixed = matches.windows(2).any(|two| !two[0].open && two[1].open);
                if mixed || matches.iter().any(|listed| listed.open != (listed.players.len() == 1)) {
                    return Err(format!("the list is not in order: {matches:?}"));
                }
            }
            Out::MatchClosed { match_id, .. } => {
                if self.state.take().is_none_or(|state| state.match_id != *match_id) {
                    return Err(format!("{me} is told of the end of a match that it did not watch"));
                }
            }
        }
        Ok(())
    }
}
