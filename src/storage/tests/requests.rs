//! Each request, on a database in memory.

use super::*;
use crate::account::Renewal;
use crate::account::{BanRecord, BanTarget, LogEntry, StoreError, commit};
use crate::limits;

fn found(store: &mut Database, name: &str) -> Option<(u32, String)> {
    match ask(store, Request::FindAccount { name: username(name) }) {
        Ok(Reply::Account(account)) => account.map(|a| (a.id.0, a.name.as_str().to_owned())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_of_accounts_differ_in_more_than_case() {
    let mut db = memory();
    assert_eq!(ask(&mut db, register("Ada")), Ok(Reply::Registered(AccountId(1))));
    assert_eq!(ask(&mut db, register("aDA")), Err(Refused::NameTaken));
    assert_eq!(ask(&mut db, register("Bob")), Ok(Reply::Registered(AccountId(2))));
    assert_eq!(found(&mut db, "ADA"), Some((1, "Ada".to_owned())), "as it was registered");
    assert_eq!(found(&mut db, "Eve"), None);
    let Ok(Reply::Account(Some(ada))) = ask(&mut db, Request::FindAccount { name: username("ada") }) else {
        panic!("she is there")
    };
    assert_eq!((ada.password.expose(), ada.created), ("hash of Ada's", WallMs(1000)));
}

#[test]
fn one_conflict_fails_nobody_else_in_its_group() {
    let mut db = memory();
    let group = [
        register("Ada"),
        write(vec![put("piece", "1", Some("King"), 1)]),
        register("ada"),
        write(vec![put("piece", "2", None, 2), put("piece", "3", Some("KING"), 3), delete("piece", "1")]),
        write(vec![put("piece", "4", Some("Queen"), 4)]),
    ];
    let replies = db.commit(&group).expect("the disk takes it");
    let written = || Ok(Reply::Written { events: vec![] });
    assert_eq!(
        replies,
        [
            Ok(Reply::Registered(AccountId(1))),
            written(),
            Err(Refused::NameTaken),
            Err(Refused::RecordNameTaken { change: 1 }),
            written(),
        ]
    );
    let left = [record("1", Some("King"), 1), record("4", Some("Queen"), 4)];
    assert_eq!(records(&mut db, "piece", ""), left, "nothing is left of what was refused");
}

#[test]
fn a_name_is_free_again_when_its_record_is_gone_or_renamed() {
    let mut db = memory();
    let swapped = write(vec![
        put("piece", "1", Some("King"), 1),
        put("piece", "1", Some("Queen"), 1),
        put("piece", "2", Some("king"), 2),
        delete("piece", "1"),
        put("piece", "3", Some("QUEEN"), 3),
        put("board", "1", Some("King"), 1),
    ]);
    assert!(ask(&mut db, swapped).is_ok());
    assert_eq!(records(&mut db, "piece", ""), [record("2", Some("king"), 2), record("3", Some("QUEEN"), 3)]);
    assert_eq!(records(&mut db, "board", ""), [record("1", Some("King"), 1)], "names are a collection's");
}

#[test]
fn records_are_found_by_what_their_keys_begin_with() {
    let mut db = memory();
    let keys = ["1/1", "1/2", "10/1", "2/1", "1", "1\u{10ffff}", "ä", "%", "_"];
    ask(&mut db, write(keys.iter().map(|key| put("piece", key, None, 0)).collect())).expect("fine");
    let mut found = |prefix| records(&mut db, "piece", prefix).into_iter().map(|r| r.0).collect::<Vec<_>>();
    assert_eq!(found("1/"), ["1/1", "1/2"]);
    assert_eq!(found("1"), ["1", "1/1", "1/2", "10/1", "1\u{10ffff}"]);
    assert_eq!(found("%"), ["%"], "no character means any other");
    assert_eq!(found("_"), ["_"]);
    assert_eq!(found("").len(), keys.len());
    assert_eq!(found("3"), [""; 0]);
}

#[test]
fn a_save_replaces_the_value_and_leaves_the_name() {
    let mut db = memory();
    ask(&mut db, write(vec![put("piece", "1", Some("King"), 1)])).expect("fine");
    assert_eq!(ask(&mut db, save("1", 7)), Ok(Reply::Saved));
    assert_eq!(ask(&mut db, save("2", 8)), Ok(Reply::Saved));
    assert_eq!(records(&mut db, "piece", ""), [record("1", Some("King"), 7), record("2", None, 8)]);
}

#[test]
fn login_sessions_live_until_they_end_or_expire() {
    let mut db = memory();
    assert_eq!(ask(&mut db, open(session(1, 1, 2000), &[])), Err(Refused::NoAccount));
    ask(&mut db, register("Ada")).expect("fine");
    for (digest, expires) in [(1, 2000), (2, 3000), (3, 4000), (4, 9000)] {
        assert_eq!(ask(&mut db, open(session(digest, 1, expires), &[])), Ok(Reply::Opened));
    }
    let renewal =
        |digest| Renewal { digest: TokenDigest([digest; 32]), expires: WallMs(8000), seen: WallMs(4000) };
    let renewals = vec![renewal(1), renewal(9)];
    let saves = Saves { records: vec![], renewals };
    assert_eq!(ask(&mut db, Request::Save(Arc::new(saves))), Ok(Reply::Saved));
    let ended = Request::EndSessions(vec![TokenDigest([4; 32]), TokenDigest([9; 32])]);
    assert_eq!(ask(&mut db, ended), Ok(Reply::Ended(1)));
    let live = |expected: &[(u8, u64)]| {
        let seen = |digest| WallMs(if digest == 1 { 4000 } else { 1000 });
        let live = expected.iter().map(|(digest, expires)| {
            let session = LoginSession { seen: seen(*digest), ..session(*digest, 1, *expires) };
            (session, username("Ada"))
        });
        Ok(Reply::Sessions(live.collect()))
    };
    let at = |now| Request::Sessions { now: WallMs(now) };
    assert_eq!(
        ask(&mut db, at(2999)),
        live(&[(1, 8000), (2, 3000), (3, 4000)]),
        "renewed, and none made by it"
    );
    assert_eq!(ask(&mut db, at(3000)), live(&[(1, 8000), (3, 4000)]), "over at its very end");
    let lag = limits::SWEEP_LAG.as_millis() as u64;
    let mut sweep = |now| ask(&mut db, Request::Sweep { now: WallMs(now) });
    let swept = |sessions| Ok(Reply::Swept { sessions, bans: 0 });
    assert_eq!(sweep(2999 + lag), swept(0), "its renewal may still be on the way");
    assert_eq!(sweep(3000 + lag), swept(1));
    assert_eq!(ask(&mut db, at(0)), live(&[(1, 8000), (3, 4000)]));
    let all = Request::EndSessions(vec![TokenDigest([1; 32]), TokenDigest([3; 32])]);
    assert_eq!(ask(&mut db, all), Ok(Reply::Ended(2)));
    assert_eq!(ask(&mut db, at(0)), live(&[]));
}

/// Opens it, and ends those of the given digests.
fn open(session: LoginSession, ending: &[u8]) -> Request {
    Request::OpenSession { session, ending: ending.iter().map(|digest| TokenDigest([*digest; 32])).collect() }
}

#[test]
fn a_session_that_is_opened_ends_those_it_names_and_no_other() {
    let mut db = memory();
    ask(&mut db, register("Ada")).expect("fine");
    for digest in 1..=4 {
        ask(&mut db, open(session(digest, 1, 5000), &[])).expect("fine");
    }
    assert_eq!(ask(&mut db, open(session(5, 9, 5000), &[1])), Err(Refused::NoAccount));
    assert_eq!(ask(&mut db, open(session(5, 1, 5000), &[2, 3, 77])), Ok(Reply::Opened));
    let Ok(Reply::Sessions(left)) = ask(&mut db, Request::Sessions { now: WallMs(0) }) else {
        panic!("sessions are told")
    };
    let left: Vec<u8> = left.iter().map(|(session, _)| session.digest.0[0]).collect();
    assert_eq!(left, [1, 4, 5], "who was refused has ended none");
}

#[test]
fn bans_are_listed_lifted_and_swept() {
    let mut db = memory();
    let mut ban = |target: &str, expires: Option<u64>| {
        let target = BanTarget::parse(target).expect("a target");
        let (reason, created) = ("spam".to_owned(), WallMs(1));
        ask(&mut db, Request::AddBan { target, reason, created, expires: expires.map(WallMs) })
    };
    for (id, target) in [(1, "192.0.2.0/24"), (2, "2001:db8::1"), (3, "Ada")] {
        assert_eq!(ban(target, (id == 2).then_some(50)), Ok(Reply::BanAdded(id)));
    }
    assert_eq!(ask(&mut db, Request::LiftBan(3)), Ok(Reply::BanLifted(true)));
    assert_eq!(ask(&mut db, Request::LiftBan(3)), Ok(Reply::BanLifted(false)));
    let listed = |id, target: &str, expires: Option<u64>| BanRecord {
        id,
        target: BanTarget::parse(target).expect("a target"),
        reason: "spam".to_owned(),
        created: WallMs(1),
        expires: expires.map(WallMs),
    };
    let both = vec![listed(1, "192.0.2.0/24", None), listed(2, "2001:db8::1", Some(50))];
    assert_eq!(ask(&mut db, Request::Bans), Ok(Reply::Bans(both)));
    assert_eq!(ask(&mut db, Request::Sweep { now: WallMs(50) }), Ok(Reply::Swept { sessions: 0, bans: 1 }));
    let again = Request::AddBan {
        target: BanTarget::Account(username("Ada")),
        reason: String::new(),
        created: WallMs(1),
        expires: None,
    };
    assert_eq!(ask(&mut db, again), Ok(Reply::BanAdded(4)), "no number is used again");
}

#[test]
fn so_many_bans_are_held_and_no_more() {
    let mut db = memory();
    let ban = || Request::AddBan {
        target: BanTarget::Account(username("Ada")),
        reason: String::new(),
        created: WallMs(1),
        expires: None,
    };
    // Made all at once, since one by one would take long.
    db.fill_bans(limits::BANS - 1);
    assert!(ask(&mut db, ban()).is_ok());
    assert_eq!(ask(&mut db, ban()), Err(Refused::TooManyBans));
}

#[test]
fn a_log_is_read_from_its_end() {
    let mut db = memory();
    let event = |game, kind: &str| NewEvent { game, kind: kind.to_owned(), time: WallMs(5), value: json(0) };
    let events = vec![event(GAME, "a"), event("go", "b"), event(GAME, "c")];
    let changes = vec![put("piece", "1", None, 1)];
    let written = ask(&mut db, Request::Write { changes, events });
    assert_eq!(written, Ok(Reply::Written { events: vec![1, 2, 3] }));
    assert_eq!(ask(&mut db, append("d")), Ok(Reply::Written { events: vec![4] }));
    let mut read = |before, limit| match ask(&mut db, Request::Events { game: GAME, before, limit }) {
        Ok(Reply::Events(entries)) => {
            entries.into_iter().map(|e: LogEntry| (e.id, e.kind)).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let entry = |id, kind: &str| (id, kind.to_owned());
    assert_eq!(read(None, 2), [entry(4, "d"), entry(3, "c")]);
    assert_eq!(read(Some(3), 20), [entry(1, "a")]);
    assert_eq!(read(Some(u64::MAX), 1), [entry(4, "d")]);
    assert_eq!(read(Some(1), 20), []);
}

#[test]
fn a_full_disk_refuses_what_needs_room_and_nothing_else() {
    let mut db = memory();
    ask(&mut db, register("Ada")).expect("fine");
    db.limit_pages(16).expect("it may not grow");
    let big = || {
        let value = Json::of(&"x".repeat(1 << 20)).expect("text");
        let id = RecordId::new(GAME, "piece", "big");
        write(vec![Change::Put { id, name: None, version: 1, value }])
    };
    assert_eq!(db.commit(&[big()]), Err(StoreError::DiskFull));
    let group = [Request::EndSessions(vec![TokenDigest([1; 32])]), big(), save("1", 7), load("piece", "")];
    let answers = commit(&mut db, &group);
    assert_eq!(answers[0], Ok(Reply::Ended(0)));
    assert_eq!(answers[1], Err(StoreError::DiskFull.into()));
    assert_eq!(answers[2], Ok(Reply::Saved));
    assert!(
        matches!(&answers[3], Ok(Reply::Records(records)) if records.len() == 1),
        "nothing is left of it"
    );
    db.limit_pages(4096).expect("it may grow");
    assert!(ask(&mut db, big()).is_ok(), "it goes on where there is room again");
}

#[test]
fn what_somebody_edited_is_damage_to_whoever_reads_it_only() {
    let mut db = memory();
    ask(&mut db, register("Ada")).expect("fine");
    ask(&mut db, write(vec![put("piece", "1", None, 1), put("board", "1", None, 1)])).expect("fine");
    db.execute("UPDATE account SET id = 1 << 40");
    db.execute("UPDATE record SET value = '{' WHERE collection = 'piece'");
    db.execute("INSERT INTO ban (target, reason, created) VALUES ('?', '', 0)");
    let group =
        [Request::FindAccount { name: username("Ada") }, load("piece", ""), Request::Bans, load("board", "")];
    let answers = commit(&mut db, &group);
    for answer in &answers[..3] {
        assert!(matches!(answer, Err(crate::account::Failure::Store(StoreError::Corrupt(_)))), "{answer:?}");
    }
    assert!(answers[3].is_ok());
}
