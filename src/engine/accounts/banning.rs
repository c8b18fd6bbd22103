//! Bans: who may not come in, as an administrator said. In storage, and in memory from the start on.
//!
//! Addresses and networks are held in the registry, which is asked for every connection and every request; accounts
//! here. Whoever is on when a ban comes to hold is told `banned` at once, and for how long; login sessions of a banned account
//! are refused while it lasts and come back with its end. **What a banned player would resume by is void for good**, those
//! tokens too that outlived a restart.
//!
//! No ban locks an administrator out: one that would hold the address it is asked from is refused, and from the machine
//! itself, whose addresses are the loopback ones, the bans can be seen and lifted whatever they hold.

use super::{Follows, Step, Trouble};
use crate::account::{Answer, BanRecord, BanTarget, Errand, Reply, Request, Username};
use crate::engine::Engine;
use crate::engine::game::Refusal;
use crate::engine::rest;
use crate::http::Response;
use crate::ids::ConnId;
use crate::packet::Code;
use crate::registry;
use crate::time::{Time, WallMs};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

/// The latest moment at which a ban ends, Unix milliseconds: storage keeps it as it is told, and every reader of JSON has whole
/// numbers up to here exactly (RFC 8259 section 6).
const LATEST: u64 = (1 << 53) - 1;

/// All bans that storage has.
#[derive(Debug, Default)]
pub(super) struct AccountBans {
    list: BTreeMap<u32, Held>,
    /// Those of accounts, by the name in lower case.
    by_name: HashMap<String, Vec<u32>>,
}

#[derive(Debug)]
struct Held {
    record: BanRecord,
    /// The registry's own id, where it is an address or a network.
    in_registry: Option<u32>,
}

impl AccountBans {
    /// Forgets those that have ended; the registry does the same with its own.
    pub(super) fn sweep(&mut self, wall: WallMs) {
        let ended = self.list.values().map(|held| &held.record).filter(|record| !is_live(record, wall));
        for id in ended.map(|record| record.id).collect::<Vec<u32>>() {
            self.remove(id);
        }
    }

    fn insert(&mut self, record: BanRecord, in_registry: Option<u32>) {
        if let BanTarget::Account(name) = &record.target {
            self.by_name.entry(name.folded()).or_default().push(record.id);
        }
        self.list.insert(record.id, Held { record, in_registry });
    }

    fn remove(&mut self, id: u32) -> Option<Held> {
        let held = self.list.remove(&id)?;
        if let BanTarget::Account(name) = &held.record.target
            && let Some(ids) = self.by_name.get_mut(&name.folded())
        {
            ids.retain(|have| *have != id);
            if ids.is_empty() {
                self.by_name.remove(&name.folded());
            }
        }
        Some(held)
    }

    /// The ban of an account that lasts longest.
    fn of_account(&self, name: &Username, wall: WallMs) -> Option<&BanRecord> {
        let ids = self.by_name.get(&name.folded())?;
        let live = ids.iter().filter_map(|id| self.list.get(id)).map(|held| &held.record);
        live.filter(|record| is_live(record, wall))
            .max_by_key(|record| record.expires.map_or(u64::MAX, |at| at.0))
    }

    fn live(&self, wall: WallMs) -> impl Iterator<Item = &BanRecord> {
        self.list.values().map(|held| &held.record).filter(move |record| is_live(record, wall))
    }
}

/// For how many more milliseconds it holds; `None`: for good.
fn left_ms(record: &BanRecord, wall: WallMs) -> Option<u32> {
    record.expires.map(|at| u32::try_from(at.0.saturating_sub(wall.0)).unwrap_or(u32::MAX))
}

fn is_own_machine(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn is_live(record: &BanRecord, wall: WallMs) -> bool {
    record.expires.is_none_or(|expires| expires > wall)
}

/// One ban, as the API shows it.
#[derive(Serialize)]
struct Shown<'a> {
    id: u32,
    target: String,
    reason: &'a str,
    created: WallMs,
    expires: Option<WallMs>,
}

impl<'a> Shown<'a> {
    fn new(record: &'a BanRecord) -> Shown<'a> {
        let BanRecord { id, target, reason, created, expires } = record;
        Shown { id: *id, target: target.to_string(), reason, created: *created, expires: *expires }
    }
}

#[derive(Serialize)]
struct List<'a> {
    bans: Vec<Shown<'a>>,
}

impl Engine {
    /// The refusal of an account that is banned.
    pub(in crate::engine) fn account_ban(&self, name: &Username, now: Time) -> Option<Refusal> {
        let wall = self.core.wall_at(now);
        let record = self.accounts.bans.of_account(name, wall)?;
        let retry_after_ms = left_ms(record, wall);
        Some(Refusal { retry_after_ms, ..Refusal::new(Code::Banned, "this account is banned") })
    }

