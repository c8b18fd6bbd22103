//! When the sockets were last looked at and an answer was not there yet: how long it took at least.
//!
//! Whoever reads an answer knows when it was read, not when it came. It had not come at any moment of which all that was
//! there by then was read before it. Two things tell of such moments:
//!
//! - A poll that tells of fewer sockets than it may has told of all that had something when it was asked.
//! - The system tells of sockets in the order in which something came for them, and each waits in that queue at one place
//!   (epoll and kqueue do so). One that is told of again came back into the queue after it was told of before, so behind
//!   all that were in it when that poll was asked. This holds where so much comes that no poll is ever short.
//!
//! [`Looks`] keeps the latest such moment. It is never too late, so a time reckoned with it is never too long; where a ping
//! is younger than it, that time is zero.

use crate::time::Time;

/// The latest moment at which what is read now was not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looks {
    latest: Time,
}

impl Looks {
    /// Nothing is there before `now`.
    pub(super) fn begin(now: Time) -> Looks {
        Looks { latest: now }
    }

    /// That moment.
    pub(super) fn latest(&self) -> Time {
        self.latest
    }

    /// A socket can be read that could be read before, by a poll that was asked at `before`. To be said in the order of
    /// the events, and before anything is read.
    pub(super) fn again(&mut self, before: Time) {
        self.latest = self.latest.max(before);
    }

    /// All that a poll told of was read, and that was all that was there when it was asked.
    pub(super) fn emptied(&mut self, asked: Time) {
        self.latest = self.latest.max(asked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    /// Events that one poll of the model takes at most.
    const EVENTS: usize = 4;

    /// The system's queue of sockets that have something, and since when each has; a clock that goes on with each call.
    #[derive(Default)]
    struct Model {
        now: u64,
        queue: VecDeque<usize>,
        came: Vec<Option<Time>>,
        told: Vec<Time>,
    }

    impl Model {
        fn tick(&mut self) -> Time {
            self.now += 1;
            Time::from_micros(self.now)
        }

        fn arrive(&mut self, socket: usize) {
            let at = self.tick();
            if self.came[socket].is_none() {
                self.came[socket] = Some(at);
                self.queue.push_back(socket);
            }
        }

        /// Asks, and serves what is told; `between` comes while it does. For each socket read: since when it had
        /// something, and the latest look.
        fn poll(&mut self, looks: &mut Looks, between: &[usize]) -> Vec<(Time, Time)> {
            let asked = self.tick();
            let told: Vec<usize> = self.queue.drain(..self.queue.len().min(EVENTS)).collect();
            // What is told of is out of the queue: it comes back in as soon as more comes for it.
            let came: Vec<Time> = told.iter().map(|&socket| self.came[socket].take().unwrap()).collect();
            between.iter().for_each(|&socket| self.arrive(socket));
            let mut read = Vec::new();
            for (&socket, came) in told.iter().zip(came) {
                looks.again(std::mem::replace(&mut self.told[socket], asked));
                read.push((came, looks.latest()));
            }
            if told.len() < EVENTS {
                looks.emptied(asked);
            }
            read
        }
    }

    fn model(sockets: usize) -> Model {
        Model { came: vec![None; sockets], told: vec![Time::START; sockets], ..Model::default() }
    }

    proptest! {
        /// Whatever comes when: nothing that is read was there at the latest look.
        #[test]
        fn a_look_is_never_too_late(turns in prop::collection::vec(prop::collection::vec(0usize..16, 0..12), 1..60)) {
            let (mut model, mut looks) = (model(16), Looks::begin(Time::START));
            for between in &turns {
                for (came, looked) in model.poll(&mut looks, between) {
                    prop_assert!(looked < came, "there since {came:?}, looked at {looked:?}");
                }
            }
        }
    }

    /// Each poll is full for ever, as with bots that have no core to themselves: the look stays one round behind.
    #[test]
    fn a_look_goes_on_where_no_poll_is_short() {
        let (mut model, mut looks) = (model(16), Looks::begin(Time::START));
        (0..16).for_each(|socket| model.arrive(socket));
        let mut next = 0;
        for _ in 0..100 {
            let between: Vec<usize> = (next..next + EVENTS).map(|socket| socket % 16).collect();
            next += EVENTS;
            assert_eq!(model.poll(&mut looks, &between).len(), EVENTS);
        }
        let behind = Time::from_micros(model.now).since(looks.latest());
        assert!(behind.as_micros() <= 30, "of {} in all: {behind:?}", model.now);
    }
}
