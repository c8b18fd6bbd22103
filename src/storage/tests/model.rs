//! Random requests in random groups: the database answers as a naive model does, and so does it after being closed and
//! opened at any point.

use super::*;
use crate::account::Renewal;
use crate::account::{Account, BanRecord, BanTarget, LogEntry, Record, StoreError};
use crate::limits;
use proptest::prelude::*;
use std::collections::BTreeMap;

const LAG: u64 = limits::SWEEP_LAG.as_millis() as u64;

/// What the database should be, in the plainest way.
#[derive(Default)]
struct Model {
    accounts: Vec<Account>,
    sessions: BTreeMap<TokenDigest, LoginSession>,
    bans: Vec<BanRecord>,
    bans_made: u32,
    records: BTreeMap<RecordId, (Option<String>, u32, Json)>,
    events: Vec<(&'static str, LogEntry)>,
}

impl Model {
    fn named(&self, name: &Username) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name.folded() == name.folded())
    }

    fn register(&mut self, name: &Username, password: &PasswordHash, now: WallMs) -> Result<Reply, Refused> {
        if self.named(name).is_some() {
            return Err(Refused::NameTaken);
        }
        let id = AccountId(self.accounts.len() as u32 + 1);
        self.accounts.push(Account { id, name: name.clone(), password: password.clone(), created: now });
        Ok(Reply::Registered(id))
    }

    fn open(&mut self, session: &LoginSession, ending: &[TokenDigest]) -> Result<Reply, Refused> {
        if !self.accounts.iter().any(|account| account.id == session.account) {
            return Err(Refused::NoAccount);
        }
        self.end(|s| ending.contains(&s.digest));
        self.sessions.insert(session.digest, session.clone());
        Ok(Reply::Opened)
    }

    fn end(&mut self, over: impl Fn(&LoginSession) -> bool) -> u32 {
        let before = self.sessions.len();
        self.sessions.retain(|_, session| !over(session));
        (before - self.sessions.len()) as u32
    }

    fn write(&mut self, changes: &[Change], events: &[NewEvent]) -> Result<Reply, Refused> {
        let mut records = self.records.clone();
        for (at, change) in changes.iter().enumerate() {
            match change {
                Change::Delete { id } => drop(records.remove(id)),
                Change::Put { id, name, version, value } => {
                    let folded = |name: &Option<String>| name.as_ref().map(|name| name.to_ascii_lowercase());
                    let taken = records.iter().any(|(other, (theirs, ..))| {
                        let same_place = (other.game, &other.collection) == (id.game, &id.collection);
                        same_place && other != id && name.is_some() && folded(theirs) == folded(name)
                    });
                    if taken {
                        return Err(Refused::RecordNameTaken { change: at });
                    }
                    records.insert(id.clone(), (name.clone(), *version, value.clone()));
                }
            }
        }
        self.records = records;
        let append = |event: &NewEvent| {
            let id = self.events.len() as u64 + 1;
            let NewEvent { game, kind, time, value } = event.clone();
            self.events.push((game, LogEntry { id, kind, time, value }));
            id
        };
        Ok(Reply::Written { events: events.iter().map(append).collect() })
    }

    fn save(&mut self, saves: &Saves) {
        for record in &saves.records {
            let place = self.records.entry(record.id.clone()).or_insert((None, 0, json(0)));
            (place.1, place.2) = (record.version, record.value.clone());
        }
        for Renewal { digest, expires, seen } in &saves.renewals {
            if let Some(session) = self.sessions.get_mut(digest) {
                (session.expires, session.seen) = (*expires, *seen);
            }
        }
    }

    fn carry_out(&mut self, request: &Request) -> Result<Reply, Refused> {
        Ok(match request {
            Request::Register { name, password, now } => return self.register(name, password, *now),
            Request::FindAccount { name } => Reply::Account(self.named(name).cloned()),
            Request::OpenSession { session, ending } => return self.open(session, ending),
            Request::EndSessions(digests) => Reply::Ended(self.end(|s| digests.contains(&s.digest))),
            Request::Sessions { now } => {
                let live = self.sessions.values().filter(|s| s.expires > *now);
                let name = |s: &LoginSession| self.accounts[s.account.0 as usize - 1].name.clone();
                Reply::Sessions(live.map(|s| (s.clone(), name(s))).collect())
            }
            Request::Sweep { now } => {
                let sessions = self.end(|s| s.expires.0 + LAG <= now.0);
                let before = self.bans.len();
                self.bans.retain(|ban| ban.expires.is_none_or(|expires| expires > *now));
                Reply::Swept { sessions, bans: (before - self.bans.len()) as u32 }
            }
            Request::AddBan { target, reason, created, expires } => {
                self.bans_made += 1;
                let (target, reason) = (target.clone(), reason.clone());
                let (id, created, expires) = (self.bans_made, *created, *expires);
                self.bans.push(BanRecord { id, target, reason, created, expires });
                Reply::BanAdded(id)
            }
            Request::LiftBan(id) => {
                let before = self.bans.len();
                self.bans.retain(|ban| ban.id != *id);
                Reply::BanLifted(before > self.bans.len())
            }
            Request::Bans => Reply::Bans(self.bans.clone()),
            Request::Records { game, collection, prefix } => {
                let wanted = |id: &RecordId| {
                    (id.game, &id.collection) == (*game, collection) && id.key.starts_with(prefix.as_str())
                };
                let found = self.records.iter().filter(|(id, _)| wanted(id));
                let record =
                    |(id, (name, version, value)): (&RecordId, &(Option<String>, u32, Json))| Record {
                        key: id.key.clone(),
                        name: name.clone(),
                        version: *version,
                        value: value.clone(),
                    };
                Reply::Records(found.map(record).collect())
            }
            Request::Write { changes, events } => return self.write(changes, events),
            Request::Events { game, before, limit } => {
                let found = self.events.iter().rev().filter(|(theirs, entry)| {
                    theirs == game && before.is_none_or(|before| entry.id < before)
                });
                Reply::Events(found.take(*limit as usize).map(|(_, entry)| entry.clone()).collect())
            }
            Request::Save(saves) => {
                self.save(saves);
                Reply::Saved
            }
        })
    }
}