    /// What `GET /api/admin/bans` answers.
    pub(in crate::engine) fn list_bans(&self, now: Time) -> Response {
        let bans = self.accounts.bans.live(self.core.wall_at(now)).map(Shown::new).collect();
        Response::new(200).json(&List { bans })
    }

    /// Whether an administrator who asks from `ip` may ban them: not where that would lock it out.
    pub(in crate::engine) fn check_ban(target: &BanTarget, ip: IpAddr) -> Result<(), Refusal> {
        match target {
            BanTarget::Network(network) if network.contains(ip) && !is_own_machine(ip) => Err(Refusal::new(
                Code::Conflict,
                "this would ban the address that you ask from; ask from another one, or from the server's own machine",
            )),
            _ => Ok(()),
        }
    }

    /// Whether whoever comes from `ip` may be an administrator whatever is banned: on the machine itself the database could be
    /// edited as well.
    pub(in crate::engine) fn may_lift_bans(&self, ip: IpAddr) -> bool {
        self.core.settings.admin_token.is_set() && is_own_machine(ip)
    }

    /// Begins to ban somebody, for so many seconds or for good.
    pub(in crate::engine) fn add_ban(
        &mut self,
        conn: ConnId,
        target: BanTarget,
        seconds: Option<u64>,
        reason: String,
        now: Time,
    ) -> Result<(), Refusal> {
        let created = self.core.wall_at(now);
        let expires = |s: u64| WallMs(created.0.saturating_add(s.saturating_mul(1000)).min(LATEST));
        let expires = seconds.map(expires);
        let record = BanRecord { id: 0, target, reason, created, expires };
        let BanRecord { target, reason, .. } = record.clone();
        let request = Request::AddBan { target, reason, created, expires };
        self.begin(Step::Banning(conn, record), Errand::Store(request))
    }

    pub(super) fn banned(&mut self, conn: ConnId, record: BanRecord, answer: Answer, now: Time) -> Follows {
        let (response, holds) = match answer {
            Answer::Store(Ok(Reply::BanAdded(id))) => {
                let record = BanRecord { id, ..record };
                (Response::new(201).json(&Shown::new(&record)), Some(record))
            }
            answer => (rest::refused(&self.trouble(Trouble::of(answer))), None),
        };
        // Answered first: it may be the administrator's own address.
        self.answer_later(conn, response, now);
        if let Some(record) = holds {
            self.hold_ban(record, now);
        }
        Follows::Nothing
    }

    /// Has a ban hold from here on, and closes whom it hits. False where no more are held.
    pub(super) fn hold_ban(&mut self, record: BanRecord, now: Time) -> bool {
        let wall = self.core.wall_at(now);
        if !is_live(&record, wall) {
            return true;
        }
        let in_registry = match &record.target {
            BanTarget::Account(name) => {
                self.close_account(name, left_ms(&record, wall), now);
                None
            }
            BanTarget::Network(network) => {
                let left = |expires: WallMs| now + Duration::from_millis(expires.0.saturating_sub(wall.0));
                let until = record.expires.map(left);
                let ban = registry::Ban { network: *network, until, reason: record.reason.clone() };
                match self.ban(ban, now) {
                    Some(id) => Some(id),
                    None => {
                        self.core.fail(format!("no more bans are held: {network} is not kept out"));
                        return false;
                    }
                }
            }
        };
        self.accounts.bans.insert(record, in_registry);
        true
    }

    /// Closes everybody who came in under an account, or would come back under it.
    fn close_account(&mut self, name: &Username, left_ms: Option<u32>, now: Time) {
        let folded = name.folded();
        self.tokens.void_survivors(|survivor| survivor.name.folded() == folded);
        let came_as = |name: Option<&Username>| name.is_some_and(|name| name.folded() == folded);
        let hit: Vec<ConnId> = self
            .core
            .peers
            .iter()
            .filter(|(_, peer)| came_as(peer.account_name()))
            .map(|(conn, _)| conn)
            .collect();
        for conn in hit {
            self.close(conn, Code::Banned, "this account is banned", left_ms, now);
        }
    }

    /// Begins to lift a ban.
    pub(in crate::engine) fn remove_ban(&mut self, conn: ConnId, id: u32) -> Result<(), Refusal> {
        self.begin(Step::Lifting(conn, id), Errand::Store(Request::LiftBan(id)))
    }

    pub(super) fn lifted(&mut self, conn: ConnId, id: u32, answer: Answer, now: Time) -> Follows {
        let response = match answer {
            Answer::Store(Ok(Reply::BanLifted(was_there))) => {
                let held = self.accounts.bans.remove(id);
                if let Some(in_registry) = held.and_then(|held| held.in_registry) {
                    self.lift_ban(in_registry);
                }
                match was_there {
                    true => rest::done(),
                    false => rest::refused(&Refusal::new(Code::NotFound, "there is no ban of that id")),
                }
            }
            answer => rest::refused(&self.trouble(Trouble::of(answer))),
        };
        self.answer_later(conn, response, now);
        Follows::Nothing
    }
}
