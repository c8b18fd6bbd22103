//! What a client keeps so that it can come back to its player after the connection was lost: the newest token, and the
//! last messages that it sent, until the server says how many it has taken.
//!
//! A client tells it of every message ([`Resumption::send`]), of every loss ([`Resumption::lose`]) and of every
//! `auth_response` ([`Resumption::enter`]), and asks it for what a new connection begins with ([`Resumption::request`]).
//! What has to be sent again goes in turns, slower than a server's `message_rate`: [`Resumption::first_turn`] at once,
//! [`Resumption::turn`] whenever its time has come; what is sent meanwhile waits behind it. It never writes to a connection,
//! reads no clock and knows no batch: which one was seen last is its owner's to know.
//!
//! **Invariant:** the kept messages are the player's newest in their order, at most [`RESEND_MESSAGES`]; the first `gone` of
//! them have gone to the server, as the last of the `sent` that ever went, and the others wait. A message that never went
//! has no number, for the server cannot count it. An `auth_request` is none of them: it belongs to its connection.

use super::code::Code;
use super::control::{AuthResponse, Resume};
use crate::limits::{RESEND_AT_ONCE, RESEND_MESSAGES, RESEND_PAUSE};
use crate::time::Time;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;

/// One player's way back.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Resumption {
    token: Option<String>,
    /// Messages that have gone to the server, as it counts them.
    sent: u64,
    kept: VecDeque<Kept>,
    /// How many of those kept have gone, the oldest ones.
    gone: usize,
    /// The connection is lost, and no other was let in yet.
    is_away: bool,
    /// When the next turn is; unknown until somebody tells the time.
    next_turn: Option<Time>,
    /// Messages that the server never takes.
    lost: u64,
}

/// One message.
#[derive(Clone, PartialEq, Eq)]
struct Kept {
    /// Of those of one stream only the newest is worth sending again.
    stream: Option<u32>,
    /// As it stood in its frame.
    message: Box<[u8]>,
}

/// A server says that it has taken more messages of a player than the player has sent: its own fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Miscounted {
    /// What the server says.
    pub received: u64,
    /// What was sent.
    pub sent: u64,
}

impl Resumption {
    /// A new player is asked for: what an earlier one had sent is forgotten.
    pub fn begin(&mut self) {
        *self = Resumption::default();
    }

    /// Takes note of a message of the player, as it stands in its frame; `stream`: should it have to be sent again, only the
    /// newest of that stream will be. Whether it is to be sent now; otherwise it waits for its turn.
    #[must_use = "what waits must not be sent"]
    pub fn send(&mut self, message: &[u8], stream: Option<u32>) -> bool {
        let goes = !self.is_away && self.gone == self.kept.len();
        self.kept.push_back(Kept { stream, message: message.into() });
        (self.gone, self.sent) = (self.gone + usize::from(goes), self.sent + u64::from(goes));
        if self.kept.len() > RESEND_MESSAGES {
            self.kept.pop_front();
            // Whether one that has gone was taken, the server will say; one that has not will never be.
            self.lost += u64::from(self.gone == 0);
            self.gone = self.gone.saturating_sub(1);
        }
        goes
    }

    /// The connection is lost: whatever is sent waits, until another is let in.
    pub fn lose(&mut self) {
        (self.is_away, self.next_turn) = (true, None);
    }

    /// Whether the connection is lost and no other was let in yet.
    pub fn is_away(&self) -> bool {
        self.is_away
    }