impl Store for Model {
    fn commit(&mut self, group: &[Request]) -> Result<Vec<Result<Reply, Refused>>, StoreError> {
        Ok(group.iter().map(|request| self.carry_out(request)).collect())
    }
}

fn names() -> impl Strategy<Value = Username> {
    prop::sample::select(vec!["Ada", "ADA", "Bob", "bob", "Eve"]).prop_map(username)
}

fn accounts() -> impl Strategy<Value = AccountId> {
    (0..4u32).prop_map(AccountId)
}

fn digests() -> impl Strategy<Value = TokenDigest> {
    (0..40u8).prop_map(|n| TokenDigest([n; 32]))
}

fn moments() -> impl Strategy<Value = WallMs> {
    (0..20u64).prop_map(WallMs)
}

fn ids() -> impl Strategy<Value = RecordId> {
    let games = prop::sample::select(vec![GAME, "go"]);
    let collections = prop::sample::select(vec!["piece", "board"]);
    let keys = prop::sample::select(vec!["", "1", "1/1", "1/2", "12", "2/1"]);
    (games, collections, keys).prop_map(|(game, collection, key)| RecordId::new(game, collection, key))
}

fn changes() -> impl Strategy<Value = Change> {
    let names = prop::option::of(prop::sample::select(vec!["King", "KING", "Queen", "Knight"]));
    let put = (ids(), names, 0..3u32, 0..100u32).prop_map(|(id, name, version, value)| Change::Put {
        id,
        name: name.map(str::to_owned),
        version,
        value: json(value),
    });
    prop_oneof![3 => put, 1 => ids().prop_map(|id| Change::Delete { id })]
}

