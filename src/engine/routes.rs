//! What is answered over HTTP: the engine's own routes, the pages, and the way into a WebSocket.
//!
//! Whoever is banned is refused whatever it asks for, but for an administrator on the machine itself, who may lift bans. On the way into a WebSocket the checks come in the contract's
//! order: draining, banned, connecting too fast, too many from the address, too many connections. All that is known
//! before the upgrade is an HTTP answer.

use super::Engine;
use super::admission::Place;
use super::auth::PROTOCOL_VERSION;
use super::events::Event;
use super::game::Refusal;
use super::status::VERSION;
use crate::address::AddressKey;
use crate::http::{self, CONTINUE, Exchange, Method, Request, Response, cors, forwarded};
use crate::ids::{ConnId, GameId};
use crate::limits;
use crate::outgoing::{Next, Outgoing};
use crate::packet::{Code, Encoding, ServerControl, Versions};
use crate::registry::Refused;
use crate::session::{Phase, Step};
use crate::time::Time;
use crate::websocket::deflate::window_bits_for;
use crate::websocket::handshake::{HandshakeError, Offer, is_upgrade};
use std::net::IpAddr;

/// The methods of what can only be read.
const READ_ONLY: &[Method] = &[Method::Get, Method::Head];
/// Everything below is an administrator's.
const ADMIN: &str = "/api/admin/";
const BANS: &str = "/api/admin/bans";
const ONE_BAN: &str = "/api/admin/bans/{id}";
const SESSIONS: &str = "/api/admin/sessions";

/// Where the engine itself answers, and with which methods.
pub(super) const OWN: &[(&str, &[Method])] = &[
    ("/api/status", READ_ONLY),
    ("/healthz", READ_ONLY),
    ("/metrics", READ_ONLY),
    ("/api/auth/register", &[Method::Post]),
    ("/api/auth/login", &[Method::Post]),
    ("/api/auth/logout", &[Method::Post]),
    (BANS, &[Method::Get, Method::Head, Method::Post]),
    (ONE_BAN, &[Method::Delete]),
    (SESSIONS, READ_ONLY),
];

/// The methods that the engine itself answers at a path, `None` where it does not.
pub(super) fn own_methods(path: &str) -> Option<&'static [Method]> {
    let path = if ban_id(path).is_some() { ONE_BAN } else { path };
    OWN.iter().find(|(own, _)| *own == path).map(|(_, methods)| *methods)
}

/// What stands for a ban's id in a path.
fn ban_id(path: &str) -> Option<&str> {
    path.strip_prefix(BANS)?.strip_prefix('/').filter(|id| !id.is_empty() && !id.contains('/'))
}

/// What becomes of a request.
pub(super) enum Outcome {
    Answer(Response),
    /// It is being found out: the answer comes through [`Engine::answer_later`].
    Later,
    Upgraded,
}

impl Engine {
    /// Answers requests until the input is used up or becomes WebSocket frames. Returns how much of it was used.
    pub(super) fn receive_http(
        &mut self,
        conn: ConnId,
        input: &[u8],
        out: &mut impl Outgoing,
        now: Time,
    ) -> usize {
        let mut rest = input;
        while let Some(event) = self.next_http(conn, &mut rest, now) {
            match event {
                http::Event::Continue => self.answer_bytes(conn, CONTINUE),
                http::Event::Error(error) => {
                    self.answer(conn, Exchange::last(self.core.wall_at(now)), &error_of(error), now);
                }
                http::Event::Request(request) => self.request(conn, &request, now),
            }
            if self.keep_for_later(conn, rest) {
                return input.len();
            }
            // Pipelined answers go out as they are made; a peer that does not take them gets no more until it does.
            if self.waiting(conn) > limits::CONTROL_BYTES / 2 && self.write(conn, out, now) == Next::Pause {
                if let Some(peer) = self.core.peers.get_mut(conn) {
                    peer.session.put_back(rest);
                }
                return input.len();
            }
        }
        match self.core.peers.get(conn).map(|peer| peer.session.phase()) {
            Some(Phase::Auth) => input.len() - rest.len(),
            _ => input.len(),
        }
    }