    /// The client is in: as somebody new, or again. [`Resumption::first_turn`] comes next.
    ///
    /// # Errors
    /// The server has taken more than was sent. Nothing waits then, and the token is forgotten.
    pub fn enter(&mut self, response: &AuthResponse) -> Result<(), Miscounted> {
        let comes_back = std::mem::replace(&mut self.token, response.resume_token.clone()).is_some();
        (self.is_away, self.next_turn) = (false, None);
        if !response.resumed {
            // A restart has ended that player, and whether what it sent was taken nobody knows: twice is worse than
            // never. What a newcomer has sent behind its `auth_request` is on its way.
            if comes_back {
                (self.sent, self.gone, self.kept) = (0, 0, VecDeque::new());
            }
            return Ok(());
        }
        let Miscounted { received, sent } = Miscounted { received: response.received, sent: self.sent };
        let Some(missing) = sent.checked_sub(received) else {
            self.begin();
            return Err(Miscounted { received, sent });
        };
        let held = usize::try_from(missing).unwrap_or(usize::MAX).min(self.gone);
        self.lost += missing - held as u64;
        self.kept.drain(..self.gone - held);
        // What goes again has a new number: the server counts on from what it has taken.
        (self.sent, self.gone) = (received, 0);
        self.keep_newest();
        Ok(())
    }

    /// Of each stream only the newest message stays: a walk that is told all at once would be too fast for anybody.
    fn keep_newest(&mut self) {
        let mut newer = BTreeSet::new();
        let is_newest: Vec<bool> = self
            .kept
            .iter()
            .rev()
            .map(|kept| kept.stream.is_none_or(|stream| newer.insert(stream)))
            .collect();
        let mut is_newest = is_newest.into_iter().rev();
        self.kept.retain(|_| is_newest.next().unwrap_or(true));
    }

    /// The player is gone, or will be: there is no way back, and nothing is kept for it.
    pub fn end(&mut self) {
        (self.token, self.kept, self.gone) = (None, VecDeque::new(), 0);
    }

    /// Whether there is a way back.
    pub fn is_possible(&self) -> bool {
        self.token.is_some()
    }

    /// What a new connection asks for, `seq` being the number of the last batch that was seen; `None`: there is no way
    /// back.
    pub fn request(&self, seq: u64) -> Option<Resume> {
        self.token.clone().map(|token| Resume { token, seq })
    }

    /// The messages that are to be sent right behind an [`enter`](Self::enter), in order; what more there is goes with
    /// [`Resumption::turn`].
    pub fn first_turn(&mut self) -> impl Iterator<Item = &[u8]> {
        self.go(RESEND_AT_ONCE)
    }

    /// The messages whose turn has come by `now`, to be sent in order. The first call only tells the time.
    pub fn turn(&mut self, now: Time) -> impl Iterator<Item = &[u8]> {
        let is_due = self.next_turn.is_some_and(|at| now >= at);
        if self.waits() && (is_due || self.next_turn.is_none()) {
            self.next_turn = Some(now + RESEND_PAUSE);
        }
        self.go(if is_due { RESEND_AT_ONCE } else { 0 })
    }

    /// When [`Resumption::turn`] has something next; `None`: nothing waits, or nobody has told the time yet.
    pub fn turn_at(&self) -> Option<Time> {
        self.next_turn.filter(|_| self.waits())
    }

    /// Whether messages wait for their turn on the present connection.
    pub fn waits(&self) -> bool {
        !self.is_away && self.gone < self.kept.len()
    }

    fn go(&mut self, most: usize) -> impl Iterator<Item = &[u8]> {
        let from = self.gone;
        let count = if self.is_away { 0 } else { most.min(self.kept.len() - from) };
        (self.gone, self.sent) = (from + count, self.sent + count as u64);
        self.kept.range(from..from + count).map(|kept| &*kept.message)
    }

    /// Writes every kept message anew: the next connection speaks another encoding.
    pub fn recode(&mut self, mut recoded: impl FnMut(&[u8]) -> Vec<u8>) {
        for kept in &mut self.kept {
            kept.message = recoded(&kept.message).into();
        }
    }

    /// How many messages of the player have gone to the server, as far as it counts them.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many messages the server has not taken and never will: more were on their way, or waited, than are kept.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Bytes of the messages that are kept.
    pub fn buffered(&self) -> usize {
        self.kept.iter().map(|kept| kept.message.len()).sum()
    }
}

