//! What many see of many places, put together once for all who see the same.
//!
//! A game's packets to all around a region that newer ones may replace (`Priority::Low` with a key: positions) are
//! gathered until the tick is over. Those who stand in one region see the same regions, so they get handles on one
//! body in which the packets of all these regions stand: one entry in each outbox in place of up to nine, and one copy
//! when it is written.
//!
//! Each region's packet is encoded once for each encoding that anybody speaks who is in the game before the tick is over:
//! whoever comes in later in the tick finds what was sent earlier in it. They keep the order in which they were sent, and
//! stand behind all else that the tick sends. Nothing is kept from one tick to the next but memory.

use super::core::Core;
use super::delivery::Recipients;
use super::realm::Realm;
use crate::ids::{GameId, RegionId};
use crate::limits;
use crate::packet::encoding::EncodeError;
use crate::packet::{self, Bodies, Encoding, Kind, Variant, separator};
use crate::session::outbox::{Joined, Outbox};
use serde::Serialize;
use std::ops::Range;

/// The packets of one tick of one game.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    packets: Vec<Gathered>,
    /// The packets' bytes, by encoding.
    encoded: [Vec<u8>; 2],
    views: Views,
    /// What those in one region get, by encoding; made for the first of them.
    joined: [Vec<Joined>; 2],
    /// Where packets are joined.
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Gathered {
    region: RegionId,
    variant: Variant,
    /// Where it lies in the bytes of each encoding.
    spans: [Range<usize>; 2],
    recipients: u64,
}

/// Which packets are seen from where: a list for each region, threaded through memory that all lists share.
///
/// Invariant: `first` names a list for those in `regions` and for no others.
#[derive(Debug, Default)]
struct Views {
    /// The regions from which anything is seen.
    regions: Vec<RegionId>,
    /// By region: where its list begins, or [`END`].
    first: Vec<u32>,
    /// Of all lists: the place of a packet, and where the list goes on, or [`END`].
    entries: Vec<(u32, u32)>,
}

/// Where no list goes on.
const END: u32 = u32::MAX;

impl Views {
    /// Puts a packet at the front of what is seen from a region.
    fn put(&mut self, region: RegionId, place: usize) {
        let at = region.0 as usize;
        if at >= self.first.len() {
            self.first.resize(at + 1, END);
        }
        let next = std::mem::replace(&mut self.first[at], self.entries.len() as u32);
        if next == END {
            self.regions.push(region);
        }
        self.entries.push((place as u32, next));
    }

    /// The places of the packets that are seen from a region.
    fn from(&self, region: RegionId) -> impl Iterator<Item = usize> + Clone {
        let entry = |at: u32| self.entries.get(at as usize);
        let first = self.first.get(region.0 as usize).copied().and_then(entry);
        std::iter::successors(first, move |(_, next)| entry(*next)).map(|&(place, _)| place as usize)
    }

    fn clear(&mut self) {
        for region in self.regions.drain(..) {
            self.first[region.0 as usize] = END;
        }
        self.entries.clear();
    }
}

impl Gathering {
    /// Adds a packet for all around a region. Where nobody is in the game nothing is encoded.
    ///
    /// # Errors
    /// The packet's type cannot be encoded; it is left out.
    pub(super) fn add<P: Serialize>(
        &mut self,
        realm: &Realm,
        region: RegionId,
        packet: &P,
    ) -> Result<(), EncodeError> {
        let mut spans = [0..0, 0..0];
        let mut variant = None;
        for encoding in Encoding::ALL.into_iter().filter(|&encoding| realm.speaks(encoding)) {
            let encoded = &mut self.encoded[encoding as usize];
            let start = encoded.len();
            variant = Some(packet::encode(encoding, Kind::Game, None, packet, encoded)?);
            spans[encoding as usize] = start..encoded.len();
        }
        self.packets.extend(variant.map(|variant| Gathered { region, variant, spans, recipients: 0 }));
        Ok(())
    }

    /// Finds out which packets are seen from where anybody is.
    fn look(&mut self, realm: &Realm) {
        // The last one first: each is put before those that were sent after it.
        for (place, packet) in self.packets.iter().enumerate().rev() {
            let seen_from = realm.around(packet.region).filter(|&near| realm.is_anybody_in(near));
            seen_from.for_each(|near| self.views.put(near, place));
        }
    }

    fn clear(&mut self) {
        self.packets.clear();
        self.encoded.iter_mut().for_each(Vec::clear);
        self.views.clear();
    }
}

