//! What holds in every run, whatever the game: the books balance, clients hear what was told them and in that order,
//! and the log replays.
//!
//! What the games say is known from the engine's tap, packet by packet and before any network. What a client hears must
//! be that, in that order; only what may be spared a slow peer may be missing.

use super::client::Said;
use super::fresh::Fresh;
use super::scenario::{Scenario, Told, World};
use crate::engine::{Departure, Engine, Game, Input, Record};
use crate::ids::{GameId, PlayerId};
use crate::limits::{LINGERING_PACKETS, REPLAY_BATCHES, REPLAY_BYTES};
use crate::packet::resumption::leaves_player;
use crate::packet::{BatchHead, Encoding, Packet, Priority, ServerPacket, end, read_batch};
use crate::time::{Tick, Time};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

/// What was told to whom, as bytes.
type Tapped = Vec<(Tick, PlayerId, Vec<u8>)>;

/// The books of one run.
pub(super) struct Checks<G: Game> {
    tapped: Arc<Mutex<Tapped>>,
    /// How much of that has been looked at.
    seen: usize,
    /// What was told since the last tick was over.
    told: Vec<Told<G::Out>>,
    /// What every player is still to hear of its game, when it was told, and in how many bytes.
    due: BTreeMap<PlayerId, VecDeque<(Tick, usize, G::Out)>>,
    /// Who was told everything afresh, and what was said to it in that tick, once something of that was heard.
    fresh: BTreeMap<PlayerId, Option<Fresh<G::Out>>>,
    /// Whose time was over when they came back.
    expired: BTreeSet<PlayerId>,
    /// What players have said, and whether there was time for all of it to be taken.
    said: BTreeMap<PlayerId, (Vec<Said>, bool)>,
}

impl<G: Game<Out: DeserializeOwned + PartialEq + Clone + Debug>> Checks<G> {
    /// Listens to an engine.
    pub(super) fn new(engine: &mut Engine) -> Checks<G> {
        Checks {
            tapped: tap(engine),
            seen: 0,
            told: Vec::new(),
            due: BTreeMap::new(),
            fresh: BTreeMap::new(),
            expired: BTreeSet::new(),
            said: BTreeMap::new(),
        }
    }

    /// A tick is over.
    pub(super) fn tick_over<S: Scenario<Game = G>>(
        &mut self,
        engine: &Engine,
        (game, tick): (GameId, Tick),
        scenario: &mut S,
    ) -> Result<(), String> {
        engine.audit()?;
        self.listen()?;
        let told = std::mem::take(&mut self.told);
        scenario.tick_over(&World { engine, game, tick, told: &told })
    }

    /// Takes note of what was told since the last time.
    fn listen(&mut self) -> Result<(), String> {
        let tapped = self.tapped.lock().unwrap_or_else(PoisonError::into_inner);
        for (tick, player, body) in &tapped[self.seen..] {
            let Packet { re, packet } = decode::<G::Out>(body)
                .map_err(|why| format!("a packet to {player} in tick {tick}: {why}"))?;
            if let ServerPacket::Game(out) = &packet {
                self.due.entry(*player).or_default().push_back((*tick, body.len(), out.clone()));
            }
            self.told.push(Told { player: *player, is_reply: re.is_some(), packet });
        }
        self.seen = tapped.len();
        Ok(())
    }

