//! What a client keeps so that it can come back to its player after the connection was lost: the newest token, and the
//! last messages that it sent, until the server says how many it has taken.
//!
//! A client tells it of every message ([`Resumption::send`]) and of every `auth_response` ([`Resumption::enter`]), asks it
//! for what a new connection begins with ([`Resumption::request`]), and sends again what [`Resumption::owed`] gives. It
//! never writes to a connection and knows no batch: which one was seen last is its owner's to know.
//!
//! **Invariant:** messages are counted from the player's first, over all its connections and whatever became of them; the
//! kept ones are the newest, in order and without a gap, at most [`RESEND_MESSAGES`]. An `auth_request` is none of them:
//! it belongs to its connection.

use super::code::Code;
use super::control::{AuthResponse, Resume};
use crate::limits::RESEND_MESSAGES;
use std::collections::VecDeque;
use std::fmt;

/// One player's way back.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Resumption {
    token: Option<String>,
    /// Messages that the player has sent.
    sent: u64,
    /// The newest of them, each as it stood in its frame.
    kept: VecDeque<Box<[u8]>>,
    /// Messages that the server had not taken when they were no longer kept.
    lost: u64,
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

    /// Takes note of a message of the player, as it stands in its frame.
    pub fn send(&mut self, message: &[u8]) {
        if self.kept.len() == RESEND_MESSAGES {
            self.kept.pop_front();
        }
        self.kept.push_back(message.into());
        self.sent += 1;
    }

    /// The client is in: as somebody new, or again. What is [`owed`](Self::owed) afterwards is to be sent, in order and
    /// before anything else.
    ///
    /// # Errors
    /// The server has taken more than was sent. Nothing is owed then, and the token is forgotten.
    pub fn enter(&mut self, response: &AuthResponse) -> Result<(), Miscounted> {
        let comes_back = std::mem::replace(&mut self.token, response.resume_token.clone()).is_some();
        if !response.resumed {
            // A restart has ended that player, and whether what it sent was taken nobody knows: twice is worse than
            // never. What a newcomer has sent behind its `auth_request` is on its way.
            if comes_back {
                (self.sent, self.kept) = (0, VecDeque::new());
            }
            return Ok(());
        }
        let Miscounted { received, sent } = Miscounted { received: response.received, sent: self.sent };
        let Some(missing) = sent.checked_sub(received) else {
            self.begin();
            return Err(Miscounted { received, sent });
        };
        let kept = usize::try_from(missing).unwrap_or(usize::MAX).min(self.kept.len());
        self.lost += missing - kept as u64;
        self.kept.drain(..self.kept.len() - kept);
        Ok(())
    }

    /// The player is gone, or will be: there is no way back, and nothing is kept for it.
    pub fn end(&mut self) {
        (self.token, self.kept) = (None, VecDeque::new());
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

    /// The messages that are kept, oldest first: right behind [`Resumption::enter`] on a resumed player those that the
    /// server has not taken.
    pub fn owed(&self) -> impl Iterator<Item = &[u8]> {
        self.kept.iter().map(|message| &**message)
    }

    /// How many messages the player has sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many of them the server has not taken and never will: more were on their way than are kept.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Bytes of the messages that are kept.
    pub fn buffered(&self) -> usize {
        self.kept.iter().map(|message| message.len()).sum()
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

    fn owed(resumption: &Resumption) -> Vec<Vec<u8>> {
        resumption.owed().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn what_was_not_taken_is_owed_in_order() {
        let mut resumption = Resumption::default();
        assert_eq!((resumption.is_possible(), resumption.request(1)), (false, None));
        resumption.enter(&response(false, 0)).unwrap();
        (1..=5).for_each(|n| resumption.send(&[n]));
        assert_eq!(resumption.request(9), Some(Resume { token: "token".to_owned(), seq: 9 }));
        resumption.enter(&response(true, 3)).unwrap();
        assert_eq!(owed(&resumption), [[4], [5]]);
        resumption.send(&[6]);
        // Lost again before anything arrived.
        resumption.enter(&response(true, 3)).unwrap();
        assert_eq!((owed(&resumption), resumption.sent()), (vec![vec![4], vec![5], vec![6]], 6));
        resumption.enter(&response(true, 6)).unwrap();
        assert_eq!((resumption.owed().count(), resumption.lost(), resumption.buffered()), (0, 0, 0));
        resumption.end();
        assert_eq!(resumption.request(9), None);
    }

    #[test]
    fn only_the_last_ones_are_kept_and_the_others_are_counted() {
        let mut resumption = Resumption::default();
        resumption.enter(&response(false, 0)).unwrap();
        let sent = RESEND_MESSAGES as u64 + 10;
        (0..sent).for_each(|n| resumption.send(&n.to_be_bytes()));
        resumption.enter(&response(true, 4)).unwrap();
        assert_eq!((resumption.owed().count(), resumption.lost()), (RESEND_MESSAGES, 6));
        assert_eq!(owed(&resumption)[0], 10_u64.to_be_bytes());
    }

    #[test]
    fn a_player_that_a_restart_has_ended_is_owed_nothing_and_counts_anew() {
        let mut resumption = Resumption::default();
        resumption.begin();
        resumption.send(b"behind the request");
        resumption.enter(&response(false, 0)).unwrap();
        assert_eq!(resumption.sent(), 1);
        resumption.enter(&response(false, 0)).unwrap();
        assert_eq!((resumption.owed().count(), resumption.sent(), resumption.is_possible()), (0, 0, true));
    }

    #[test]
    fn a_server_that_has_taken_more_than_there_was_is_found_out() {
        let mut resumption = Resumption::default();
        resumption.enter(&response(false, 0)).unwrap();
        resumption.send(b"one");
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
