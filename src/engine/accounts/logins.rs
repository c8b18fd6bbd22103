//! Login sessions: which token stands for whom, and until when.
//!
//! An account has at most `limits::SESSIONS_PER_ACCOUNT` of them. Which ends for a new one is chosen here, where it is known who is
//! held, and **reserved** until storage has answered: the new one stands for nobody yet, and nobody comes in any more with
//! the one that is to end. Where storage will not, both are as they were.
//!
//! All of them are in memory, by the digests of their tokens; storage has them for the next start. A session expires
//! `session_timeout_s` after it was last used; while a player that came in with it is in the world it is **held** and does
//! not expire. Renewals, and when a session was last used, reach storage with what may lag and at a bounded rate: a crash may
//! cost a session some seconds of its life.

use crate::account::{LoginSession, Renewal, TokenDigest, Username};
use crate::ids::AccountId;
use crate::limits;
use crate::time::WallMs;
use std::collections::{BTreeSet, HashMap};
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
///
/// Invariant: both maps hold the same sessions.
#[derive(Debug)]
pub(in crate::engine) struct Logins {
    timeout_ms: u64,
    sessions: HashMap<TokenDigest, Entry>,
    by_account: BTreeSet<(AccountId, TokenDigest)>,
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
    /// Whether storage has it.
    open: bool,
    /// Whether storage is asked to end it for a newer one.
    ending: bool,
}

impl Entry {
    fn new(session: &LoginSession, name: Username, open: bool) -> Entry {
        let LoginSession { account, created, expires, seen, .. } = *session;
        Entry { account, name, created, expires, seen, told: expires, held: 0, open, ending: false }
    }

    fn is_over(&self, wall: WallMs) -> bool {
        self.held == 0 && self.expires <= wall
    }
}

impl Logins {
    pub(in crate::engine) fn new(timeout: Duration) -> Logins {
        let timeout_ms = timeout.as_millis() as u64;
        Logins { timeout_ms, sessions: HashMap::new(), by_account: BTreeSet::new() }
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
        self.insert(session.digest, Entry::new(session, name, true));
    }

    fn insert(&mut self, digest: TokenDigest, entry: Entry) {
        self.by_account.insert((entry.account, digest));
        self.sessions.insert(digest, entry);
    }

    /// Reserves a place for one that storage is asked to open. Which of the account's others are to end for it: those that
    /// would expire first of those that nobody in the world holds. `None` where all are held: then there is no place.
    pub(in crate::engine) fn open(
        &mut self,
        session: &LoginSession,
        name: Username,
        wall: WallMs,
    ) -> Option<Vec<TokenDigest>> {
        let others: Vec<(TokenDigest, &Entry)> =
            self.of_account(session.account).filter(|(_, e)| !e.ending && !e.is_over(wall)).collect();
        let surplus = (others.len() + 1).saturating_sub(limits::SESSIONS_PER_ACCOUNT as usize);
        let mut free: Vec<(WallMs, TokenDigest)> =
            others.iter().filter(|(_, e)| e.held == 0).map(|(digest, e)| (e.expires, *digest)).collect();
        if free.len() < surplus {
            return None;
        }
        free.sort_unstable();
        let ending: Vec<TokenDigest> = free.into_iter().take(surplus).map(|(_, digest)| digest).collect();
        self.mark(&ending, true);
        self.insert(session.digest, Entry::new(session, name, false));
        Some(ending)
    }

    /// Storage has opened it. Those that end for it are ended one by one.
    pub(in crate::engine) fn opened(&mut self, digest: TokenDigest) {
        if let Some(entry) = self.sessions.get_mut(&digest) {
            entry.open = true;
        }
    }

    /// Storage would not open it: it never was, and those that were to end for it go on.
    pub(in crate::engine) fn take_back(&mut self, digest: TokenDigest, ending: &[TokenDigest]) {
        self.end(digest);
        self.mark(ending, false);
    }

    fn mark(&mut self, digests: &[TokenDigest], ending: bool) {
        for digest in digests {
            if let Some(entry) = self.sessions.get_mut(digest) {
                entry.ending = ending;
            }
        }
    }

    fn of_account(&self, account: AccountId) -> impl Iterator<Item = (TokenDigest, &Entry)> {
        let all = (account, TokenDigest([0; 32]))..=(account, TokenDigest([u8::MAX; 32]));
        let digests = self.by_account.range(all).map(|(_, digest)| *digest);
        digests.filter_map(|digest| Some((digest, self.sessions.get(&digest)?)))
    }

