//! Resume tokens: which of them stand for whom, and which have been spent.
//!
//! A token is 32 random bytes, of a generator of their own, so that what a game draws as secret does not depend on who
//! comes. Only its digest is kept, and by that it is looked up: how long that takes says nothing about a token.
//!
//! A seat has the **newest** token, which was told on its present connection, and perhaps **older** ones, which resume too
//! until the client has shown that it has the newest: the one that was used last, and those that were told since, for any
//! of them may be the one that the client has read. What it asks over a line that it gave up may come late, so that the one
//! used last need not be the one it has. Every other one is spent. Those that outlived a graceful stop
//! stand for an account's player until that comes in, one way or the other, or their time is over. The one that it comes back by is
//! an older one of its new seat then: whoever uses it again has not heard that everything begins anew.

use crate::account::{Token, TokenDigest, Username};
use crate::ids::{AccountId, ConnId, GameId, PlayerId};
use crate::limits;
use crate::random::Secrets;
use crate::time::WallMs;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// The tokens of one seat.
#[derive(Debug, Default)]
pub(super) struct SeatTokens {
    newest: Option<TokenDigest>,
    /// What resumes until the newest is known to have arrived, in the order in which they were told.
    older: Vec<TokenDigest>,
    /// How many of the older ones, the first, were told before its session began: before a restart, or in a session that
    /// was begun anew because its beginning was not heard.
    before: u8,
}

impl SeatTokens {
    /// One token, and none older.
    pub(super) fn new(newest: Option<TokenDigest>) -> SeatTokens {
        SeatTokens { newest, older: Vec::new(), before: 0 }
    }

    /// Those that resume.
    pub(super) fn valid(&self) -> impl Iterator<Item = TokenDigest> + use<> {
        self.older.clone().into_iter().chain(self.newest)
    }

    /// Whether it was told last.
    pub(super) fn is_newest(&self, token: TokenDigest) -> bool {
        self.newest == Some(token)
    }

    /// Whether the client has not shown yet that it has the newest.
    pub(super) fn is_unconfirmed(&self) -> bool {
        !self.older.is_empty()
    }

    /// Whether it was told before the session of the seat began.
    pub(super) fn is_of_before(&self, token: TokenDigest) -> bool {
        self.older.iter().take(usize::from(self.before)).any(|older| *older == token)
    }

    /// A resume by `used` was answered with `newest`.
    fn renew(&mut self, used: TokenDigest, newest: Option<TokenDigest>) {
        let spent = self.valid().take_while(|token| *token != used).count();
        self.older = self.valid().skip(spent).collect();
        self.before = self.before.saturating_sub(spent as u8);
        if self.older.len() > limits::RESUME_TOKENS {
            // The one that is used again and again is more likely the client's than any it was told in between.
            self.older.remove(1);
            self.before -= u8::from(self.before > 1);
        }
        self.newest = newest;
    }

    /// The same of a session that begins with `newest`.
    pub(super) fn begin_anew(&mut self, used: TokenDigest, newest: Option<TokenDigest>) {
        self.renew(used, newest);
        self.before = self.older.len() as u8;
    }
}

/// Whose player a token stands for that outlived the server that gave it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Survivor {
    pub(super) game: GameId,
    pub(super) account: AccountId,
    /// Who it was, be it in the lobby; `None`: that was not kept, and it may be any of the account's.
    pub(super) player: Option<PlayerId>,
    pub(super) name: Username,
    /// The login session that the player came in with.
    pub(super) login: Option<TokenDigest>,
    /// Where the player came from.
    pub(super) ip: Option<IpAddr>,
    pub(super) expires: WallMs,
}

/// The first half of a digest, which no two tokens have in common either: there are as many of these as players.
type Short = [u8; 16];

fn short(token: TokenDigest) -> Short {
    std::array::from_fn(|at| token.0[at])
}

/// All tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    secrets: Secrets,
    /// Who holds the seat that a token is for.
    holders: HashMap<Short, ConnId>,
    survivors: BTreeMap<TokenDigest, Survivor>,
}

impl Tokens {
    /// None yet, with room for those of so many. `key` is that of the engine's secrets.
    pub(super) fn new(key: [u8; 32], room: usize) -> Tokens {
        let own = Sha256::new().chain_update(key).chain_update(b"resume tokens").finalize();
        let secrets = Secrets::new(own.into());
        Tokens { secrets, holders: HashMap::with_capacity(room), survivors: BTreeMap::new() }
    }