    /// The next thing that a peer in [`Phase::Http`] says; keeps the deadline of what it waits for.
    fn next_http(&mut self, conn: ConnId, rest: &mut &[u8], now: Time) -> Option<http::Event> {
        let session = &mut self.core.peers.get_mut(conn)?.session;
        if session.phase() != Phase::Http {
            return None;
        }
        let http = session.http()?;
        let before = http.phase();
        let event = http.next(rest);
        if http.phase() != before {
            session.request_moved_on(now);
        }
        event
    }

    fn request(&mut self, conn: ConnId, request: &Request, now: Time) {
        self.core.counters.http_requests += 1;
        let exchange = Exchange::of(request, self.core.wall_at(now));
        if let Some(peer) = self.core.peers.get_mut(conn) {
            peer.session.request_answered(now);
        }
        match self.route(conn, request, now) {
            Outcome::Upgraded => {}
            Outcome::Later => self.expect_answer(conn, request, exchange),
            Outcome::Answer(response) => self.answer(conn, exchange, &response, now),
        }
    }

    fn route(&mut self, conn: ConnId, request: &Request, now: Time) -> Outcome {
        let game = self.paths.iter().find(|(path, _)| *path == request.path).map(|&(_, game)| game);
        if game.is_some() && self.draining {
            return Outcome::Answer(self.refusal_response(&refusal(Code::Shutdown)));
        }
        let ip = match self.client_address(conn, request, now) {
            Ok(ip) => ip,
            Err(response) => return Outcome::Answer(response),
        };
        if let Some(game) = game {
            return match self.upgrade(conn, game, ip, request, now) {
                Ok(()) => Outcome::Upgraded,
                Err(response) => Outcome::Answer(response),
            };
        }
        if self.is_over_limit(conn) {
            return Outcome::Answer(self.refusal_response(&refusal(Code::TooManyConnections)));
        }
        if let Some(page) = self.pages.iter().find(|page| page.path() == request.path) {
            return Outcome::Answer(page.respond(request));
        }
        if let Some(outcome) = self.call(conn, request, now) {
            return outcome;
        }
        self.own_route(conn, ip, request, now)
    }

    /// Whose request it is, where it may be answered at all.
    fn client_address(&mut self, conn: ConnId, request: &Request, now: Time) -> Result<IpAddr, Response> {
        let Some(peer) = self.core.peers.get(conn) else { return Err(Response::new(500)) };
        let trusted = &self.core.settings.trusted_proxies;
        let forwarded = request.headers_named("x-forwarded-for");
        let ip = forwarded::client_address(peer.ip, trusted, forwarded).map_err(error_of)?;
        match self.core.peers.admit_request(ip, now) {
            Ok(()) => Ok(ip),
            Err(_) if self.comes_to_lift_bans(ip, request) => Ok(ip),
            Err(why) => Err(self.refusal_response(&refusal_of(why))),
        }
    }

    fn comes_to_lift_bans(&self, ip: IpAddr, request: &Request) -> bool {
        let asks = request.path.starts_with(ADMIN) && self.admit_admin(request).is_ok();
        asks && self.may_lift_bans(ip)
    }

    fn own_route(&mut self, conn: ConnId, ip: IpAddr, request: &Request, now: Time) -> Outcome {
        let path = request.path.as_str();
        // Nobody is an administrator where there is no token for it: then nothing is there.
        let hidden = path.starts_with(ADMIN) && !self.core.settings.admin_token.is_set();
        let methods = own_methods(path).filter(|_| !hidden);
        let api = path.starts_with("/api/");
        let outcome = match methods {
            None => Ok(Outcome::Answer(Response::error(404, Code::NotFound.name(), NOWHERE))),
            Some(methods) if api && cors::is_preflight(request) => {
                return Outcome::Answer(self.origins.preflight(request, methods));
            }
            Some(methods) if !methods.contains(&request.method) => {
                Ok(Outcome::Answer(Response::method_not_allowed(methods)))
            }
            Some(_) if path.starts_with(ADMIN) => self.admin_route(conn, ip, request, now),
            Some(_) => self.public_route(conn, AddressKey::from(ip), request, now),
        };
        let answer = match outcome {
            Ok(Outcome::Answer(response)) => response,
            Ok(outcome) => return outcome,
            Err(refusal) => self.refusal_response(&refusal),
        };
        Outcome::Answer(if api { self.origins.share(request, answer) } else { answer })
    }

