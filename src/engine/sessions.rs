//! `GET /api/admin/sessions`: who is connected and who is logged in, when each was last heard, and how each fares.
//!
//! It is found out when somebody asks: a look at every connection and every login session, which an administrator may have.
//! Nothing is kept for it but what sessions keep anyway. Tokens are not shown, nor anything that could stand for one.

use super::Engine;
use super::game::Refusal;
use super::peer::Peer;
use crate::account::TokenDigest;
use crate::http::{Request, Response};
use crate::ids::{AccountId, ConnId, PlayerId};
use crate::packet::Code;
use crate::session::Health;
use crate::time::{Time, WallMs};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// How many of each kind one answer may have, and how many it has where nobody says.
const LISTED: RangeInclusive<usize> = 1..=1000;
const LISTED_UNASKED: usize = 100;

#[derive(Serialize)]
struct Sessions<'a> {
    total: Total,
    connections: Vec<Connected<'a>>,
    logins: Vec<LoggedIn<'a>>,
}

/// How many there are, listed or not.
#[derive(Serialize)]
struct Total {
    connections: usize,
    logins: usize,
}

/// One WebSocket.
#[derive(Serialize)]
struct Connected<'a> {
    game: &'a str,
    address: IpAddr,
    player_id: Option<PlayerId>,
    username: Option<&'a str>,
    account_id: Option<AccountId>,
    last_seen: WallMs,
    health: &'static str,
    round_trip_ms: Option<u64>,
    unsent_bytes: usize,
}

/// One login session.
#[derive(Serialize)]
struct LoggedIn<'a> {
    account_id: AccountId,
    username: &'a str,
    created: WallMs,
    expires: WallMs,
    last_seen: WallMs,
    health: &'static str,
}

/// What [`LoggedIn`] says of a session under which nobody is connected.
const AWAY: &str = "away";

impl Engine {
    /// The answer to a request for them.
    pub(super) fn list_sessions(&self, request: &Request, now: Time) -> Result<Response, Refusal> {
        let limit = limit(request)?;
        let wall = self.core.wall_at(now);
        let sockets = || self.core.peers.iter().filter(|(_, peer)| peer.game.is_some());
        let mut live: HashMap<TokenDigest, (Time, Health)> = HashMap::new();
        for (_, peer) in sockets() {
            if let Some(digest) = peer.login() {
                let newer = (peer.session.heard_at(), self.health_of(peer, now));
                let place = live.entry(digest).or_insert(newer);
                *place = if newer.0 > place.0 { newer } else { *place };
            }
        }
        let logins = self.accounts.logins.live(wall).map(|login| {
            let connected = live.get(&login.digest);
            let heard = connected.map_or(WallMs(0), |(heard, _)| self.core.wall_of(*heard, now));
            LoggedIn {
                account_id: login.account,
                username: login.name.as_str(),
                created: login.created,
                expires: login.expires,
                last_seen: login.seen.max(heard),
                health: connected.map_or(AWAY, |(_, health)| health.name()),
            }
        });
        let logins: Vec<LoggedIn<'_>> = logins.collect();
        let connections: Vec<(ConnId, &Peer)> = sockets().collect();
        let total = Total { connections: connections.len(), logins: logins.len() };
        let connections = newest(connections, limit, |(conn, peer)| (peer.session.heard_at(), *conn));
        let connections = connections.into_iter().map(|(_, peer)| self.show(peer, now)).collect();
        let logins = newest(logins, limit, |login| (login.last_seen, login.created, login.account_id));
        Ok(Response::new(200).json(&Sessions { total, connections, logins }))
    }

    fn show<'a>(&'a self, peer: &'a Peer, now: Time) -> Connected<'a> {
        let seat = peer.seat.as_ref();
        Connected {
            game: peer.game.map_or("", |game| self.core.names[usize::from(game.0)]),
            address: peer.ip,
            player_id: seat.map(|seat| seat.player).filter(|player| !player.is_in_lobby()),
            username: seat.map(|seat| &*seat.name),
            account_id: seat.and_then(|seat| seat.account()),
            last_seen: self.core.wall_of(peer.session.heard_at(), now),
            health: self.health_of(peer, now).name(),
            round_trip_ms: peer.session.round_trip().map(|took| took.as_millis() as u64),
            unsent_bytes: peer.session.outbox.waiting(),
        }
    }

    fn health_of(&self, peer: &Peer, now: Time) -> Health {
        peer.session.health(&self.core.settings.session, now)
    }
}

/// How many the request would like of each kind.
fn limit(request: &Request) -> Result<usize, Refusal> {
    let Some(text) = request.query_value("limit") else { return Ok(LISTED_UNASKED) };
    // Rust reads a leading `+`; nobody else's numbers have one.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text.parse().ok().filter(|limit| digits && LISTED.contains(limit));
    limit.ok_or_else(|| {
        Refusal::new(Code::Invalid, format!("limit is {} to {}", LISTED.start(), LISTED.end()))
    })
}

/// The `most` with the greatest keys, the greatest first.
fn newest<T, K: Ord>(mut of: Vec<T>, most: usize, key: impl Fn(&T) -> K) -> Vec<T> {
    if of.len() > most {
        of.select_nth_unstable_by_key(most, |one| Reverse(key(one)));
        of.truncate(most);
    }
    of.sort_by_key(|one| Reverse(key(one)));
    of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_come_first_and_no_more_than_asked_for() {
        assert_eq!(newest(vec![3, 9, 1, 7, 5], 3, |n| *n), [9, 7, 5]);
        assert_eq!(newest(vec![3, 9, 1], 3, |n| *n), [9, 3, 1]);
        assert_eq!(newest(Vec::<u8>::new(), 1, |n| *n), [0; 0]);
    }
}