impl Gathered {
    /// Where it lies in the bytes of an encoding; nowhere, where nobody speaks that.
    fn span(&self, encoding: Encoding) -> Range<usize> {
        self.spans[encoding as usize].clone()
    }
}

/// Joins packets of one encoding, in as many bodies as it takes for a batch to hold each.
fn join(
    view: impl Iterator<Item = usize>,
    packets: &[Gathered],
    encoded: &[Vec<u8>; 2],
    encoding: Encoding,
    scratch: &mut Vec<u8>,
    bodies: &mut Bodies,
    joined: &mut Vec<Joined>,
) {
    let mut count = 0;
    let mut finish = |scratch: &mut Vec<u8>, count: &mut u8| {
        if *count > 0 {
            joined.push(Joined::new(bodies.make(scratch), std::mem::take(count), joined.len() as u32));
        }
        scratch.clear();
    };
    scratch.clear();
    for place in view {
        let span = packets[place].span(encoding);
        debug_assert!(!span.is_empty(), "what is sent is encoded for all who hear it");
        if count == u8::MAX || scratch.len() + separator(encoding).len() + span.len() > limits::BATCH_BYTES {
            finish(scratch, &mut count);
        }
        if count > 0 {
            scratch.extend_from_slice(separator(encoding));
        }
        scratch.extend_from_slice(&encoded[encoding as usize][span]);
        count += 1;
    }
    finish(scratch, &mut count);
}

