//! Login sessions: which token stands for whom, and until when.
//!
//! All of them are in memory, by the digests of their tokens; storage has them for the next start. A session expires
//! `session_timeout_s` after it was last used; while a player that came in with it is in the world it is **held** and does
//! not expire. Renewals, and when a session was last used, reach storage with what may lag and at a bounded rate: a crash may
//! cost a session some seconds of its life.

use crate::account::{LoginSession, Renewal, TokenDigest, Username};
use crate::ids::AccountId;
use crate::time::WallMs;
use std::collections::HashMap;
use std::time::Duration;

/// Who a token stands for.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct Login {
    /// Whose.
    pub(in crate::engine) account: AccountId,
    /// The account's name.
    pub(in crate::engine) name: Username,
    /// Of its token.
    pub(in crate::engine) digest: TokenDigest,
}

/// A login session, to be looked at.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Shown<'a> {
    /// Of its token.
    pub(in crate::engine) digest: TokenDigest,
    /// Whose.
    pub(in crate::engine) account: AccountId,
    /// The account's name.
    pub(in crate::engine) name: &'a Username,
    /// When it was opened.
    pub(in crate::engine) created: WallMs,
    /// When it expires, if it is not used before.
    pub(in crate::engine) expires: WallMs,
    /// When it was last used, as far as renewals have told.
    pub(in crate::engine) seen: WallMs,
}

/// All login sessions.
#[derive(Debug)]
pub(in crate::engine) struct Logins {
    timeout_ms: u64,
    sessions: HashMap<TokenDigest, Entry>,
}

#[derive(Debug)]
struct Entry {
    account: AccountId,
    name: Username,
    created: WallMs,
    expires: WallMs,
    /// When it was last used.
    seen: WallMs,
    /// When it expires, as far as storage has been told.
    told: WallMs,
    /// Players in the world that came in with it.
    held: u32,
}

impl Entry {
    fn is_over(&self, wall: WallMs) -> bool {
        self.held == 0 && self.expires <= wall
    }
}

impl Logins {
    pub(in crate::engine) fn new(timeout: Duration) -> Logins {
        Logins { timeout_ms: timeout.as_millis() as u64, sessions: HashMap::new() }
    }

    /// When a session that is used now expires.
    pub(in crate::engine) fn expiry(&self, wall: WallMs) -> WallMs {
        WallMs(wall.0.saturating_add(self.timeout_ms))
    }

    /// By how much a session's end may have moved without storage being told.
    pub(in crate::engine) fn lag_ms(&self) -> u64 {
        self.timeout_ms / RENEWALS_PER_LIFE
    }

    /// Adds one that storage has.
    pub(in crate::engine) fn add(&mut self, session: &LoginSession, name: Username) {
        let LoginSession { digest, account, created, expires, seen } = *session;
        let entry = Entry { account, name, created, expires, seen, told: expires, held: 0 };
        self.sessions.insert(digest, entry);
    }

    /// Whose session it is; `None` where there is none, or it is over.
    pub(in crate::engine) fn find(&self, digest: TokenDigest, wall: WallMs) -> Option<Login> {
        let entry = self.sessions.get(&digest).filter(|entry| !entry.is_over(wall))?;
        Some(Login { account: entry.account, name: entry.name.clone(), digest })
    }

    /// Whether it is there and not over.
    pub(in crate::engine) fn is_live(&self, digest: TokenDigest, wall: WallMs) -> bool {
        self.sessions.get(&digest).is_some_and(|entry| !entry.is_over(wall))
    }

    /// It is used or held, and was last used at `seen`. What storage is to be told: it is not asked to note each packet.
    pub(in crate::engine) fn renew(
        &mut self,
        digest: TokenDigest,
        seen: WallMs,
        wall: WallMs,
    ) -> Option<Renewal> {
        let (expires, steps) = (self.expiry(wall), self.lag_ms());
        let entry = self.sessions.get_mut(&digest).filter(|entry| !entry.is_over(wall))?;
        entry.expires = entry.expires.max(expires);
        entry.seen = entry.seen.max(seen);
        let moved = entry.expires.0 - entry.told.0.min(entry.expires.0) > steps;
        moved.then(|| {
            entry.told = entry.expires;
            Renewal { digest, expires: entry.expires, seen: entry.seen }
        })
    }