    /// A client has heard these. All of them were told it, in this order, and only what may be spared is missing: how
    /// many that are.
    pub(super) fn heard(&mut self, player: PlayerId, packets: &[Packet<G::Out>]) -> Result<u64, String> {
        self.listen()?;
        let mut spared = 0;
        let due = self.due.entry(player).or_default();
        for packet in packets {
            let ServerPacket::Game(heard) = &packet.packet else { continue };
            let mut fresh =
                self.fresh.get_mut(&player).map(|fresh| fresh.get_or_insert_with(|| Fresh::first::<G>(due)));
            loop {
                let Some((tick, _, told)) = due.pop_front() else {
                    return Err(format!("{player} heard what it was not told, or not then: {heard:?}"));
                };
                let is_heard = told == *heard;
                let is_reliable = G::priority(&told) != Priority::Low;
                let may_be_void = match fresh.as_mut().filter(|_| is_reliable) {
                    Some(fresh) => fresh
                        .pass(tick, is_heard.then_some(&told))
                        .map_err(|why| format!("{player} {why}"))?,
                    None => false,
                };
                if is_heard {
                    break;
                }
                if is_reliable && !may_be_void {
                    return Err(format!("{player} did not hear {told:?} of tick {tick} before {heard:?}"));
                }
                spared += 1;
            }
        }
        Ok(spared)
    }

    /// So much waits to be heard by a player that a server need not have kept all of it.
    ///
    /// # Errors
    /// It should have.
    pub(super) fn is_much(&mut self, player: PlayerId) -> Result<(), String> {
        let due = self.due.entry(player).or_default();
        // Packets of one tick may be several batches, and others than the game's stand in batches too.
        let ticks = due.iter().map(|(tick, ..)| *tick).collect::<BTreeSet<Tick>>().len();
        let bytes: usize = due.iter().map(|(_, bytes, _)| bytes).sum();
        if ticks > REPLAY_BATCHES / 2 || bytes > REPLAY_BYTES / 2 || due.len() > LINGERING_PACKETS / 2 {
            return Ok(());
        }
        let packets = due.len();
        Err(format!(
            "it was told everything afresh, and has missed {packets} packets of {ticks} ticks, {bytes} bytes"
        ))
    }

    /// A player is told everything afresh, by what the game says after `tick`: what it has not heard before, it never will.
    pub(super) fn afresh(&mut self, player: PlayerId, tick: Tick) {
        self.due.entry(player).or_default().retain(|(told, ..)| *told > tick);
        self.fresh.insert(player, None);
    }

    /// A client was told that its player is gone; whether that is news.
    pub(super) fn expired(&mut self, player: PlayerId) -> bool {
        self.expired.insert(player)
    }

    /// Whoever came back too late had left its game by then, for its connection was lost.
    pub(super) fn all_expired(&self, log: &[Record]) -> Result<(), String> {
        let left: BTreeSet<PlayerId> = log
            .iter()
            .filter_map(|record| match record.read::<G::In>()?.1 {
                Input::Left { player, departure } if is_loss(departure) => Some(player),
                _ => None,
            })
            .collect();
        match self.expired.difference(&left).next() {
            Some(player) => Err(format!("{player} was given up, and did not leave its game for that")),
            None => Ok(()),
        }
    }

    /// A client has heard everything that it was told before `tick`, but for what may be spared.
    pub(super) fn all_heard(&mut self, player: PlayerId, tick: Tick) -> Result<(), String> {
        self.listen()?;
        let fresh = self.fresh.get(&player).and_then(Option::as_ref).filter(|fresh| fresh.tick < tick);
        if let Some(fresh) = fresh {
            fresh.is_whole().map_err(|why| format!("{player} {why}"))?;
        }
        let is_void = |told: Tick| fresh.is_some_and(|fresh| fresh.tick == told);
        let mut due = self.due.entry(player).or_default().iter().filter(|(told, ..)| !is_void(*told));
        match due.find(|(told, _, out)| *told < tick && G::priority(out) != Priority::Low) {
            Some((told, _, out)) => {
                Err(format!("{player} has not heard {out:?} of tick {told} by tick {tick}"))
            }
            None => Ok(()),
        }
    }

    /// What a player was told in `tick` or after it, and has not heard yet.
    pub(super) fn under_way(&self, player: PlayerId, tick: Tick) -> Vec<&G::Out> {
        let due = self.due.get(&player).into_iter().flatten();
        due.filter(|(told, ..)| *told >= tick).map(|(.., out)| out).collect()
    }

