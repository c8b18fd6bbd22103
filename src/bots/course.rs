//! How far a bot has come, by what the server says in batches. It writes nothing.

use super::surroundings::Shared;
use super::walk::Walker;
use crate::client::Batch;
use crate::engine::Game;
use crate::games::eternity::{Eternity, Out};
use crate::packet::{ServerControl, ServerPacket};
use crate::time::Time;

/// What batches change of a bot.
pub(super) struct Course {
    pub(super) stage: Stage,
    /// When the last batch came.
    pub(super) heard: Time,
    /// The ping whose answer is awaited, and when it was sent.
    pub(super) pinged: Option<(u32, Time)>,
}

/// How far a bot has come.
pub(super) enum Stage {
    /// TCP is connecting; the request waits in `unsent`.
    Connecting,
    /// Waits for the handshake, then for `auth_response`.
    Joining,
    /// Has its `auth_response`; waits for the first `game_state`.
    LetIn,
    /// In the world.
    Playing(Walker),
    /// It has said goodbye.
    Leaving,
}

impl Course {
    /// A bot that sets out now.
    pub(super) fn begin(now: Time) -> Course {
        Course { stage: Stage::Connecting, heard: now, pinged: None }
    }

    /// A batch came. `Err`: it is the bot's end, and why.
    pub(super) fn hear(&mut self, batch: &Batch<'_, Out>, shared: &mut Shared) -> Result<(), String> {
        self.heard = shared.now;
        shared.count(batch);
        if let Some(sent) = self.answered(batch) {
            shared.tally.pings.answered(sent, shared.clock.now(), shared.looks.latest());
        }
        match self.stage {
            Stage::Joining | Stage::LetIn => self.join(batch, shared),
            _ => Ok(()),
        }
    }

    /// When the ping was sent that something in this batch answers. Decodes nothing where none is awaited.
    fn answered(&mut self, batch: &Batch<'_, Out>) -> Option<Time> {
        let (id, sent) = self.pinged?;
        let is_answer = batch.packets().map_while(Result::ok).any(|packet| packet.re == Some(id));
        is_answer.then(|| {
            self.pinged = None;
            sent
        })
    }

    /// Goes on towards the world by what the batch says; `Err`: there is no way in, by the server's code or because it
    /// is another world.
    fn join(&mut self, batch: &Batch<'_, Out>, shared: &mut Shared) -> Result<(), String> {
        for packet in batch.packets().filter_map(Result::ok) {
            match packet.packet {
                ServerPacket::Game(Out::GameState(state)) => {
                    self.stage = Stage::Playing(Walker::new(&state, shared.stay, shared.now));
                    shared.tally.joined += 1;
                    shared.tally.playing += 1;
                    return Ok(());
                }
                ServerPacket::Control(packet) => self.admit(packet)?,
                ServerPacket::Game(_) => {}
            }
        }
        Ok(())
    }

    /// Why it is not in the world after all this time.
    pub(super) fn hindrance(&self) -> &'static str {
        match self.stage {
            Stage::LetIn => "let in, but told no game_state (is that Shards of Eternity?)",
            _ => "timeout",
        }
    }

    fn admit(&mut self, packet: ServerControl) -> Result<(), String> {
        match packet {
            ServerControl::AuthResponse(_) => self.stage = Stage::LetIn,
            ServerControl::Connected { instance, .. } => return other_game(&instance).map_or(Ok(()), Err),
            ServerControl::Error { code, .. } | ServerControl::InvalidMessage { code, .. } => {
                return Err(code.name().to_owned());
            }
            _ => {}
        }
        Ok(())
    }
}

/// Where this connection, by its name in the server's log, is one to a game in which bots cannot walk: what to say.
fn other_game(instance: &str) -> Option<String> {
    let (game, _) = instance.rsplit_once('-')?;
    (game != Eternity::NAME).then(|| format!("the game there is {game}, not {}", Eternity::NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_let_in_and_told_nothing_says_so() {
        let mut course = Course::begin(Time::START);
        assert_eq!(course.hindrance(), "timeout");
        assert_eq!(course.admit(ServerControl::AuthResponse(Box::default())), Ok(()));
        assert!(course.hindrance().contains("told no game_state"), "{}", course.hindrance());
    }

    #[test]
    fn another_game_is_known_by_the_connection_s_name() {
        assert_eq!(other_game("eternity-17"), None);
        assert_eq!(other_game("a name of another form"), None);
        assert_eq!(other_game("connect4-1").unwrap(), "the game there is connect4, not eternity");
    }
}