    fn public_route(
        &mut self,
        conn: ConnId,
        address: AddressKey,
        request: &Request,
        now: Time,
    ) -> Result<Outcome, Refusal> {
        Ok(Outcome::Answer(match request.path.as_str() {
            "/api/status" => self.status(now),
            "/healthz" => self.health(),
            "/metrics" => self.metrics(now),
            path => {
                match path {
                    "/api/auth/register" => self.post_register(conn, address, request)?,
                    "/api/auth/login" => self.post_login(conn, address, request, now)?,
                    _ => self.post_logout(conn, request, now)?,
                }
                return Ok(Outcome::Later);
            }
        }))
    }

    fn admin_route(
        &mut self,
        conn: ConnId,
        ip: IpAddr,
        request: &Request,
        now: Time,
    ) -> Result<Outcome, Refusal> {
        self.admit_admin(request)?;
        if request.path == SESSIONS {
            return self.list_sessions(request, now).map(Outcome::Answer);
        }
        match (request.method, ban_id(&request.path)) {
            (_, Some(id)) => self.delete_ban(conn, id)?,
            (Method::Post, None) => self.post_ban(conn, ip, request, now)?,
            (_, None) => return Ok(Outcome::Answer(self.list_bans(now))),
        }
        Ok(Outcome::Later)
    }

    // --------------------------------------------------------------------------------------------------- upgrading

    /// Turns the connection into a WebSocket of `game`, or says why not.
    fn upgrade(
        &mut self,
        conn: ConnId,
        game: GameId,
        ip: IpAddr,
        request: &Request,
        now: Time,
    ) -> Result<(), Response> {
        let place = self.admit_client(conn, ip, now)?;
        if self.origins.judge(request) == cors::Verdict::Refused {
            return Err(self.refusal_response(&Refusal::new(Code::Forbidden, "this origin is not allowed")));
        }
        let offer = read_offer(request)?;
        let (encoding, subprotocol) = choose_encoding(offer.subprotocols())?;
        let session = &self.core.settings.session;
        let window_bits = window_bits_for(session.max_message);
        let deflate = if session.compression { offer.deflate(window_bits) } else { None };
        let Some(peer) = self.core.peers.get_mut(conn) else { return Err(Response::new(500)) };
        offer.accept_deflate(subprotocol, deflate.as_ref(), peer.session.outbox.control());
        if let Some(deflate) = deflate {
            peer.session.agree_on(deflate.agreed());
        }
        peer.session.encoding = encoding;
        peer.session.step(Step::Upgraded, now);
        peer.game = Some(game);
        peer.ip = ip;
        peer.over_limit = place.over_limit;
        // Only now: a proxy's connection whose client did not get in carries requests of other clients next.
        self.core.peers.count(conn, Some(place.address));
        let name = self.core.names[usize::from(game.0)];
        let instance = format!("{name}-{}", self.core.realm_mut(game).next_instance());
        self.core.observe(|| Event::ClientConnected { conn, address: ip, instance: instance.clone() });
        let settings = &self.core.settings;
        let ms = |d: std::time::Duration| u32::try_from(d.as_millis()).unwrap_or(u32::MAX);
        let connected = ServerControl::Connected {
            instance,
            server: format!("evertick/{VERSION}"),
            protocol: Versions { min: PROTOCOL_VERSION, max: PROTOCOL_VERSION },
            tick_rate: settings.tick_rate.hz(),
            heartbeat_interval_ms: ms(settings.session.heartbeat_interval),
            timeout_ms: ms(settings.session.timeout),
        };
        self.core.tell(conn, None, &connected);
        Ok(())
    }

    /// The place of a client, where it may come in at all. Who came directly has it since it was accepted; who came
    /// through a trusted proxy is asked about here.
    fn admit_client(&mut self, conn: ConnId, ip: IpAddr, now: Time) -> Result<Place, Response> {
        if let Some(address) = self.core.peers.counted(conn) {
            return Ok(Place { address, over_limit: self.is_over_limit(conn) });
        }
        self.admit_address(ip, true, now).map_err(|why| self.refusal_response(&refusal_of(why)))
    }

    /// The answer to a refusal, which is counted.
    fn refusal_response(&mut self, refusal: &Refusal) -> Response {
        self.core.counters.refused(refusal.code);
        response_of(refusal)
    }

