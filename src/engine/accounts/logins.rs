//! Login sessions: which token stands for whom, and until when.
//!
//! All of them are in memory, by the digests of their tokens; storage has them for the next start. A session expires
//! `session_timeout_s` after it was last used; while a player that came in with it is in the world it is **held** and does
//! not expire. Renewals reach storage with what may lag: a crash may cost a session some seconds of its life.

use crate::account::{LoginSession, TokenDigest, Username};
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
    expires: WallMs,
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
        let LoginSession { digest, account, expires, .. } = *session;
        self.sessions.insert(digest, Entry { account, name, expires, told: expires, held: 0 });
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

    /// It was used. What storage is to be told: a moment before its end it is not asked to note each packet.
    pub(in crate::engine) fn renew(&mut self, digest: TokenDigest, wall: WallMs) -> Option<WallMs> {
        let (expires, steps) = (self.expiry(wall), self.lag_ms());
        let entry = self.sessions.get_mut(&digest).filter(|entry| !entry.is_over(wall))?;
        entry.expires = entry.expires.max(expires);
        let moved = entry.expires.0 - entry.told.0.min(entry.expires.0) > steps;
        moved.then(|| {
            entry.told = entry.expires;
            entry.expires
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

    /// Those that are held, to be renewed from time to time.
    pub(in crate::engine) fn held(&self) -> Vec<TokenDigest> {
        self.sessions.iter().filter(|(_, entry)| entry.held > 0).map(|(digest, _)| *digest).collect()
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
        let session = LoginSession { digest: DIGEST, account: AccountId(3), created, expires };
        logins.add(&session, Username::new("Ann").expect("a name"));
        logins
    }

    #[test]
    fn a_session_slides_and_ends() {
        let mut logins = logins();
        assert_eq!(logins.find(DIGEST, WallMs(6399)).map(|login| login.account), Some(AccountId(3)));
        assert_eq!(logins.find(DIGEST, WallMs(6400)), None);
        assert_eq!(logins.renew(DIGEST, WallMs(6400)), None, "what is over stays over");
        assert_eq!(logins.renew(DIGEST, WallMs(6000)), Some(WallMs(12_400)));
        assert!(logins.find(DIGEST, WallMs(12_399)).is_some());
        assert_eq!(logins.find(TokenDigest([8; 32]), WallMs(0)), None);
    }

    #[test]
    fn storage_is_told_of_renewals_that_matter() {
        let mut logins = logins();
        let told = (1..=1000).filter(|ms| logins.renew(DIGEST, WallMs(*ms)).is_some()).count();
        assert_eq!(told, 9, "each time it has moved by more than 100 ms");
        assert!(logins.find(DIGEST, WallMs(7399)).is_some());
        assert!(logins.find(DIGEST, WallMs(7400)).is_none());
        assert_eq!(logins.renew(DIGEST, WallMs(5)), None, "a clock set back takes nothing away");
        assert!(logins.find(DIGEST, WallMs(7399)).is_some());
    }

    #[test]
    fn a_player_holds_it() {
        let mut logins = logins();
        logins.hold(DIGEST);
        logins.hold(DIGEST);
        logins.sweep(WallMs(99_999));
        assert!(logins.find(DIGEST, WallMs(99_999)).is_some());
        assert_eq!(logins.held(), [DIGEST]);
        logins.release(DIGEST);
        assert!(logins.renew(DIGEST, WallMs(99_999)).is_some());
        logins.release(DIGEST);
        assert!(logins.find(DIGEST, WallMs(106_398)).is_some());
        logins.sweep(WallMs(106_399));
        assert_eq!(logins.len(), 0);
        logins.release(DIGEST);
    }
}
