//! How a run ends: everybody falls quiet and knows what it was told, all are made to leave, everything is saved, nothing is
//! left, and the log gives it all again.

use super::run::{Sim, engine};
use super::scenario::{Carriage, Conduct, Fate, Scenario, Settled, World};
use super::turn::Link;
use crate::limits::SAVE_INTERVAL;
use crate::time::Tick;
use std::time::Duration;

/// How long it may take until everything is saved: two rounds of saving, in whichever the disk had failed last.
const SAVING: Duration = Duration::from_secs(2 * SAVE_INTERVAL.as_secs() + 5);

impl<S: Scenario> Sim<S> {
    /// From now on everybody only listens, over a line that holds.
    pub(super) fn fall_quiet(&mut self) {
        let now = self.shell.now();
        for link in &mut self.links {
            link.client.fall_quiet();
            if let Some(cuts) = &mut link.cuts {
                cuts.end(now);
            }
        }
    }

    /// Everybody who is well and had the time has heard everything, and knows what it was told last.
    pub(super) fn check_quiet(&mut self) -> Result<(), String> {
        let Sim { links, shell, checks, scenario, game, plan, tick, .. } = self;
        let tick = *tick;
        let well = |link: &&mut Link<S>| {
            link.alive
                && !link.silent
                && !link.has_read_all
                && link.carriage == Carriage::Prompt
                && link.client.conduct == Conduct::Honest
                && link.client.is_in()
                && !link.client.is_away()
                && !link.client.has_left()
        };
        if let Some(lost) = links.iter().find(|link| link.alive && link.is_lost_for_good()) {
            return Err(format!("client {} has a line, and does not come back", lost.name));
        }
        let in_a_second =
            (Duration::from_secs(1).as_micros() / plan.engine.tick_rate.interval().as_micros()) as u64;
        let a_second_ago = Tick(tick.0.saturating_sub(in_a_second));
        let mut settled = Vec::new();
        for link in links.iter_mut().filter(well) {
            link.is_settled = true;
            let Some(player) = link.client.reader.player() else { continue };
            checks.all_heard(player, a_second_ago)?;
            settled.push((player, link.client.script()));
        }
        let settle =
            |(player, script)| Settled { player, script, under_way: checks.under_way(player, a_second_ago) };
        let people: Vec<_> = settled.into_iter().map(settle).collect();
        scenario.is_quiet(&World { engine: shell.engine(), game: *game, tick, told: &[] }, &people)
    }

    /// Who waits for the disk is given the time that it may take: until what it does first is done, then what was asked, and
    /// then until its answer is told, each of which may stall.
    pub(super) fn await_replies(&mut self) -> Result<(), String> {
        let stalls = self.disk.as_ref().map_or(Duration::ZERO, |_| 3 * self.plan.faults.disk.longest);
        let limit = self.shell.now() + stalls;
        while self.shell.now() < limit && self.check_replies().is_err() {
            self.step()?;
        }
        Ok(())
    }

    /// Everybody who is well and had the time has got an answer to everything.
    pub(super) fn check_replies(&self) -> Result<(), String> {
        for link in &self.links {
            let well = link.alive && !link.silent && link.carriage == Carriage::Prompt && !link.has_read_all;
            if well
                && link.client.conduct == Conduct::Honest
                && link.client.is_in()
                && link.fate == Fate::Stays
            {
                let unanswered: Vec<u32> = link.client.reader.unanswered().collect();
                if !unanswered.is_empty() && !link.client.has_left() {
                    return Err(format!("client {}: {unanswered:?} were not answered", link.name));
                }
            }
        }
        Ok(())
    }

    /// Makes everybody leave: the server says so, or all go by themselves. Whether it is the server.
    pub(super) fn dismiss(&mut self) -> bool {
        let now = self.shell.now();
        self.sweep_remains();
        if self.chance.chance(0.5) {
            self.trace(|| "the server drains".to_owned());
            self.shell.engine_mut().drain(now);
            self.shell.attend(usize::MAX);
            return true;
        }
        self.trace(|| "everybody leaves".to_owned());
        for link in &mut self.links {
            if link.silent {
                link.up.reset(now, &mut self.chance);
                link.alive = false;
            }
            link.fate_at = now;
            link.fate = match link.client.conduct {
                Conduct::Honest if link.carriage == Carriage::Prompt && link.client.is_in() => Fate::Quits,
                _ => Fate::Resets,
            };
        }
        false
    }

    /// The games hear of the last departures, and everything that was saved comes to the disk, which is well again.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        if let Some(disk) = &mut self.disk {
            disk.heal();
        }
        // Who was lost is there until its grace is over.
        let limit = self.shell.now() + SAVING + self.plan.engine.session.resume_grace;
        loop {
            self.shell.advance(self.shell.deadline());
            self.remains();
            self.carry();
            if let Some(advanced) = self.shell.tick() {
                self.serve(advanced.tick)?;
            }
            if self.shell.engine().is_settled() && self.shell.engine().lingering() == 0 {
                return Ok(());
            }
            if self.shell.now() > limit {
                return Err("errands are still under way, or something is not saved".to_owned());
            }
        }
    }

    /// Nothing and nobody is left.
    pub(super) fn check_drained(&mut self) -> Result<(), String> {
        let engine = self.shell.engine();
        let members = engine.members(self.game).count();
        let left = [engine.connections(), engine.players(), members, engine.memory()];
        if left != [0; 4] {
            return Err(format!("connections, players, members and bytes that are left: {left:?}"));
        }
        Ok(())
    }

    /// The log, fed to a fresh engine, gives the same packets to the same players.
    pub(super) fn replay(&mut self) -> Result<(), String> {
        let log = self.shell.engine_mut().take_record();
        self.report.taken = self.checks.all_taken(self.game, &log)?;
        self.checks.all_expired(&log)?;
        let (mut fresh, _) = engine(&self.plan, &mut self.scenario);
        self.report.replayed = self.checks.replay(&mut fresh, &log)?;
        if self.report.cuts > 0 && self.scenario.is_blind_to_losses() {
            let (mut twin, _) = engine(&self.plan, &mut self.scenario);
            self.report.twinned = self.checks.twin(&mut twin, &log)?;
        }
        Ok(())
    }
}