impl fmt::Debug for Resumption {
    /// Never shows the token, nor what was said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resumption")
            .field("is_possible", &self.is_possible())
            .field("sent", &self.sent)
            .field("kept", &self.kept.len())
            .field("lost", &self.lost)
            .finish()
    }
}

/// Whether a connection that the server closed with this code leaves its player in the world for a while. One that ends
/// without a Close frame does.
pub fn leaves_player(close: Option<u16>) -> bool {
    let losses = [Code::IdleTimeout, Code::SlowConsumer, Code::Shutdown];
    close.is_some() && losses.iter().any(|code| code.close_code() == close)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(resumed: bool, received: u64) -> AuthResponse {
        let resume_token = Some("token".to_owned());
        AuthResponse { resume_token, resumed, received, ..AuthResponse::default() }
    }

    /// Sends a message of its own.
    fn say(resumption: &mut Resumption, message: &[u8]) -> bool {
        resumption.send(message, None)
    }

    /// What goes again at once.
    fn again(resumption: &mut Resumption) -> Vec<Vec<u8>> {
        resumption.first_turn().map(<[u8]>::to_vec).collect()
    }

    /// The line is lost, and another is let in.
    fn come_back(resumption: &mut Resumption, received: u64) -> Vec<Vec<u8>> {
        resumption.lose();
        resumption.enter(&response(true, received)).unwrap();
        again(resumption)
    }

    #[test]
    fn what_was_not_taken_goes_again_in_order() {
        let mut resumption = Resumption::default();
        assert_eq!((resumption.is_possible(), resumption.request(1)), (false, None));
        resumption.enter(&response(false, 0)).unwrap();
        (1..=5).for_each(|n| assert!(say(&mut resumption, &[n])));
        assert_eq!(resumption.request(9), Some(Resume { token: "token".to_owned(), seq: 9 }));
        assert_eq!(come_back(&mut resumption, 3), [[4], [5]]);
        assert!(say(&mut resumption, &[6]));
        // Lost again before anything arrived.
        assert_eq!((come_back(&mut resumption, 3), resumption.sent()), (vec![vec![4], vec![5], vec![6]], 6));
        assert!(come_back(&mut resumption, 6).is_empty());
        assert_eq!((resumption.lost(), resumption.buffered()), (0, 0));
        resumption.end();
        assert_eq!(resumption.request(9), None);
    }

    #[test]
    fn what_waits_goes_in_turns_that_a_server_takes() {
        let mut resumption = Resumption::default();
        resumption.enter(&response(false, 0)).unwrap();
        resumption.lose();
        (0..50).for_each(|n| assert!(!say(&mut resumption, &[n]), "nobody is there to take it"));
        assert_eq!((again(&mut resumption).len(), resumption.turn_at()), (0, None));
        assert_eq!(come_back(&mut resumption, 0).len(), RESEND_AT_ONCE);
        assert!(!say(&mut resumption, &[50]), "it waits behind the others");
        let turn = |resumption: &mut Resumption, ms| -> Vec<u8> {
            resumption.turn(Time::from_millis(ms)).map(|message| message[0]).collect()
        };
        // The first call only tells the time.
        assert_eq!(
            (turn(&mut resumption, 70).len(), resumption.turn_at()),
            (0, Some(Time::from_millis(570)))
        );
        assert_eq!(turn(&mut resumption, 569), [0; 0]);
        assert_eq!(turn(&mut resumption, 570), (20..40).collect::<Vec<u8>>());
        assert_eq!(turn(&mut resumption, 600), [0; 0]);
        assert_eq!(turn(&mut resumption, 2000), (40..=50).collect::<Vec<u8>>());
        assert_eq!((resumption.turn_at(), resumption.sent()), (None, 51));
        assert!(say(&mut resumption, &[51]), "nothing waits any more");
    }

    #[test]
    fn of_a_stream_only_the_newest_goes_again() {
        let mut resumption = Resumption::default();
        resumption.enter(&response(false, 0)).unwrap();
        let said = [(1, Some(7)), (2, None), (3, Some(8)), (4, Some(7)), (5, None)];
        said.iter().for_each(|(n, stream)| assert!(resumption.send(&[*n], *stream)));
        assert_eq!(come_back(&mut resumption, 1), [[2], [3], [4], [5]]);
        assert!(resumption.send(&[6], Some(7)));
        assert_eq!(come_back(&mut resumption, 1), [[2], [3], [5], [6]]);
        assert_eq!(
            (resumption.sent(), resumption.lost()),
            (5, 0),
            "what is left out has no number, and is not lost"
        );
        assert!(come_back(&mut resumption, 5).is_empty());
    }

    #[test]
    fn only_the_last_ones_are_kept_and_the_others_are_counted() {
        let mut resumption = Resumption::default();
        resumption.enter(&response(false, 0)).unwrap();
        let sent = RESEND_MESSAGES as u64 + 10;
        (0..sent).for_each(|n| assert!(say(&mut resumption, &n.to_be_bytes())));
        assert_eq!(come_back(&mut resumption, 4)[0], 10_u64.to_be_bytes());
        assert_eq!(resumption.lost(), 6);
        // Twenty have gone. Of the others one is pushed out, which never went.
        (0..RESEND_AT_ONCE + 1).for_each(|_| assert!(!say(&mut resumption, b"late")));
        assert_eq!((resumption.lost(), resumption.sent()), (7, 4 + RESEND_AT_ONCE as u64));
    }

    /// The server counts on from what it has taken: what it never gets is in nobody's count.
    #[test]
    fn after_a_loss_of_messages_nothing_goes_twice() {
        let mut resumption = Resumption::default();
        resumption.enter(&response(false, 0)).unwrap();
        (0..RESEND_MESSAGES + 30).for_each(|n| assert!(say(&mut resumption, &n.to_be_bytes())));
        let mut taken = come_back(&mut resumption, 0).len() as u64;
        for pause in 0..20 {
            taken += resumption.turn(Time::from_millis(500 * pause)).count() as u64;
        }
        assert_eq!((taken, resumption.lost()), (RESEND_MESSAGES as u64, 30));
        assert!(come_back(&mut resumption, taken).is_empty(), "all of it was taken");
    }

    #[test]
    fn what_is_kept_can_be_written_anew() {
        let mut resumption = Resumption::default();
        resumption.enter(&response(false, 0)).unwrap();
        (1..=3).for_each(|n| assert!(say(&mut resumption, &[n])));
        resumption.recode(|message| vec![message[0]; 2]);
        assert_eq!(come_back(&mut resumption, 1), [[2, 2], [3, 3]]);
    }

    #[test]
    fn a_player_that_a_restart_has_ended_is_owed_nothing_and_counts_anew() {
        let mut resumption = Resumption::default();
        resumption.begin();
        assert!(say(&mut resumption, b"behind the request"));
        resumption.enter(&response(false, 0)).unwrap();
        assert_eq!(resumption.sent(), 1);
        resumption.lose();
        resumption.enter(&response(false, 0)).unwrap();
        assert_eq!((again(&mut resumption).len(), resumption.sent(), resumption.is_possible()), (0, 0, true));
    }

    #[test]
    fn a_server_that_has_taken_more_than_there_was_is_found_out() {
        let mut resumption = Resumption::default();
        resumption.enter(&response(false, 0)).unwrap();
        assert!(say(&mut resumption, b"one"));
        assert_eq!(resumption.enter(&response(true, 2)), Err(Miscounted { received: 2, sent: 1 }));
        assert!(!resumption.is_possible());
    }

    #[test]
    fn three_closes_leave_the_player() {
        let leaving = (0..5000).filter(|code| leaves_player(Some(*code)));
        assert_eq!(leaving.collect::<Vec<u16>>(), [1001, 4009, 4015]);
        assert!(!leaves_player(None));
    }
}