    /// A player that came in with it is in the world.
    pub(in crate::engine) fn hold(&mut self, digest: TokenDigest) {
        if let Some(entry) = self.sessions.get_mut(&digest) {
            entry.held += 1;
        }
    }

    /// That player is gone.
    pub(in crate::engine) fn release(&mut self, digest: TokenDigest) {
        if let Some(entry) = self.sessions.get_mut(&digest) {
            debug_assert!(entry.held > 0, "a session is held before it is let go");
            entry.held = entry.held.saturating_sub(1);
        }
    }

    /// Those that are not over.
    pub(in crate::engine) fn live(&self, wall: WallMs) -> impl Iterator<Item = Shown<'_>> {
        let live = self.sessions.iter().filter(move |(_, entry)| !entry.is_over(wall));
        live.map(|(digest, entry)| {
            let Entry { account, name, created, expires, seen, .. } = entry;
            Shown {
                digest: *digest,
                account: *account,
                name,
                created: *created,
                expires: *expires,
                seen: *seen,
            }
        })
    }

    /// It has ended.
    pub(in crate::engine) fn end(&mut self, digest: TokenDigest) {
        self.sessions.remove(&digest);
    }

    /// Forgets those that are over.
    pub(in crate::engine) fn sweep(&mut self, wall: WallMs) {
        self.sessions.retain(|_, entry| !entry.is_over(wall));
    }

    /// How many there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.sessions.len()
    }
}

/// Storage hears of a renewal when it moves a session's end by more than this part of a whole life.
const RENEWALS_PER_LIFE: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: TokenDigest = TokenDigest([7; 32]);

    fn logins() -> Logins {
        let mut logins = Logins::new(Duration::from_millis(6400));
        let (created, expires) = (WallMs(0), WallMs(6400));
        let session = LoginSession { digest: DIGEST, account: AccountId(3), created, expires, seen: created };
        logins.add(&session, Username::new("Ann").expect("a name"));
        logins
    }

    fn use_it(logins: &mut Logins, ms: u64) -> Option<Renewal> {
        logins.renew(DIGEST, WallMs(ms), WallMs(ms))
    }

    #[test]
    fn a_session_slides_and_ends() {
        let mut logins = logins();
        assert_eq!(logins.find(DIGEST, WallMs(6399)).map(|login| login.account), Some(AccountId(3)));
        assert_eq!(logins.find(DIGEST, WallMs(6400)), None);
        assert_eq!(use_it(&mut logins, 6400), None, "what is over stays over");
        let renewal = Renewal { digest: DIGEST, expires: WallMs(12_400), seen: WallMs(6000) };
        assert_eq!(use_it(&mut logins, 6000), Some(renewal));
        assert!(logins.find(DIGEST, WallMs(12_399)).is_some());
        assert_eq!(logins.find(TokenDigest([8; 32]), WallMs(0)), None);
    }

    #[test]
    fn storage_is_told_of_renewals_that_matter() {
        let mut logins = logins();
        let told = (1..=1000).filter(|ms| use_it(&mut logins, *ms).is_some()).count();
        assert_eq!(told, 9, "each time it has moved by more than 100 ms");
        assert!(logins.find(DIGEST, WallMs(7399)).is_some());
        assert!(logins.find(DIGEST, WallMs(7400)).is_none());
        assert_eq!(use_it(&mut logins, 5), None, "a clock set back takes nothing away");
        assert!(logins.find(DIGEST, WallMs(7399)).is_some());
    }

    #[test]
    fn a_player_holds_it() {
        let mut logins = logins();
        logins.hold(DIGEST);
        logins.hold(DIGEST);
        logins.sweep(WallMs(99_999));
        assert!(logins.find(DIGEST, WallMs(99_999)).is_some());
        logins.release(DIGEST);
        let renewed = logins.renew(DIGEST, WallMs(80_000), WallMs(99_999)).expect("it is held");
        assert_eq!((renewed.expires, renewed.seen), (WallMs(106_399), WallMs(80_000)), "held is not used");
        logins.release(DIGEST);
        assert!(logins.find(DIGEST, WallMs(106_398)).is_some());
        logins.sweep(WallMs(106_399));
        assert_eq!(logins.len(), 0);
        logins.release(DIGEST);
    }
}
