//! A crowd that walks to and fro all over the world.

use crate::crowd::{Crowd, message};
use evertick::games::eternity::place::Point;
use evertick::games::eternity::{Eternity, In, Out, Settings, Spawn};
use evertick::packet::{Kind, ServerPacket};
use evertick::sim::Heard;
use std::time::{Duration, Instant};

/// Everybody walks to and fro between two points.
pub(crate) struct Walkers {
    pub(crate) crowd: Crowd,
    frames: [Vec<Vec<u8>>; 2],
    pub(crate) steps: usize,
}

impl Walkers {
    pub(crate) fn new(players: usize) -> Walkers {
        let mut settings = Settings::default();
        settings.spawn = Spawn::Spread;
        let mut places = vec![Point::ZERO; players];
        let mut crowd = Crowd::new(Eternity::new(settings), players, |at, heard| {
            if let Heard::Packet(packet) = heard
                && let ServerPacket::Game(Out::GameState(state)) = packet.packet
            {
                places[at] = state.you.position;
            }
        });
        crowd.flush();
        let frames = [0.0, 0.25].map(|ahead| {
            let walk = |at: usize| {
                // Towards the middle, so that nobody leaves the map.
                let x = if places[at].x > 50.0 { places[at].x - ahead } else { places[at].x + ahead };
                let position = Point::new(x, places[at].y);
                let packet = In::PositionUpdate { position, velocity: Point::new(5.0, 0.0) };
                message(crowd.players[at].1, Kind::Game, &packet)
            };
            (0..players).map(walk).collect()
        });
        Walkers { crowd, frames, steps: 0 }
    }

    pub(crate) fn receive(&mut self) -> Duration {
        self.steps += 1;
        // Unmasking works in place: each is sent once.
        let mut frames = self.frames[self.steps % 2].clone();
        timed(|| {
            for (at, frame) in frames.iter_mut().enumerate() {
                self.crowd.receive(at, frame);
            }
        })
    }
}

/// How long something takes.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}