    /// What a client has said to its game; `all`: nothing of it is under way any more.
    pub(super) fn said(&mut self, player: PlayerId, said: &[Said], all: bool) {
        self.said.insert(player, (said.to_vec(), all));
    }

    /// The game took what those clients said: in order, nothing twice, and where there was time, all of it; of a stream
    /// whatever was not taken has a newer one behind it that was. How many packets that are.
    pub(super) fn all_taken(&self, game: GameId, log: &[Record]) -> Result<u64, String> {
        let mut taken: BTreeMap<PlayerId, Vec<Vec<u8>>> = BTreeMap::new();
        for (of, player, packet) in log.iter().filter_map(Record::packet::<G::In>) {
            if of == game && self.said.contains_key(&player) {
                let packet = postcard::to_allocvec(&packet).map_err(|error| error.to_string())?;
                taken.entry(player).or_default().push(packet);
            }
        }
        for (player, (said, all)) in &self.said {
            let taken = taken.get(player).map_or(&[][..], Vec::as_slice);
            follows(taken, said, *all).map_err(|what| format!("{player}: {what}"))?;
        }
        Ok(taken.values().map(|taken| taken.len() as u64).sum())
    }

    /// Feeds the log to a fresh engine with the same game, and compares what it tells.
    pub(super) fn replay(&self, fresh: &mut Engine, log: &[Record]) -> Result<usize, String> {
        let again = tap(fresh);
        if !fresh.replay(log, Time::START) {
            return Err("the log cannot be read".to_owned());
        }
        let first = self.tapped.lock().unwrap_or_else(PoisonError::into_inner);
        let again = again.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = first.iter().zip(again.iter()).position(|(a, b)| a != b);
        match differs {
            Some(at) => {
                Err(format!("the replay differs: {:?} became {:?}", text(&first[at]), text(&again[at])))
            }
            None if first.len() != again.len() => {
                Err(format!("{} packets became {} in the replay", first.len(), again.len()))
            }
            None => Ok(first.len()),
        }
    }

    /// Feeds a fresh engine the log without its losses and returns: everybody comes, plays and goes in the same ticks, over
    /// lines that hold. It says the same to everybody, but for what it told afresh in the run.
    pub(super) fn twin(&self, fresh: &mut Engine, log: &[Record]) -> Result<usize, String> {
        let (mut tick, mut afresh, mut held) = (Tick(0), BTreeSet::new(), Vec::new());
        for record in log {
            if let Record::Tick { tick: begun, .. } = record {
                tick = *begun;
            }
            match record.read::<G::In>() {
                Some((_, Input::Resumed { player, full_state })) if full_state => {
                    afresh.insert((tick, player));
                }
                Some((_, Input::Lost { .. } | Input::Resumed { .. })) => {}
                _ => held.push(record.clone()),
            }
        }
        let twin = tap(fresh);
        if !fresh.replay(&held, Time::START) {
            return Err("the log without losses cannot be read".to_owned());
        }
        let first = self.tapped.lock().unwrap_or_else(PoisonError::into_inner);
        let twin = twin.lock().unwrap_or_else(PoisonError::into_inner);
        // Who is told everything in a tick is not told what changed in it.
        let is_told = |told: &&(Tick, PlayerId, Vec<u8>)| !afresh.contains(&(told.0, told.1));
        let (mut cut, mut held) = (first.iter().filter(is_told), twin.iter().filter(is_told));
        let mut count = 0;
        loop {
            match (cut.next(), held.next()) {
                (None, None) => return Ok(count),
                (Some(a), Some(b)) if is_same::<G::Out>(a, b)? => count += 1,
                (a, b) => {
                    let (a, b) = (a.map(text), b.map(text));
                    return Err(format!("{a:?} was told, and {b:?} where lines hold"));
                }
            }
        }
    }
}

/// Whether the same is said to the same player in the same tick, in whichever encoding.
fn is_same<Out>(a: &(Tick, PlayerId, Vec<u8>), b: &(Tick, PlayerId, Vec<u8>)) -> Result<bool, String>
where
    Out: DeserializeOwned + PartialEq,
{
    if (a.0, a.1) != (b.0, b.1) || a.2 == b.2 {
        return Ok((a.0, a.1) == (b.0, b.1));
    }
    Ok(decode::<Out>(&a.2)? == decode::<Out>(&b.2)?)
}

