//! Who lingers: connections whose half of the stream we have ended, until the peer ends its own.
//!
//! Closing a socket with unread input makes the kernel send a reset, and a reset makes the peer's kernel throw away
//! what the peer had not yet read: the reason for the close would be lost. So the input is discarded for a while
//! first. RFC 9112 section 9.6: "the server SHOULD perform a lingering close", as servers do for HTTP; a WebSocket
//! peer that is still sending when it is closed needs the same.

use crate::ids::ConnId;
use crate::limits::LINGER_TIME;
use crate::time::Time;
use std::collections::VecDeque;

/// Lingering connections in the order of their deadlines: all get the same time, so that is the order in which they
/// came. Those who have gone meanwhile are passed over.
#[derive(Default)]
pub(super) struct Linger {
    queue: VecDeque<(Time, ConnId)>,
}

impl Linger {
    /// Lets a connection linger from now on.
    pub(super) fn push(&mut self, conn: ConnId, now: Time) {
        self.queue.push_back((now + LINGER_TIME, conn));
    }

    /// When the first of those who are still there must go.
    pub(super) fn deadline(&mut self, still_there: impl Fn(ConnId) -> bool) -> Option<Time> {
        while let Some(&(deadline, conn)) = self.queue.front() {
            if still_there(conn) {
                return Some(deadline);
            }
            self.queue.pop_front();
        }
        None
    }

    /// Takes the next one whose time is up; it may be gone already.
    pub(super) fn expired(&mut self, now: Time) -> Option<ConnId> {
        let &(deadline, conn) = self.queue.front()?;
        (deadline <= now).then(|| {
            self.queue.pop_front();
            conn
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnId = ConnId { slot: 0, generation: 0 };
    const B: ConnId = ConnId { slot: 1, generation: 0 };

    #[test]
    fn each_has_its_time_and_the_gone_do_not_wake_the_loop() {
        let mut linger = Linger::default();
        linger.push(A, Time::from_millis(10));
        linger.push(B, Time::from_millis(30));
        let first = Time::from_millis(10) + LINGER_TIME;
        assert_eq!(linger.deadline(|_| true), Some(first));
        assert_eq!(linger.expired(first - std::time::Duration::from_millis(1)), None);
        assert_eq!(linger.deadline(|conn| conn != A), Some(Time::from_millis(30) + LINGER_TIME));
        assert_eq!(linger.expired(first), None, "A was passed over");
        assert_eq!(linger.expired(Time::from_millis(30) + LINGER_TIME), Some(B));
        assert_eq!(linger.deadline(|_| true), None);
    }
}