fn new_events() -> impl Strategy<Value = NewEvent> {
    let games = prop::sample::select(vec![GAME, "go"]);
    (games, moments()).prop_map(|(game, time)| NewEvent { game, kind: "k".to_owned(), time, value: json(1) })
}

fn saves() -> impl Strategy<Value = Saves> {
    let record = (ids(), 0..3u32, 100..200u32).prop_map(|(id, version, value)| SavedRecord {
        id,
        version,
        value: json(value),
    });
    let records = prop::collection::vec(record, 0..4);
    let renewal = (digests(), moments(), moments()).prop_map(|(digest, expires, seen)| Renewal {
        digest,
        expires,
        seen,
    });
    let renewals = prop::collection::vec(renewal, 0..4);
    (records, renewals).prop_map(|(records, renewals)| Saves { records, renewals })
}

fn bans() -> impl Strategy<Value = Request> {
    let targets = prop::sample::select(vec!["192.0.2.1", "192.0.2.0/24", "::1", "Ada"]);
    (targets, moments(), prop::option::of(moments())).prop_map(|(target, created, expires)| Request::AddBan {
        target: BanTarget::parse(target).expect("a target"),
        reason: "because".to_owned(),
        created,
        expires,
    })
}

fn requests() -> impl Strategy<Value = Request> {
    let ending = prop::collection::vec(digests(), 0..3);
    let sessions = (digests(), accounts(), moments(), moments(), ending).prop_map(
        |(digest, account, created, expires, ending)| Request::OpenSession {
            session: LoginSession { digest, account, created, expires, seen: created },
            ending,
        },
    );
    let records =
        ids().prop_map(|id| Request::Records { game: id.game, collection: id.collection, prefix: id.key });
    let writes = (prop::collection::vec(changes(), 0..5), prop::collection::vec(new_events(), 0..3))
        .prop_map(|(changes, events)| Request::Write { changes, events });
    let events = (prop::sample::select(vec![GAME, "go"]), prop::option::of(0..12u64), 0..5u32)
        .prop_map(|(game, before, limit)| Request::Events { game, before, limit });
    prop_oneof![
        3 => (names(), moments()).prop_map(|(name, now)| Request::Register {
            name,
            password: PasswordHash::new("hash".to_owned()),
            now,
        }),
        1 => names().prop_map(|name| Request::FindAccount { name }),
        6 => sessions,
        1 => prop::collection::vec(digests(), 0..4).prop_map(Request::EndSessions),
        1 => moments().prop_map(|now| Request::Sessions { now }),
        1 => (moments(), any::<bool>()).prop_map(|(now, late)| {
            Request::Sweep { now: WallMs(now.0 + if late { LAG } else { 0 }) }
        }),
        2 => bans(),
        1 => (0..8u32).prop_map(Request::LiftBan),
        1 => Just(Request::Bans),
        3 => records,
        6 => writes,
        2 => events,
        3 => saves().prop_map(|saves| Request::Save(Arc::new(saves))),
    ]
}

fn groups(most: usize) -> impl Strategy<Value = Vec<Vec<Request>>> {
    prop::collection::vec(prop::collection::vec(requests(), 1..12), 1..most)
}

proptest! {
    #[test]
    fn it_answers_as_the_model_does(groups in groups(12)) {
        let (mut db, mut model) = (memory(), Model::default());
        for group in &groups {
            prop_assert_eq!(db.commit(group), model.commit(group));
        }
    }
}

proptest! {
    // Each group is synced to disk.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn it_answers_as_the_model_does_when_it_is_opened_again_and_again(
        groups in groups(6),
        again in prop::collection::vec(any::<bool>(), 6),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut db = Database::open(folder.path()).expect("it opens");
        let mut model = Model::default();
        for (group, again) in groups.iter().zip(again) {
            prop_assert_eq!(db.commit(group), model.commit(group));
            if again {
                drop(db);
                db = Database::open(folder.path()).expect("it opens again");
            }
        }
    }
}
