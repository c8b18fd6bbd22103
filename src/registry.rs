//! Everybody who is connected: a slab of values by [`ConnId`], what is counted per address, and who is banned.
//!
//! It decides nothing but what follows from its own counts; what a refusal is called and how it is told stands in
//! the engine. It knows nothing of what it holds: the value is the engine's.
//!
//! Invariant: an address's count is the number of live entries that were counted for it, and its list holds those. The list runs
//! through the entries themselves, so that whoever wants them looks at nobody else.

use crate::address::{AddressKey, Network};
use crate::ids::ConnId;
use crate::limits;
use crate::time::Time;
use crate::time::bucket::{Bucket, Rate};
use slab::Slab;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// What [`Registry`] holds its counts against.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Connections at once.
    pub max_connections: usize,
    /// Connections at once from one address; 0 is no limit.
    pub max_per_address: u32,
    /// New connections a second from one address; 0 is no limit.
    pub connect_rate: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { max_connections: 4096, max_per_address: 16, connect_rate: 10 }
    }
}

/// Why an address may not have (another) connection, in the order in which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The address is banned, for this many more milliseconds where the ban ends.
    Banned(Option<u32>),
    /// Too many new connections lately; the next one may come in so many milliseconds.
    TooFast(u32),
    /// Too many connections from this address are open.
    TooManyHere,
    /// Too many connections are open.
    Full,
}

