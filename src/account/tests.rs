//! What the vocabulary promises.

use super::*;
use crate::limits;
use crate::packet::Code;
use crate::random::Secrets;
use crate::time::{Time, WallMs};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

#[test]
fn names_are_three_to_twenty_of_their_characters() {
    for name in ["abc", "A-b_9", "12345678901234567890"] {
        assert_eq!(Username::new(name).expect(name).as_str(), name);
    }
    for name in ["", "ab", "123456789012345678901", "a b c", "abcé", "abc\n", "abc\0", "::1", "1.2.3.4"] {
        assert_eq!(Username::new(name), Err(BadUsername), "{name:?}");
    }
    assert_eq!(Username::new("Ada-L").expect("a name").folded(), "ada-l");
}

#[test]
fn passwords_are_counted_in_characters_and_never_printed() {
    assert!(Password::new(&"é".repeat(8)).is_ok());
    assert!(Password::new(&"é".repeat(128)).is_ok());
    assert!(Password::new(&"é".repeat(7)).is_err());
    assert!(Password::new(&"é".repeat(129)).is_err());
    let password = Password::new("correct horse").expect("long enough");
    let hash = PasswordHash::new("$argon2id$secret".to_owned());
    let token = Token::new(&mut Secrets::new([7; 32]));
    let work = Work::Verify { password: password.clone(), against: Some(hash.clone()) };
    let register = Request::Register {
        name: Username::new("ada").expect("a name"),
        password: hash.clone(),
        now: WallMs(0),
    };
    let printed = format!("{password:?} {hash:?} {token:?} {work:?} {register:?}");
    for secret in ["correct", "horse", "argon2id", &token.expose()] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn a_token_is_43_characters_and_its_digest_is_its_sha_256() {
    let token = Token::new(&mut Secrets::new([7; 32]));
    let text = token.expose();
    assert_eq!(text.len(), 43);
    let again = Token::parse(&text).expect("it is one");
    assert_eq!(again.digest(), token.digest());
    let long = "A".repeat(44);
    let loose = format!("{}B", "A".repeat(42));
    for wrong in ["", "A", &text[1..], long.as_str(), &"+".repeat(43), &loose] {
        assert!(Token::parse(wrong).is_err(), "{wrong:?}");
    }
    // RFC 6234's algorithm on 32 zero bytes, as `sha256sum` says.
    let zero = Token::parse(&"A".repeat(43)).expect("32 zero bytes").digest();
    assert_eq!(format!("{zero:?}"), "66687aad..");
    assert_ne!(zero, token.digest());
}

#[test]
fn a_ban_s_target_is_read_as_it_is_written() {
    for (text, network) in
        [("192.0.2.1", true), ("192.0.2.0/24", true), ("2001:db8::/32", true), ("Ada", false)]
    {
        let target = BanTarget::parse(text).expect(text);
        assert_eq!(matches!(target, BanTarget::Network(_)), network, "{text}");
        assert_eq!(target.to_string(), text);
    }
    for text in ["", "a", "1.2.3", "1.2.3.4/33", "a/b", "two words"] {
        assert_eq!(BanTarget::parse(text), None, "{text}");
    }
}

#[test]
fn json_is_what_it_was_made_of() {
    let json = Json::of(&[(1, "a")]).expect("it is JSON");
    assert_eq!(json.as_str(), r#"[[1,"a"]]"#);
    assert_eq!(json.read::<Vec<(u8, String)>>().expect("the same"), [(1, "a".to_owned())]);
    assert!(json.read::<u8>().is_err());
    assert!(Json::parse("{".to_owned()).is_err());
    assert!(Json::parse("1 2".to_owned()).is_err());
}

#[test]
fn a_ticket_comes_back_once_and_a_late_one_misses() {
    let mut tickets = Tickets::new(2);
    let first = tickets.take("first").expect("two are free");
    let second = tickets.take("second").expect("one is free");
    assert_eq!(tickets.take("third"), Err("third"), "none is free");
    *tickets.get_mut(first).expect("it is out") = "changed";
    assert_eq!(tickets.redeem(first), Some("changed"));
    assert_eq!(tickets.redeem(first), None, "once");
    let third = tickets.take("third").expect("one is free again");
    assert_eq!(third.slot, first.slot);
    assert_eq!(tickets.redeem(first), None, "its slot is somebody else's now");
    assert_eq!(tickets.get_mut(first), None);
    assert_eq!((tickets.out(), tickets.free()), (2, 0));
    assert_eq!(tickets.redeem(Ticket::SAVE), None, "it is not from the table");
    assert_eq!((tickets.redeem(third), tickets.redeem(second)), (Some("third"), Some("second")));
    assert_eq!(tickets.out(), 0);
}

#[test]
fn whoever_is_refused_is_told_whose_fault_it_is() {
    let codes = [
        (Failure::from(Refused::NameTaken), Code::Conflict),
        (Refused::RecordNameTaken { change: 0 }.into(), Code::Conflict),
        (Refused::NoAccount.into(), Code::SessionExpired),
        (Refused::TooManyBans.into(), Code::Busy),
        (StoreError::DiskFull.into(), Code::Busy),
        (StoreError::Locked.into(), Code::Busy),
        (StoreError::Busy.into(), Code::Busy),
        (StoreError::ReadOnly.into(), Code::Internal),
        (StoreError::Corrupt("x".into()).into(), Code::Internal),
        (StoreError::Io("x".into()).into(), Code::Internal),
        (StoreError::Gone.into(), Code::Internal),
    ];
    for (failure, code) in codes {
        assert_eq!(failure.code(), code, "{failure}");
    }
    assert_eq!(HashError::Busy.code(), Code::Busy);
    assert_eq!(HashError::Unreadable.code(), Code::Internal);
}

/// A disk that takes so many requests at once, and never a ban.
struct Narrow(usize);

impl Store for Narrow {
    fn commit(&mut self, group: &[Request]) -> Result<Vec<Result<Reply, Refused>>, StoreError> {
        if group.len() > self.0 || group.contains(&Request::LiftBan(0)) {
            return Err(if self.0 == 0 { StoreError::Locked } else { StoreError::DiskFull });
        }
        Ok(group.iter().map(|_| Ok(Reply::Saved)).collect())
    }
}

#[test]
fn a_request_that_does_not_fit_takes_no_others_with_it() {
    let group = [Request::Bans, Request::LiftBan(0), Request::Bans];
    let answers = commit(&mut Narrow(3), &group);
    assert_eq!(answers, [Ok(Reply::Saved), Err(StoreError::DiskFull.into()), Ok(Reply::Saved)]);
    let answers = commit(&mut Narrow(0), &group);
    assert!(answers.iter().all(|answer| *answer == Err(StoreError::Locked.into())));
    assert_eq!(answers.len(), 3);
    assert!(commit(&mut Narrow(3), &[]).is_empty());
}

fn id(key: u8) -> RecordId {
    RecordId::new("game", "thing", key.to_string())
}

fn saved(key: u8, value: u32) -> SavedRecord {
    SavedRecord { id: id(key), version: 1, value: Json::of(&value).expect("a number") }
}

fn values(saves: &Saves) -> Vec<(String, String)> {
    saves.records.iter().map(|r| (r.id.key.clone(), r.value.as_str().to_owned())).collect()
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[test]
fn the_newest_value_goes_out_once_a_round() {
    let mut dirty = Dirty::new();
    assert!(dirty.is_clean() && dirty.next(Time::START).is_none());
    dirty.save(saved(1, 10));
    dirty.save(saved(1, 11));
    let first = dirty.next(Time::START).expect("the first round is due at once");
    assert_eq!(values(&first), [pair("1", "11")]);
    dirty.save(saved(1, 12));
    let later = Time::START + limits::SAVE_INTERVAL;
    assert!(dirty.next(later).is_none(), "one is under way");
    dirty.reported(true);
    assert!(!dirty.is_clean());
    assert!(dirty.next(Time::START).is_none(), "no round is due");
    assert_eq!(values(&dirty.next(later).expect("a round is due")), [pair("1", "12")]);
    dirty.reported(true);
    assert!(dirty.is_clean());
}

#[test]
fn what_could_not_be_saved_comes_again_unless_there_is_something_newer() {
    let mut dirty = Dirty::new();
    dirty.save(saved(1, 10));
    dirty.save(saved(2, 20));
    let renewal = Renewal { digest: TokenDigest([1; 32]), expires: WallMs(100), seen: WallMs(40) };
    dirty.renew(renewal);
    dirty.next(Time::START).expect("due");
    dirty.save(saved(2, 21));
    dirty.reported(false);
    assert!(dirty.next(Time::START).is_none(), "a disk that would not is not asked again at once");
    dirty.ask();
    let again = dirty.next(Time::START).expect("asked for");
    assert_eq!(values(&again), [pair("1", "10"), pair("2", "21")]);
    assert_eq!(again.renewals, [renewal]);
}

#[test]
fn a_round_goes_in_pieces_and_nobody_is_passed_over() {
    let mut dirty = Dirty::new();
    let all = limits::SAVE_ITEMS as u32 + 1;
    for key in 0..all {
        let id = RecordId::new("game", "thing", format!("{key:06}"));
        dirty.save(SavedRecord { id, version: 1, value: Json::of(&0).expect("a number") });
    }
    let first = dirty.next(Time::START).expect("due");
    assert_eq!(first.records.len(), limits::SAVE_ITEMS);
    // What has gone out already changes again, and waits for the next round.
    for record in &first.records {
        dirty.save(record.clone());
    }
    dirty.reported(true);
    let second = dirty.next(Time::START).expect("the round goes on");
    assert_eq!(second.records.len(), 1, "the last one comes before anything twice");
    dirty.reported(true);
    assert!(dirty.next(Time::START).is_none());
    assert_eq!(dirty.len(), limits::SAVE_ITEMS);
}

#[test]
fn saves_wait_for_a_commit_of_their_record_and_are_dropped_behind_it() {
    let mut dirty = Dirty::new();
    let changes = [Change::Delete { id: id(1) }];
    dirty.save(saved(1, 10));
    dirty.hold(&changes);
    dirty.save(saved(1, 11));
    dirty.save(saved(2, 20));
    dirty.ask();
    assert_eq!(values(&dirty.next(Time::START).expect("due")), [pair("2", "20")]);
    dirty.reported(true);
    dirty.hold(&changes);
    dirty.release(&changes, false);
    dirty.ask();
    assert!(dirty.next(Time::START).is_none(), "the other commit is still under way");
    dirty.release(&changes, false);
    dirty.ask();
    assert_eq!(values(&dirty.next(Time::START).expect("due")), [pair("1", "11")]);
    dirty.reported(true);
    dirty.hold(&changes);
    dirty.save(saved(1, 12));
    dirty.release(&changes, true);
    assert!(dirty.is_clean(), "a save from before the commit must not undo it");
}

/// What a game does with three records, and a disk with what it is sent.
#[derive(Clone, Debug)]
enum Move {
    Save(u8),
    Commit(u8),
    Ask,
    /// The disk answers the oldest that it has; `false`: it would not.
    Answer(bool),
    Tick,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (0..3u8).prop_map(Move::Save),
        2 => (0..3u8).prop_map(Move::Commit),
        1 => Just(Move::Ask),
        5 => prop::bool::weighted(0.8).prop_map(Move::Answer),
        2 => Just(Move::Tick),
    ];
    prop::collection::vec(one, 1..120)
}

/// A game that counts, with a disk behind a queue.
#[derive(Default)]
struct World {
    dirty: Dirty,
    queue: VecDeque<Sent>,
    disk: BTreeMap<RecordId, u32>,
    /// The greatest value that a confirmed commit wrote.
    confirmed: BTreeMap<RecordId, u32>,
    /// What the game believes: goes up with saves, and with commits when they are confirmed.
    memory: BTreeMap<RecordId, u32>,
    now: u64,
}

enum Sent {
    Save(Arc<Saves>),
    Commit(Vec<Change>, u32),
}

impl World {
    fn make(&mut self, step: &Move) {
        match step {
            Move::Save(key) => {
                let value = self.memory.entry(id(*key)).or_default();
                *value += 1;
                self.dirty.save(saved(*key, *value));
            }
            Move::Commit(key) => {
                // Far above what saves reach, so that a save that undoes a commit shows.
                let value = self.memory.get(&id(*key)).copied().unwrap_or_default() + 1000;
                let value_json = Json::of(&value).expect("a number");
                let change = Change::Put { id: id(*key), name: None, version: 1, value: value_json };
                self.dirty.hold(std::slice::from_ref(&change));
                self.queue.push_back(Sent::Commit(vec![change], value));
            }
            Move::Ask => self.dirty.ask(),
            Move::Answer(done) => self.answer(*done),
            Move::Tick => self.now += 4000,
        }
        if let Some(saves) = self.dirty.next(Time::from_millis(self.now)) {
            self.queue.push_back(Sent::Save(saves));
        }
    }

    fn answer(&mut self, done: bool) {
        match self.queue.pop_front() {
            None => {}
            Some(Sent::Save(saves)) => {
                for record in saves.records.iter().filter(|_| done) {
                    self.disk.insert(record.id.clone(), record.value.read().expect("a number"));
                }
                self.dirty.reported(done);
            }
            Some(Sent::Commit(changes, value)) => {
                self.dirty.release(&changes, done);
                if done {
                    let id = changes[0].id();
                    self.disk.insert(id.clone(), value);
                    self.confirmed.insert(id.clone(), value);
                    let memory = self.memory.entry(id.clone()).or_default();
                    *memory = value.max(*memory);
                    let (version, value) = (1, Json::of(memory).expect("a number"));
                    self.dirty.save(SavedRecord { id: id.clone(), version, value });
                }
            }
        }
    }
}

proptest! {
    /// Whenever the power goes, everything that a commit has confirmed is there; and once all is quiet the disk has what the
    /// game believes.
    #[test]
    fn no_save_undoes_a_commit_and_none_is_lost(moves in moves()) {
        let mut world = World::default();
        for step in &moves {
            world.make(step);
            for (id, value) in &world.confirmed {
                prop_assert!(world.disk[id] >= *value, "{id:?}: {} on disk, {value} confirmed", world.disk[id]);
            }
        }
        while !world.queue.is_empty() || !world.dirty.is_clean() {
            world.make(&Move::Ask);
            world.make(&Move::Answer(true));
        }
        prop_assert_eq!(&world.disk, &world.memory);
    }
}

#[test]
fn what_reads_does_not_write() {
    let name = Username::new("ada").expect("a name");
    let game = "game";
    let reads = [
        Request::FindAccount { name },
        Request::Sessions { now: WallMs(0) },
        Request::Bans,
        Request::Records { game, collection: String::new(), prefix: String::new() },
        Request::Events { game, before: None, limit: 1 },
    ];
    assert!(reads.iter().all(|request| !request.writes()));
    let writes = [Request::LiftBan(1), Request::Save(Arc::default()), Request::Sweep { now: WallMs(0) }];
    assert!(writes.iter().all(Request::writes));
}