    /// A new one, which stands for nobody yet.
    pub(super) fn issue(&mut self) -> Token {
        Token::new(&mut self.secrets)
    }

    /// Who holds the seat that it is for.
    pub(super) fn holder(&self, token: TokenDigest) -> Option<ConnId> {
        self.holders.get(&short(token)).copied()
    }

    /// A seat is held by `conn` from here on.
    pub(super) fn hold(&mut self, tokens: &SeatTokens, conn: ConnId) {
        self.holders.extend(tokens.valid().map(|token| (short(token), conn)));
    }

    /// A seat is given up: nothing resumes it any more.
    pub(super) fn void(&mut self, tokens: &SeatTokens) {
        for token in tokens.valid() {
            self.holders.remove(&short(token));
        }
    }

    /// A seat was resumed by `used`, and `newest` is told: what was told before `used` is spent.
    pub(super) fn renew(&mut self, tokens: &mut SeatTokens, used: TokenDigest, newest: Option<TokenDigest>) {
        self.void(tokens);
        tokens.renew(used, newest);
    }

    /// The newest token has arrived: the older one is spent.
    pub(super) fn confirm(&mut self, tokens: &mut SeatTokens) {
        tokens.before = 0;
        for spent in std::mem::take(&mut tokens.older) {
            self.holders.remove(&short(spent));
        }
    }

    /// How many stand for somebody who is here.
    pub(super) fn held(&self) -> usize {
        self.holders.len()
    }

    /// A token of before the restart.
    pub(super) fn keep_survivor(&mut self, token: TokenDigest, survivor: Survivor) {
        self.survivors.insert(token, survivor);
    }

    /// Whom a token of before the restart stands for.
    pub(super) fn survivor(&self, token: TokenDigest, game: GameId, wall: WallMs) -> Option<&Survivor> {
        self.survivors.get(&token).filter(|survivor| survivor.game == game && survivor.expires > wall)
    }

    /// A player of an account has come in: what it had before the restart is spent.
    pub(super) fn spend_survivors(&mut self, game: GameId, account: AccountId, player: Option<PlayerId>) {
        let is_it = |survivor: &Survivor| {
            let may_be_it = survivor.player.is_none() || survivor.player == player;
            (survivor.game, survivor.account) == (game, account) && may_be_it
        };
        if !self.survivors.is_empty() {
            self.void_survivors(is_it);
        }
    }

    /// Whether somebody may come back as this player.
    pub(super) fn awaits(&self, game: GameId, player: PlayerId) -> bool {
        let as_it = |survivor: &Survivor| (survivor.game, survivor.player) == (game, Some(player));
        self.survivors.values().any(as_it)
    }

    /// All of before the restart whose time is not over.
    pub(super) fn survivors(&self, wall: WallMs) -> Vec<(TokenDigest, Survivor)> {
        let all = self.survivors.iter().filter(|(_, survivor)| survivor.expires > wall);
        all.map(|(token, survivor)| (*token, survivor.clone())).collect()
    }

    /// Whoever it is that is meant does not come back.
    pub(super) fn void_survivors(&mut self, is_meant: impl Fn(&Survivor) -> bool) {
        self.survivors.retain(|_, survivor| !is_meant(survivor));
    }