    /// Whom it lets in; `None` where there is none, or it is over or about to end.
    pub(in crate::engine) fn find(&self, digest: TokenDigest, wall: WallMs) -> Option<Login> {
        let usable = |entry: &&Entry| entry.open && !entry.ending && !entry.is_over(wall);
        let entry = self.sessions.get(&digest).filter(usable)?;
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
        let live = self.sessions.iter().filter(move |(_, entry)| entry.open && !entry.is_over(wall));
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
        if let Some(entry) = self.sessions.remove(&digest) {
            self.by_account.remove(&(entry.account, digest));
        }
    }

    /// Forgets those that are over.
    pub(in crate::engine) fn sweep(&mut self, wall: WallMs) {
        let Logins { sessions, by_account, .. } = self;
        sessions.retain(|digest, entry| {
            let stays = !entry.is_over(wall);
            if !stays {
                by_account.remove(&(entry.account, *digest));
            }
            stays
        });
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
        assert_eq!((logins.len(), logins.by_account.len()), (0, 0));
        logins.release(DIGEST);
    }

    /// A session of account 3 that is opened so many milliseconds after the start, under a digest of its own.
    fn session(ms: u8) -> LoginSession {
        let (digest, created) = (TokenDigest([ms; 32]), WallMs(ms.into()));
        let expires = WallMs(created.0 + 6400);
        LoginSession { digest, account: AccountId(3), created, expires, seen: created }
    }

    fn open(logins: &mut Logins, ms: u8) -> Option<Vec<u8>> {
        let name = Username::new("Ann").expect("a name");
        let ending = logins.open(&session(ms), name, WallMs(ms.into()))?;
        Some(ending.into_iter().map(|digest| digest.0[0]).collect())
    }

    const MOST: u8 = limits::SESSIONS_PER_ACCOUNT as u8;

    /// As many as an account has: 1 is the oldest.
    fn all_of_them() -> Logins {
        let mut logins = Logins::new(Duration::from_millis(6400));
        for ms in 1..=MOST {
            assert_eq!(open(&mut logins, ms), Some(vec![]));
            logins.opened(TokenDigest([ms; 32]));
        }
        logins
    }

    #[test]
    fn one_more_ends_the_one_that_expires_first_and_is_not_held() {
        let mut logins = all_of_them();
        logins.hold(TokenDigest([1; 32]));
        logins.renew(TokenDigest([2; 32]), WallMs(99), WallMs(99));
        assert_eq!(open(&mut logins, 100), Some(vec![3]));
        assert_eq!(open(&mut logins, 101), Some(vec![4]), "what ends already has given its place");
        (1..=MOST).for_each(|n| logins.hold(TokenDigest([n; 32])));
        let other = LoginSession { account: AccountId(4), ..session(90) };
        assert_eq!(logins.open(&other, Username::new("Bob").expect("a name"), WallMs(90)), Some(vec![]));
    }

    #[test]
    fn where_all_are_held_there_is_no_place() {
        let mut logins = all_of_them();
        (1..=MOST).for_each(|n| logins.hold(TokenDigest([n; 32])));
        assert_eq!(open(&mut logins, 100), None);
        assert_eq!(logins.len(), usize::from(MOST), "and nothing is kept of it");
        logins.release(TokenDigest([9; 32]));
        assert_eq!(open(&mut logins, 100), Some(vec![9]));
    }

    #[test]
    fn what_storage_has_not_opened_is_nobodys_and_ends_nothing() {
        let mut logins = all_of_them();
        let (old, new) = (TokenDigest([1; 32]), TokenDigest([100; 32]));
        let finds = |logins: &Logins, digest| logins.find(digest, WallMs(100)).is_some();
        assert_eq!(open(&mut logins, 100), Some(vec![1]));
        assert!(!finds(&logins, new) && !finds(&logins, old), "both are reserved");
        assert!(logins.is_live(old, WallMs(100)), "whoever is here with it stays");
        assert_eq!(logins.live(WallMs(100)).count(), usize::from(MOST));
        logins.take_back(new, &[old]);
        assert!(!finds(&logins, new) && finds(&logins, old));
        assert_eq!(logins.len(), usize::from(MOST));
        assert_eq!(open(&mut logins, 100), Some(vec![1]));
        logins.opened(new);
        logins.end(old);
        assert!(finds(&logins, new) && !finds(&logins, old));
    }
}