impl Core {
    /// Sends what was gathered in this tick of a game.
    pub(super) fn send_gathered(&mut self, game: GameId) {
        let mut gathering = std::mem::take(&mut self.gathering);
        gathering.look(self.realm(game));
        let Gathering { packets, encoded, views, joined, scratch } = &mut gathering;
        let limit = self.settings.session.outbox_limit;
        let (tick, now) = (self.tick, self.now);
        let Core { realms, peers, attention, doomed, counters, bodies, tap, memory, .. } = self;
        let mut recipients = Recipients { peers, attention, doomed, counters, memory };
        for &region in &views.regions {
            let view = views.from(region);
            let mut heard = 0;
            for member in realms[usize::from(game.0)].in_region(region) {
                let mine = &mut joined[member.encoding as usize];
                if mine.is_empty() {
                    join(view.clone(), packets, encoded, member.encoding, scratch, bodies, mine);
                }
                if let Some(tap) = tap {
                    for span in view.clone().map(|place| packets[place].span(member.encoding)) {
                        tap(tick, member.player, &encoded[member.encoding as usize][span]);
                    }
                }
                let mut listens = false;
                for part in mine.iter() {
                    let push = |outbox: &mut Outbox| outbox.push_joined(part, limit, now);
                    listens |= recipients.queue(member.conn, u64::from(part.packets()), push);
                }
                heard += u64::from(listens);
            }
            view.for_each(|place| packets[place].recipients += heard);
            joined.iter_mut().for_each(Vec::clear);
        }
        for packet in packets.iter() {
            recipients.counters.sent(game, Kind::Game, packet.variant, packet.recipients);
        }
        gathering.clear();
        self.gathering = gathering;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::game::Grid;
    use crate::ids::PlayerId;
    use crate::packet::{Packet, ServerPacket, read_batch};
    use crate::session::compression::Scratch;
    use crate::session::outbox::Stamp;
    use crate::time::{Tick, Time, WallMs};
    use crate::websocket::{Connection, Event, Role};
    use serde::Deserialize;

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Out {
        Seen { region: u32, filling: Vec<u8> },
    }

    /// Four regions in a row; in each of these somebody who speaks that.
    fn realm(who: &[(u32, Encoding)]) -> Realm {
        let mut realm = Realm::new(&[Grid { columns: 4, rows: 1 }], 0).expect("a small grid");
        for (player, &(region, encoding)) in (1..).zip(who) {
            realm.join(PlayerId(player), None, encoding);
            assert!(realm.enter(PlayerId(player), RegionId(region)));
        }
        realm
    }

    fn gather(realm: &Realm, packets: &[(u32, usize)]) -> Gathering {
        let mut gathering = Gathering::default();
        for &(region, len) in packets {
            let packet = Out::Seen { region, filling: vec![7; len] };
            gathering.add(realm, RegionId(region), &packet).expect("a plainly derived enum");
        }
        gathering.look(realm);
        gathering
    }

    /// By region, what those in it get in an encoding: in how many bodies, and the regions that these tell of.
    fn told(gathering: &Gathering, encoding: Encoding) -> Vec<(u32, usize, Vec<u32>)> {
        let read = |&region: &RegionId| {
            let mut parts = Vec::new();
            let (view, bodies) = (gathering.views.from(region), &mut Bodies::new(0));
            join(view, &gathering.packets, &gathering.encoded, encoding, &mut Vec::new(), bodies, &mut parts);
            (region.0, parts.len(), read(&parts, encoding))
        };
        let mut regions = gathering.views.regions.clone();
        regions.sort_unstable();
        regions.iter().map(read).collect()
    }

    /// Sends the parts to somebody, and reads what comes.
    fn read(parts: &[Joined], encoding: Encoding) -> Vec<u32> {
        let mut outbox = Outbox::default();
        for part in parts {
            outbox.push_joined(part, 1 << 24, Time::START);
        }
        let (mut out, stamp) =
            (Vec::new(), Stamp { tick: Tick(1), time: WallMs(1), now: Time::START, encoding, deflate: None });
        outbox.flush(stamp, 1 << 24, &mut out, &mut Scratch::default());
        let (mut client, mut input) = (Connection::new(Role::Client, usize::MAX), out.as_mut_slice());
        let mut regions = Vec::new();
        while let Some(Event::Text(message) | Event::Binary(message)) = client.next(&mut input) {
            let batch = read_batch(encoding, message).expect("it is a batch");
            regions.extend(batch.packets::<Out>().map(|packet| match packet {
                Ok(Packet { re: None, packet: ServerPacket::Game(Out::Seen { region, .. }) }) => region,
                other => panic!("{:?}", other.is_ok()),
            }));
        }
        regions
    }

    #[test]
    fn who_stands_in_one_region_gets_all_that_it_sees_as_one() {
        let realm = realm(&[(0, Encoding::Json), (1, Encoding::Postcard), (1, Encoding::Json)]);
        let gathering = gather(&realm, &[(2, 1), (0, 1), (3, 1), (1, 1)]);
        for encoding in Encoding::ALL {
            // In the order in which they were sent; from regions 2 and 3 nobody looks.
            assert_eq!(
                told(&gathering, encoding),
                [(0, 1, vec![0, 1]), (1, 1, vec![2, 0, 1])],
                "{encoding:?}"
            );
        }
    }

    #[test]
    fn what_nobody_speaks_is_not_encoded() {
        let deserted = gather(&realm(&[]), &[(0, 1)]);
        assert!(deserted.packets.is_empty() && deserted.encoded.iter().all(Vec::is_empty));
        let gathering = gather(&realm(&[(0, Encoding::Postcard)]), &[(0, 1)]);
        assert!(gathering.encoded[Encoding::Json as usize].is_empty());
        assert_eq!(told(&gathering, Encoding::Postcard), [(0, 1, vec![0])]);
    }

    #[test]
    fn who_comes_in_later_in_the_tick_finds_it_too() {
        let mut realm = realm(&[(0, Encoding::Postcard)]);
        realm.expect([true, false]);
        let gathering = gather(&realm, &[(0, 1)]);
        for encoding in Encoding::ALL {
            assert_eq!(told(&gathering, encoding), [(0, 1, vec![0])], "{encoding:?}");
        }
        realm.expect([false, false]);
        assert!(!realm.speaks(Encoding::Json), "that was for one tick");
    }

    #[test]
    fn separators_count_in_a_part_s_size() {
        let realm = realm(&[(0, Encoding::Json)]);
        // Without what stands between them two would fill a part to the last byte.
        let len = |filling| gather(&realm, &[(0, filling)]).encoded[Encoding::Json as usize].len();
        let (small, rest) = (100, (limits::BATCH_BYTES - len(100) - len(1)) / 2 + 1);
        assert_eq!(len(small) + len(rest), limits::BATCH_BYTES);
        let gathering = gather(&realm, &[(0, small), (0, rest)]);
        assert_eq!(told(&gathering, Encoding::Json), [(0, 2, vec![0, 0])]);
    }

    #[test]
    fn no_part_is_more_than_a_batch_holds() {
        let realm = realm(&[(0, Encoding::Postcard)]);
        let half = limits::BATCH_BYTES / 2;
        let gathering = gather(&realm, &[(0, half), (1, half - 100), (0, 2 * half), (1, 1), (0, 1)]);
        assert_eq!(told(&gathering, Encoding::Postcard), [(0, 3, vec![0, 1, 0, 1, 0])]);
        let many = gather(&realm, &[(0, 1); 300]);
        assert_eq!(told(&many, Encoding::Postcard), [(0, 2, vec![0; 300])]);
    }
}
