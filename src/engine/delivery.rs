//! How a packet gets to those who hear it.
//!
//! A packet is encoded at most once for each encoding in use, whatever the audience; recipients queue handles on the
//! same bytes. Nothing is written here: whoever has something to send stands in `attention`, each once.

use super::core::Core;
use super::game::{Game, To};
use super::metrics::Counters;
use super::peer::Peer;
use crate::ids::{ConnId, GameId, RegionId};
use crate::packet::encoding::EncodeError;
use crate::packet::{self, Body, Code, Kind, Priority, ServerControl};
use crate::prefetch::prefetch;
use crate::registry::Registry;
use crate::session::Phase;
use crate::session::outbox::{Ahead, Outbox, Pushed};
use serde::Serialize;
use std::collections::VecDeque;

impl Core {
    /// Sends a game's packet.
    pub(super) fn send<G: Game>(&mut self, game: GameId, to: To<'_>, re: Option<u32>, packet: &G::Out) {
        let (priority, supersedes) = match re {
            None => (G::priority(packet), G::supersedes(packet)),
            // A packet that carried an `id` gets exactly one reply, also where the same packet unasked may be spared.
            Some(_) => (G::priority(packet).max(Priority::High), None),
        };
        let how = How { layer: Kind::Game, re, priority, supersedes };
        match (to, priority, supersedes) {
            (To::Around(region), Priority::Low, Some(_)) => self.gather(game, region, packet),
            _ => self.deliver(game, to, how, packet),
        }
    }

    fn gather<P: Serialize>(&mut self, game: GameId, region: RegionId, packet: &P) {
        if let Err(error) = self.gathering.add(&self.realms[usize::from(game.0)], region, packet) {
            self.fail_to_encode(&error);
        }
    }

    /// Sends a packet of the engine's to players of a game.
    pub(super) fn send_packet<P: Serialize>(
        &mut self,
        game: GameId,
        to: To<'_>,
        layer: Kind,
        re: Option<u32>,
        packet: &P,
    ) {
        self.deliver(game, to, How { layer, re, priority: Priority::Critical, supersedes: None }, packet);
    }

    fn deliver<P: Serialize>(&mut self, game: GameId, to: To<'_>, how: How, packet: &P) {
        let limit = self.settings.session.outbox_limit;
        let Core {
            realms, peers, attention, doomed, counters, encode, bodies, tap, tick, now, memory, ..
        } = self;
        let mut shared: [Option<Body>; 2] = [None, None];
        let mut variant = None;
        let mut failed = None;
        let mut heard = 0;
        let mut recipients = Recipients { peers, attention, doomed, counters, memory };
        let realm = &realms[usize::from(game.0)];
        realm.each(to, |member| {
            let body = &mut shared[member.encoding as usize];
            if body.is_none() {
                encode.clear();
                match packet::encode(member.encoding, how.layer, how.re, packet, encode) {
                    Ok(v) => variant = Some(v),
                    // The game's own fault: a type that its encoding cannot carry.
                    Err(error) => failed = Some(error),
                }
                *body = Some(match to {
                    To::Player(_) => bodies.make_for_one(encode),
                    _ => bodies.make(encode),
                });
            }
            let Some(body) = body.as_ref().filter(|body| !body.is_empty()) else { return };
            if let Some(tap) = tap {
                tap(*tick, member.player, body);
            }
            let push = |outbox: &mut Outbox| outbox.push(body, how.priority, how.supersedes, limit, *now);
            heard += u64::from(recipients.queue(member.conn, 1, push));
        });
        if let Some(variant) = variant {
            recipients.counters.sent(game, how.layer, variant, heard);
        }
        if let Some(error) = failed {
            self.fail_to_encode(&error);
        }
    }

    fn fail_to_encode(&mut self, error: &EncodeError) {
        self.fail(format!("a packet cannot be encoded and is not sent: {error}"));
    }

    /// Has fetched what the flushes to come will read, while others are written. Each step finds what the step before it, some
    /// flushes earlier, has had fetched.
    #[inline]
    pub(super) fn look_ahead(&self) {
        let peer = |ahead: usize| self.attention.get(ahead).and_then(|&conn| self.peers.get(conn));
        if let Some(peer) = peer(5) {
            prefetch(peer);
        }
        for (ahead, step) in [(3, Ahead::Queue), (2, Ahead::Bodies), (1, Ahead::Bytes)] {
            if let Some(peer) = peer(ahead) {
                peer.session.outbox.prefetch(step);
            }
        }
    }

    /// Queues one control packet for one peer, whatever its phase.
    pub(super) fn tell(&mut self, conn: ConnId, re: Option<u32>, packet: &ServerControl) {
        let Some(peer) = self.peers.get_mut(conn) else { return };
        self.encode.clear();
        let encoded = packet::encode(peer.session.encoding, Kind::Control, re, packet, &mut self.encode);
        let Ok(variant) = encoded else {
            debug_assert!(false, "control packets hold nothing that cannot be encoded");
            return;
        };
        let body = self.bodies.make(&self.encode);
        let limit = self.settings.session.outbox_limit;
        let pushed = peer.session.outbox.push(&body, Priority::Critical, None, limit, self.now);
        if pushed == Pushed::Over && peer.session.outbox.is_stuck() {
            self.doomed.push((conn, Code::SlowConsumer, SLOW.to_owned()));
        }
        self.counters.sent_control(variant);
        self.call_attention(conn);
    }
}

/// Those who are sent something, borrowed from the [`Core`] while a realm is gone through.
pub(super) struct Recipients<'a> {
    pub(super) peers: &'a mut Registry<Peer>,
    pub(super) attention: &'a mut VecDeque<ConnId>,
    pub(super) doomed: &'a mut Vec<(ConnId, Code, String)>,
    pub(super) counters: &'a mut Counters,
    /// Bytes of the budget in use.
    pub(super) memory: &'a mut usize,
}

impl Recipients<'_> {
    /// Has `push` queue so many packets for a player; false where nobody listens.
    #[inline]
    pub(super) fn queue(
        &mut self,
        conn: Option<ConnId>,
        packets: u64,
        push: impl FnOnce(&mut Outbox) -> Pushed,
    ) -> bool {
        let Some((conn, peer)) = conn.and_then(|conn| Some((conn, self.peers.get_mut(conn)?))) else {
            return false;
        };
        let lingers = peer.lingers();
        if peer.awaits_state || !(lingers || peer.session.phase() == Phase::Playing) {
            return false;
        }
        match push(&mut peer.session.outbox) {
            Pushed::Queued => {}
            Pushed::Dropped => self.counters.packets_dropped += packets,
            // Who took all so far is offered this too before it is judged, see `Engine::flush`.
            Pushed::Over if !peer.session.outbox.is_stuck() => {}
            Pushed::Over => self.doomed.push((conn, Code::SlowConsumer, SLOW.to_owned())),
        }
        if lingers {
            // Nobody takes it: it is held from here on.
            let holds = peer.memory();
            *self.memory = (*self.memory + holds).saturating_sub(peer.accounted);
            peer.accounted = holds;
        } else if !peer.queued {
            peer.queued = true;
            self.attention.push_back(conn);
        }
        true
    }
}

/// Why a peer whose outbox is too full is closed.
pub(super) const SLOW: &str = "your connection takes less than the game sends";

/// How a packet is encoded and queued.
#[derive(Clone, Copy, Debug)]
struct How {
    layer: Kind,
    re: Option<u32>,
    priority: Priority,
    supersedes: Option<u32>,
}