    /// Forgets those of before the restart whose time is over.
    pub(super) fn sweep(&mut self, wall: WallMs) {
        self.survivors.retain(|_, survivor| survivor.expires > wall);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONN: ConnId = ConnId { slot: 3, generation: 1 };

    #[test]
    fn the_older_resumes_until_the_newest_has_arrived() {
        let mut tokens = Tokens::new([7; 32], 0);
        let [a, b, c] = std::array::from_fn(|_| tokens.issue().digest());
        let mut seat = SeatTokens::new(Some(a));
        tokens.hold(&seat, CONN);
        tokens.renew(&mut seat, a, Some(b));
        tokens.hold(&seat, CONN);
        assert_eq!((tokens.holder(a), tokens.holder(b)), (Some(CONN), Some(CONN)));
        // `a` is used again: the answer with `b` was lost, or this was asked before it came.
        tokens.renew(&mut seat, a, Some(c));
        tokens.hold(&seat, CONN);
        assert_eq!([a, b, c].map(|token| tokens.holder(token)), [Some(CONN); 3]);
        assert!(seat.is_unconfirmed());
        tokens.confirm(&mut seat);
        assert_eq!([a, b, c].map(|token| tokens.holder(token)), [None, None, Some(CONN)]);
        assert!(!seat.is_unconfirmed());
        tokens.void(&seat);
        assert_eq!(tokens.held(), 0);
    }

    #[test]
    fn whoever_uses_the_newest_has_it() {
        let mut tokens = Tokens::new([7; 32], 0);
        let [a, b, c] = std::array::from_fn(|_| tokens.issue().digest());
        let mut seat = SeatTokens::new(Some(a));
        tokens.renew(&mut seat, a, Some(b));
        tokens.hold(&seat, CONN);
        tokens.renew(&mut seat, b, Some(c));
        tokens.hold(&seat, CONN);
        assert_eq!((tokens.holder(a), tokens.holder(b), tokens.holder(c)), (None, Some(CONN), Some(CONN)));
    }

    #[test]
    fn however_often_one_is_used_again_few_are_held() {
        let mut tokens = Tokens::new([7; 32], 0);
        let used = tokens.issue().digest();
        let mut seat = SeatTokens::new(Some(used));
        for _ in 0..20 {
            let newest = tokens.issue().digest();
            tokens.renew(&mut seat, used, Some(newest));
            tokens.hold(&seat, CONN);
            assert_eq!((tokens.holder(used), tokens.holder(newest)), (Some(CONN), Some(CONN)));
            assert_eq!(tokens.held(), seat.valid().count());
        }
        assert_eq!(tokens.held(), limits::RESUME_TOKENS + 1);
    }

    #[test]
    fn whoever_has_not_heard_of_a_new_session_is_told_of_it_again() {
        let mut tokens = Tokens::new([7; 32], 0);
        let [a, b, c, d, e] = std::array::from_fn(|_| tokens.issue().digest());
        let mut seat = SeatTokens::new(Some(a));
        let heard = |seat: &SeatTokens, all: &[TokenDigest]| -> Vec<bool> {
            all.iter().map(|token| !seat.is_of_before(*token)).collect()
        };
        seat.begin_anew(a, Some(b));
        assert_eq!(heard(&seat, &[a, b]), [false, true]);
        seat.begin_anew(a, Some(c));
        assert_eq!(heard(&seat, &[a, b, c]), [false, false, true], "that of `b` is over");
        tokens.renew(&mut seat, c, Some(d));
        tokens.renew(&mut seat, c, Some(e));
        assert_eq!(heard(&seat, &[c, d, e]), [true; 3]);
        seat.begin_anew(c, Some(a));
        tokens.confirm(&mut seat);
        assert_eq!(seat.valid().collect::<Vec<_>>(), [a]);
        assert_eq!(heard(&seat, &[a, c]), [true; 2]);
    }

    #[test]
    fn what_outlived_a_restart_ends_with_its_time_or_its_player() {
        let mut tokens = Tokens::new([7; 32], 0);
        let digests: [_; 4] = std::array::from_fn(|_| tokens.issue().digest());
        let of = |player, expires| Survivor {
            game: GameId(0),
            account: AccountId(1),
            player,
            name: Username::new("Ann").expect("a name"),
            login: None,
            ip: None,
            expires: WallMs(expires),
        };
        let [one, other] = [1, 2].map(|id| Some(PlayerId(id)));
        let whose = [of(one, 10), of(one, 10), of(other, 5), of(None, 10)];
        for (digest, survivor) in digests.into_iter().zip(whose) {
            tokens.keep_survivor(digest, survivor);
        }
        let finds = |tokens: &Tokens, at: usize, game, wall| {
            tokens.survivor(digests[at], GameId(game), WallMs(wall)).is_some()
        };
        assert!(finds(&tokens, 0, 0, 9) && !finds(&tokens, 0, 0, 10) && !finds(&tokens, 0, 1, 9));
        assert!(tokens.awaits(GameId(0), PlayerId(1)) && !tokens.awaits(GameId(1), PlayerId(1)));
        assert_eq!((tokens.survivors(WallMs(4)).len(), tokens.survivors(WallMs(5)).len()), (4, 3));
        tokens.spend_survivors(GameId(0), AccountId(1), one);
        assert!(!tokens.awaits(GameId(0), PlayerId(1)));
        assert!(!finds(&tokens, 0, 0, 9) && !finds(&tokens, 1, 0, 9) && finds(&tokens, 2, 0, 4));
        assert!(!finds(&tokens, 3, 0, 9), "whose it is is not known");
        tokens.sweep(WallMs(5));
        assert!(tokens.survivors.is_empty());
    }
}