/// What was taken is what was said, in its order and nothing twice; only of streams something may be left out, where
/// something newer follows. `all`: nothing is missing at the end.
fn follows(taken: &[Vec<u8>], said: &[Said], all: bool) -> Result<(), String> {
    if !all {
        return in_order(taken.iter(), &mut said.iter());
    }
    if taken.last() != said.last().map(|said| &said.bytes) {
        return Err(format!("{:?} was said last, {:?} taken", said.last(), taken.last()));
    }
    // From behind, where both end alike: of two that are equal, the newer was taken.
    let mut said = said.iter().rev();
    in_order(taken.iter().rev(), &mut said)?;
    match said.find(|said| !said.is_stream) {
        Some(missing) => Err(format!("{missing:?} was not taken")),
        None => Ok(()),
    }
}

fn in_order<'a>(
    taken: impl Iterator<Item = &'a Vec<u8>>,
    said: &mut impl Iterator<Item = &'a Said>,
) -> Result<(), String> {
    for taken in taken {
        match said.find(|said| said.bytes == *taken || !said.is_stream) {
            Some(said) if said.bytes == *taken => {}
            other => return Err(format!("{taken:?} was taken, and not {other:?}")),
        }
    }
    Ok(())
}

/// Whether a player that departs so was lost before.
fn is_loss(departure: Departure) -> bool {
    match departure {
        Departure::Lost => true,
        Departure::Closed(code) => leaves_player(code.close_code()),
        _ => false,
    }
}

fn tap(engine: &mut Engine) -> Arc<Mutex<Tapped>> {
    let tapped = Arc::new(Mutex::new(Tapped::new()));
    let to = tapped.clone();
    engine.tap(Box::new(move |tick, player, body| {
        to.lock().unwrap_or_else(PoisonError::into_inner).push((tick, player, body.to_vec()));
    }));
    tapped
}

/// Reads one packet as it stands in a batch. JSON begins with a brace, which is no `re` of postcard's.
fn decode<Out: DeserializeOwned>(body: &[u8]) -> Result<Packet<Out>, String> {
    let encoding = if body.first() == Some(&b'{') { Encoding::Json } else { Encoding::Postcard };
    let mut message = Vec::new();
    BatchHead::default().begin(encoding, 1, &mut message);
    message.extend_from_slice(body);
    message.extend_from_slice(end(encoding));
    let batch = read_batch(encoding, &message).map_err(|error| error.message)?;
    let packet = batch.packets().next().ok_or("it is empty")?;
    packet.map_err(|error| error.message)
}

fn text((tick, player, body): &(Tick, PlayerId, Vec<u8>)) -> String {
    format!("{tick} {player} {}", String::from_utf8_lossy(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_what_was_said() {
        let said: Vec<Said> = [(1, true), (2, false), (1, true), (3, true), (1, true)]
            .map(|(byte, is_stream)| Said { bytes: vec![byte], is_stream })
            .to_vec();
        let holds = |taken: &[u8], all| {
            let taken: Vec<Vec<u8>> = taken.iter().map(|byte| vec![*byte]).collect();
            follows(&taken, &said, all).is_ok()
        };
        assert!(holds(&[1, 2, 1, 3, 1], true) && holds(&[2, 1], true) && holds(&[1, 2, 3, 1], true));
        assert!(!holds(&[1, 2, 1, 3], true), "the newest of all is missing");
        assert!(!holds(&[1, 1, 3, 1], true), "what is no stream is missing");
        assert!(!holds(&[1, 2, 2, 1], true) && !holds(&[2, 2], false), "something came twice");
        assert!(holds(&[1, 2], false) && holds(&[2, 3], false) && !holds(&[3, 2], false));
    }
}