    // --------------------------------------------------------------------------------------------------- answering

    pub(super) fn answer(&mut self, conn: ConnId, exchange: Exchange, response: &Response, now: Time) {
        let Some(peer) = self.core.peers.get_mut(conn) else { return };
        let is_last = self.draining || peer.over_limit;
        let exchange = if is_last { exchange.closing() } else { exchange };
        response.write(exchange, peer.session.outbox.control());
        if !exchange.keep_alive {
            self.finish_http(conn, now);
        }
    }

    fn answer_bytes(&mut self, conn: ConnId, bytes: &[u8]) {
        if let Some(peer) = self.core.peers.get_mut(conn) {
            peer.session.outbox.control().extend_from_slice(bytes);
        }
    }

    fn finish_http(&mut self, conn: ConnId, now: Time) {
        if let Some(peer) = self.core.peers.get_mut(conn) {
            peer.session.step(Step::Finish, now);
        }
    }

    fn waiting(&self, conn: ConnId) -> usize {
        self.core.peers.get(conn).map_or(0, |peer| peer.session.outbox.waiting())
    }
}

fn read_offer(request: &Request) -> Result<Offer<'_>, Response> {
    if request.method == Method::Get && !is_upgrade(request.headers()) {
        return Err(handshake_response(426, "this is a WebSocket endpoint; ask for an upgrade")
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Version", "13"));
    }
    Offer::read(request.method.name(), request.version_1_1, request.headers()).map_err(
        |error: HandshakeError| {
            let answer = handshake_response(error.status(), error.to_string());
            error.headers().iter().fold(answer, |answer, (name, value)| answer.header(name, *value))
        },
    )
}

fn handshake_response(status: u16, message: impl Into<std::borrow::Cow<'static, str>>) -> Response {
    let code = match status {
        405 => "method_not_allowed",
        426 => "upgrade_required",
        _ => Code::Malformed.name(),
    };
    Response::error(status, code, message)
}

/// The first offered subprotocol that this server speaks; JSON where none was offered.
fn choose_encoding<'o>(offered: &[&'o str]) -> Result<(Encoding, Option<&'o str>), Response> {
    let known = offered.iter().find_map(|name| Some((Encoding::from_subprotocol(name)?, Some(*name))));
    match known {
        Some(chosen) => Ok(chosen),
        None if offered.is_empty() => Ok((Encoding::Json, None)),
        None => {
            let ours = Encoding::ALL.map(Encoding::subprotocol).join(", ");
            Err(Response::error(400, Code::Invalid.name(), format!("this server speaks {ours}")))
        }
    }
}

/// The refusal of an address, in the contract's words.
pub(super) fn refusal_of(why: Refused) -> Refusal {
    match why {
        Refused::Banned(left) => Refusal { retry_after_ms: left, ..refusal(Code::Banned) },
        Refused::TooFast(ms) => refusal(Code::ConnectingTooFast).retry_after(ms),
        Refused::TooManyHere => refusal(Code::TooManyConnections),
        Refused::Full => refusal(Code::Busy).retry_after(BUSY_MS),
    }
}

const NOWHERE: &str = "there is nothing at this path";

/// After how long somebody who found no room may try again, milliseconds.
pub(super) const BUSY_MS: u32 = 5000;

/// A refusal for a reason that needs no further words.
pub(super) fn refusal(code: Code) -> Refusal {
    let message = match code {
        Code::Banned => "this address is banned",
        Code::ConnectingTooFast => "too many new connections from this address",
        Code::TooManyConnections => "too many open connections from this address",
        Code::Busy => "the server has as many connections as it takes",
        Code::Shutdown => "the server is stopping",
        _ => "refused",
    };
    Refusal::new(code, message)
}

/// The HTTP answer to a refusal.
pub(super) fn response_of(refusal: &Refusal) -> Response {
    let status = refusal.code.http_status().unwrap_or(400);
    let response = Response::error(status, refusal.code.name(), refusal.message.clone());
    refusal.retry_after_ms.map_or(response.clone(), |ms| response.retry_after_ms(ms))
}

/// The HTTP answer to a request that broke the protocol or a limit.
pub(super) fn error_of(error: http::Error) -> Response {
    Response::from(error)
}