/// Told to the hook.
#[derive(Debug)]
pub enum Change<'a, T> {
    /// An entry was added.
    Added(ConnId, &'a T),
    /// An entry is about to go.
    Removed(ConnId, &'a T),
}

/// What is called whenever an entry comes or goes.
pub type Hook<T> = Box<dyn FnMut(Change<'_, T>) + Send>;

/// A slab of everybody connected.
pub struct Registry<T> {
    settings: Settings,
    rate: Rate,
    entries: Slab<Entry<T>>,
    /// Generation of each slot that was ever used.
    generations: Vec<u32>,
    addresses: HashMap<AddressKey, Usage>,
    bans: Bans,
    hook: Option<Hook<T>>,
}

struct Entry<T> {
    generation: u32,
    counted: Option<AddressKey>,
    /// The slots before and behind it in its address's list, or [`NOBODY`].
    beside: (u32, u32),
    value: T,
}

/// No slot: there are never so many.
const NOBODY: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Usage {
    open: u32,
    /// The slot that was counted last, or [`NOBODY`].
    first: u32,
    connects: Bucket,
}

impl Default for Usage {
    fn default() -> Usage {
        Usage { open: 0, first: NOBODY, connects: Bucket::default() }
    }
}

impl<T> Registry<T> {
    /// An empty registry.
    pub fn new(settings: Settings) -> Registry<T> {
        let room = settings.max_connections.min(limits::RESERVED_PEERS);
        Registry {
            // One burst is one second's worth: `connect_rate` new connections in any second.
            rate: Rate::new(settings.connect_rate, settings.connect_rate),
            entries: Slab::with_capacity(room),
            settings,
            generations: Vec::with_capacity(room),
            addresses: HashMap::new(),
            bans: Bans::default(),
            hook: None,
        }
    }

    /// Has `hook` called for every entry that comes or goes from now on.
    pub fn set_hook(&mut self, hook: Hook<T>) {
        self.hook = Some(hook);
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// One more than the highest slot ever used: the range that a sweep goes over.
    pub fn slots(&self) -> u32 {
        self.generations.len() as u32
    }

    /// Whether a new connection from `ip` may be had, in the contract's order; takes one from its connect rate.
    /// `room` says whether there is room for another connection at all.
    pub fn admit(&mut self, ip: IpAddr, room: bool, now: Time) -> Result<AddressKey, Refused> {
        self.admit_request(ip, now)?;
        self.admit_although_banned(ip, room, now)
    }

    /// The same for an address to which bans mean nothing yet.
    pub fn admit_although_banned(
        &mut self,
        ip: IpAddr,
        room: bool,
        now: Time,
    ) -> Result<AddressKey, Refused> {
        let key = AddressKey::from(ip);
        self.forget_quiet(now);
        let usage = self.addresses.entry(key).or_default();
        usage.connects.take(self.rate, 1, now).map_err(Refused::TooFast)?;
        if self.settings.max_per_address != 0 && usage.open >= self.settings.max_per_address {
            return Err(Refused::TooManyHere);
        }
        if room { Ok(key) } else { Err(Refused::Full) }
    }

    /// Whether `ip` may ask for anything at all.
    pub fn admit_request(&self, ip: IpAddr, now: Time) -> Result<(), Refused> {
        self.bans.find(ip, now).map_or(Ok(()), |left| Err(Refused::Banned(left)))
    }

    /// Adds an entry, counted for `address` where one is given.
    pub fn insert(&mut self, address: Option<AddressKey>, value: T) -> ConnId {
        let slot = self.entries.vacant_key();
        if slot == self.generations.len() {
            self.generations.push(0);
        }
        let id = ConnId { slot: slot as u32, generation: self.generations[slot] };
        self.entries.insert(Entry {
            generation: id.generation,
            counted: None,
            beside: (NOBODY, NOBODY),
            value,
        });
        self.count(id, address);
        if let (Some(hook), Some(entry)) = (&mut self.hook, self.entries.get(slot)) {
            hook(Change::Added(id, &entry.value));
        }
        id
    }

    /// Has an entry counted for `address` from now on, and for no other.
    pub fn count(&mut self, id: ConnId, address: Option<AddressKey>) {
        if self.entry(id).is_none_or(|entry| entry.counted == address) {
            return;
        }
        self.uncount(id.slot);
        let Some(key) = address else { return };
        let usage = self.addresses.entry(key).or_default();
        let behind = std::mem::replace(&mut usage.first, id.slot);
        usage.open += 1;
        if let Some(entry) = self.entries.get_mut(id.slot as usize) {
            (entry.counted, entry.beside) = (address, (NOBODY, behind));
        }
        if let Some(entry) = self.entries.get_mut(behind as usize) {
            entry.beside.0 = id.slot;
        }
    }

    /// Which address an entry is counted for.
    pub fn counted(&self, id: ConnId) -> Option<AddressKey> {
        self.entry(id)?.counted
    }

    /// How many entries are counted for an address.
    pub fn open(&self, address: AddressKey) -> u32 {
        self.addresses.get(&address).map_or(0, |usage| usage.open)
    }

    /// The entries that are counted for an address, the latest first.
    pub fn of(&self, address: AddressKey) -> impl Iterator<Item = (ConnId, &T)> {
        let at = |slot: u32| self.entries.get(slot as usize).map(|entry| (slot, entry));
        let first = self.addresses.get(&address).and_then(|usage| at(usage.first));
        std::iter::successors(first, move |(_, entry)| at(entry.beside.1))
            .map(|(slot, entry)| (ConnId { slot, generation: entry.generation }, &entry.value))
    }

    /// Whether no more are counted for an address than it may have.
    pub fn fits(&self, address: AddressKey) -> bool {
        self.settings.max_per_address == 0 || self.open(address) <= self.settings.max_per_address
    }

    /// Takes an entry out; its slot's generation moves on, so that late events miss.
    pub fn remove(&mut self, id: ConnId) -> Option<T> {
        self.entry(id)?;
        if let (Some(hook), Some(entry)) = (&mut self.hook, self.entries.get(id.slot as usize)) {
            hook(Change::Removed(id, &entry.value));
        }
        self.uncount(id.slot);
        let entry = self.entries.remove(id.slot as usize);
        self.generations[id.slot as usize] = id.generation.wrapping_add(1);
        Some(entry.value)
    }

    /// The value of a live entry.
    #[inline]
    pub fn get(&self, id: ConnId) -> Option<&T> {
        self.entry(id).map(|e| &e.value)
    }

    /// The value of a live entry.
    #[inline]
    pub fn get_mut(&mut self, id: ConnId) -> Option<&mut T> {
        match self.entries.get_mut(id.slot as usize) {
            Some(e) if e.generation == id.generation => Some(&mut e.value),
            _ => None,
        }
    }

    /// Whoever is in a slot now.
    #[inline]
    pub fn at_mut(&mut self, slot: u32) -> Option<(ConnId, &mut T)> {
        let entry = self.entries.get_mut(slot as usize)?;
        Some((ConnId { slot, generation: entry.generation }, &mut entry.value))
    }

    /// Everybody, in the order of slots.
    pub fn iter(&self) -> impl Iterator<Item = (ConnId, &T)> {
        self.entries
            .iter()
            .map(|(slot, e)| (ConnId { slot: slot as u32, generation: e.generation }, &e.value))
    }

    /// Holds the counts and lists of addresses against the entries; `Err` is a mistake of this module.
    pub fn audit(&self) -> Result<(), String> {
        let counted = self.entries.iter().filter(|(_, entry)| entry.counted.is_some()).count();
        let open: usize = self.addresses.values().map(|usage| usage.open as usize).sum();
        if counted != open {
            return Err(format!("{open} connections are counted for their addresses, {counted} in fact"));
        }
        for (address, usage) in &self.addresses {
            // One more than there should be tells a list that goes round in circles.
            let listed = self.of(*address).take(usage.open as usize + 1);
            let theirs = listed.filter(|(id, _)| self.counted(*id) == Some(*address)).count();
            if theirs != usage.open as usize {
                return Err(format!(
                    "{theirs} connections are listed for an address, and {} counted",
                    usage.open
                ));
            }
        }
        Ok(())
    }

    /// Who is banned.
    pub fn bans(&self) -> &Bans {
        &self.bans
    }

    /// Who is banned, to change it.
    pub fn bans_mut(&mut self) -> &mut Bans {
        &mut self.bans
    }

    #[inline]
    fn entry(&self, id: ConnId) -> Option<&Entry<T>> {
        self.entries.get(id.slot as usize).filter(|e| e.generation == id.generation)
    }

    /// Takes an entry out of its address's count and list.
    fn uncount(&mut self, slot: u32) {
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        let Some(key) = entry.counted.take() else { return };
        let (before, behind) = std::mem::replace(&mut entry.beside, (NOBODY, NOBODY));
        if let Some(entry) = self.entries.get_mut(before as usize) {
            entry.beside.1 = behind;
        }
        if let Some(entry) = self.entries.get_mut(behind as usize) {
            entry.beside.0 = before;
        }
        let Some(usage) = self.addresses.get_mut(&key) else {
            debug_assert!(false, "a counted address is remembered");
            return;
        };
        debug_assert!(usage.open > 0, "an address is counted once for each of its entries");
        usage.open = usage.open.saturating_sub(1);
        if before == NOBODY {
            usage.first = behind;
        }
    }

    /// Forgets addresses that have nothing open and took nothing lately, once there are too many; where that is not
    /// enough (a flood from everywhere at once) their connect rate is forgotten with them.
    fn forget_quiet(&mut self, now: Time) {
        if self.addresses.len() < limits::ADDRESSES {
            return;
        }
        self.addresses.retain(|_, usage| usage.open > 0 || !usage.connects.is_full(now));
        if self.addresses.len() >= limits::ADDRESSES {
            self.addresses.retain(|_, usage| usage.open > 0);
        }
    }
}

/// Addresses and networks that may not come in, for a while or for good. Held in memory.
#[derive(Debug, Default)]
pub struct Bans {
    list: BTreeMap<u32, Ban>,
    next: u32,
}

/// One ban.
#[derive(Clone, Debug, PartialEq)]
pub struct Ban {
    /// An address (as a network of one) or a network.
    pub network: Network,
    /// When it ends; `None` never.
    pub until: Option<Time>,
    /// Why, for the host's own list.
    pub reason: String,
}

impl Ban {
    /// For how many more milliseconds it holds; `None`: for good.
    pub fn left_ms(&self, now: Time) -> Option<u32> {
        self.until.map(|until| u32::try_from(until.since(now).as_millis()).unwrap_or(u32::MAX))
    }
}

impl Bans {
    /// Adds a ban and returns its id; `None` where [`limits::BANS`] are held already.
    pub fn add(&mut self, ban: Ban, now: Time) -> Option<u32> {
        self.list.retain(|_, ban| ban.until.is_none_or(|until| until > now));
        if self.list.len() >= limits::BANS {
            return None;
        }
        self.next += 1;
        self.list.insert(self.next, ban);
        Some(self.next)
    }

    /// Lifts a ban; false where there is none of that id.
    pub fn lift(&mut self, id: u32) -> bool {
        self.list.remove(&id).is_some()
    }

    /// All bans with their ids, oldest first; some may have ended.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Ban)> {
        self.list.iter().map(|(id, ban)| (*id, ban))
    }

    /// Whether `ip` is banned: `Some` with the milliseconds that are left, or `Some(None)` for good.
    pub fn find(&self, ip: IpAddr, now: Time) -> Option<Option<u32>> {
        let live = |ban: &&Ban| ban.until.is_none_or(|until| until > now);
        self.list.values().filter(|ban| ban.network.contains(ip)).find(live).map(|ban| ban.left_ms(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(max_connections: usize, max_per_address: u32, connect_rate: u32) -> Registry<&'static str> {
        Registry::new(Settings { max_connections, max_per_address, connect_rate })
    }
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn a_slot_is_used_again_and_its_old_id_misses() {
        let mut r = registry(10, 0, 0);
        let first = r.insert(None, "first");
        assert_eq!(r.remove(first), Some("first"));
        let second = r.insert(None, "second");
        assert_eq!(second.slot, first.slot);
        assert_eq!(r.get(first), None);
        assert_eq!(r.remove(first), None);
        assert_eq!(r.get(second), Some(&"second"));
    }

    #[test]
    fn refusals_come_in_the_contract_s_order() {
        let mut r = registry(1, 1, 2);
        let key = r.admit(HERE, true, Time::START).expect("the first is admitted");
        let id = r.insert(Some(key), "a");
        assert_eq!(r.admit(HERE, true, Time::START), Err(Refused::TooManyHere));
        assert_eq!(r.admit(HERE, true, Time::START), Err(Refused::TooFast(500)), "fast comes before many");
        assert_eq!(r.admit(THERE, false, Time::START), Err(Refused::Full));
        let network = "192.0.2.0/24".parse().expect("a network");
        r.bans_mut().add(Ban { network, until: None, reason: String::new() }, Time::START);
        assert_eq!(r.admit(HERE, true, Time::START), Err(Refused::Banned(None)), "banned comes before fast");
        r.remove(id);
        assert_eq!(r.open(key), 0);
    }

    #[test]
    fn a_ban_ends() {
        let mut r = registry(9, 0, 0);
        let until = Some(Time::from_millis(1000));
        let network = "192.0.2.1".parse().expect("an address is a network of one");
        let id = r.bans_mut().add(Ban { network, until, reason: "spam".into() }, Time::START).expect("room");
        assert_eq!(r.admit(HERE, true, Time::from_millis(400)), Err(Refused::Banned(Some(600))));
        assert!(r.admit(THERE, true, Time::from_millis(400)).is_ok());
        assert!(r.admit(HERE, true, Time::from_millis(1000)).is_ok());
        assert!(r.bans_mut().lift(id));
        assert!(!r.bans_mut().lift(id));
    }

    #[test]
    fn an_entry_may_be_counted_for_another_address_later() {
        let mut r = registry(9, 1, 0);
        let proxied = r.insert(None, "through a proxy");
        let key = r.admit(HERE, true, Time::START).expect("nobody is counted yet");
        r.count(proxied, Some(key));
        assert_eq!(r.admit(HERE, true, Time::START), Err(Refused::TooManyHere));
        assert_eq!(r.counted(proxied), Some(key));
        r.remove(proxied);
        assert!(r.admit(HERE, true, Time::START).is_ok());
    }

    #[test]
    fn an_address_lists_those_who_are_counted_for_it() {
        let mut r = registry(9, 0, 0);
        let (here, there) = (AddressKey::from(HERE), AddressKey::from(THERE));
        let ids = ["a", "b", "c", "d"].map(|name| r.insert(Some(here), name));
        let listed = |r: &Registry<&'static str>, key| {
            r.audit().expect("the lists are right");
            r.of(key).map(|(_, name)| *name).collect::<String>()
        };
        assert_eq!((listed(&r, here), listed(&r, there)), ("dcba".to_owned(), String::new()));
        r.count(ids[1], Some(there));
        r.count(ids[1], Some(there));
        assert_eq!((listed(&r, here), listed(&r, there)), ("dca".to_owned(), "b".to_owned()));
        r.remove(ids[3]);
        r.count(ids[0], None);
        assert_eq!(listed(&r, here), "c");
        let again = r.insert(Some(here), "e");
        assert_eq!((again.slot, listed(&r, here)), (ids[3].slot, "ec".to_owned()));
        for id in [again, ids[2], ids[1]] {
            r.remove(id);
        }
        assert_eq!((listed(&r, here), listed(&r, there)), (String::new(), String::new()));
    }

    #[test]
    fn what_is_remembered_of_addresses_is_bounded() {
        let mut r = registry(9, 0, 1);
        for i in 0..limits::ADDRESSES as u32 + 10 {
            let _ = r.admit(IpAddr::V4(i.into()), true, Time::START);
        }
        assert!(r.addresses.len() <= limits::ADDRESSES);
    }

    #[test]
    fn the_hook_hears_of_both() {
        let (tell, heard) = std::sync::mpsc::channel();
        let mut r = registry(9, 0, 0);
        r.set_hook(Box::new(move |change| {
            tell.send(format!("{change:?}")).expect("the test listens");
        }));
        let id = r.insert(None, "x");
        r.remove(id);
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [r#"Added(0.0, "x")"#, r#"Removed(0.0, "x")"#]);
    }
}
