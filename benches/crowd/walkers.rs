//! Players of Shards of Eternity who walk as people do: straight on, off the walls, ten moves a second each.
//!
//! Everything they will send is made beforehand, for as many ticks as are asked for, so that whoever measures meets the
//! server's work alone. In the second half everybody walks back, so that the tour can begin again at its end.

use crate::crowd::{Crowd, message};
use evertick::games::eternity::place::{Point, Rect};
use evertick::games::eternity::{Eternity, In, Out, Settings, Spawn, World};
use evertick::packet::{Encoding, Kind, ServerPacket};
use evertick::random::Random;
use evertick::sim::Heard;

/// Everybody moves in every second tick, at 20 ticks a second.
const TICKS_A_MOVE: usize = 2;
const MOVES_A_SECOND: f32 = 10.0;
/// Units from one move to the next: 6 a second, where 8 are allowed.
const STRIDE: f32 = 0.6;
/// Moves after which somebody goes another way.
const TURN: u64 = 40;

/// What is sent in one tick: the frames one behind the other, as near to a read buffer that all share as can be.
#[derive(Clone, Default)]
pub(crate) struct Moves {
    bytes: Vec<u8>,
    /// Who sends, and how many bytes.
    senders: Vec<(usize, usize)>,
}

/// The players, and all that they will send.
pub(crate) struct Walkers {
    pub(crate) crowd: Crowd,
    tour: Vec<Moves>,
    ticks: usize,
}

impl Walkers {
    /// `players` of them in a world, with a tour of `ticks` ticks, a multiple of four.
    pub(crate) fn new(
        world: World,
        spawn: Spawn,
        players: usize,
        encodings: &[Encoding],
        ticks: usize,
    ) -> Walkers {
        Walkers::told(world, spawn, players, encodings, ticks, false)
    }

    /// The same, and the server tells them everything compressed where `compress` is set.
    pub(crate) fn told(
        world: World,
        spawn: Spawn,
        players: usize,
        encodings: &[Encoding],
        ticks: usize,
        compress: bool,
    ) -> Walkers {
        assert!(ticks.is_multiple_of(2 * TICKS_A_MOVE), "as many moves forth as back");
        let mut settings = Settings::default();
        settings.world = world;
        settings.spawn = spawn;
        let mut random = Random::new(1);
        let mut paths = vec![Vec::new(); players];
        let hear = |at: usize, heard| {
            if let Heard::Packet(packet) = heard
                && let ServerPacket::Game(Out::GameState(state)) = packet.packet
            {
                let bounds =
                    Rect { min: Point::ZERO, max: Point::new(state.location.width, state.location.height) };
                paths[at] = path(state.you.position, bounds, ticks / TICKS_A_MOVE / 2, &mut random);
            }
        };
        let crowd = if compress {
            Crowd::compressed(Eternity::new(settings), players, encodings, hear)
        } else {
            Crowd::new(Eternity::new(settings), players, players, encodings, hear)
        };
        let mut tour = vec![Moves::default(); ticks];
        for (tick, moves) in tour.iter_mut().enumerate() {
            for at in (0..players).filter(|at| (at + tick).is_multiple_of(TICKS_A_MOVE)) {
                let packet = step(&paths[at], tick / TICKS_A_MOVE);
                let frame = message(crowd.players[at].1, Kind::Game, &packet);
                moves.bytes.extend_from_slice(&frame);
                moves.senders.push((at, frame.len()));
            }
        }
        Walkers { crowd, tour, ticks: 0 }
    }

    /// What is sent in the next tick; a copy, for unmasking works in place.
    pub(crate) fn next_moves(&mut self) -> Moves {
        let moves = self.tour[self.ticks % self.tour.len()].clone();
        self.ticks += 1;
        moves
    }

    /// The server hears the moves that came since its last tick.
    pub(crate) fn receive(&mut self, moves: &mut Moves) {
        let mut unread = &mut moves.bytes[..];
        for &(at, len) in &moves.senders {
            let (frame, rest) = unread.split_at_mut(len);
            self.crowd.receive(at, frame);
            unread = rest;
        }
    }
}

/// The places of a walk with so many moves.
fn path(mut at: Point, bounds: Rect, moves: usize, random: &mut Random) -> Vec<Point> {
    let mut path = vec![at];
    let mut ahead = Point::ZERO;
    for n in 0..moves {
        if n == 0 || random.below(TURN) == 0 {
            let angle = random.between(0.0, std::f32::consts::TAU);
            ahead = Point::new(angle.cos() * STRIDE, angle.sin() * STRIDE);
        }
        if !(bounds.min.x..=bounds.max.x).contains(&(at.x + ahead.x)) {
            ahead.x = -ahead.x;
        }
        if !(bounds.min.y..=bounds.max.y).contains(&(at.y + ahead.y)) {
            ahead.y = -ahead.y;
        }
        at = Point::new(at.x + ahead.x, at.y + ahead.y);
        path.push(at.told());
    }
    path
}

/// Move number `n` along a path, there and back.
fn step(path: &[Point], n: usize) -> In {
    let last = path.len() - 1;
    let place = |n: usize| path[if n <= last { n } else { 2 * last - n }];
    let (from, to) = (place(n), place(n + 1));
    let velocity = Point::new((to.x - from.x) * MOVES_A_SECOND, (to.y - from.y) * MOVES_A_SECOND).told();
    In::PositionUpdate { position: to, velocity }
}
