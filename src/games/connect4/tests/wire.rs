//! What the packets look like on the wire.

use super::super::board::{Cell, Disc};
use super::super::packets::{BOT, Closing, Ending, Listed, MatchId, Player, Row};
use super::*;
use crate::packet::{Encoding, golden, open, variants};

/// The numbers and names on the wire are frozen: what stands here may be appended to, never changed.
#[test]
fn packets_keep_their_numbers_and_names() {
    let client = [
        "match_create",
        "match_join",
        "match_bot",
        "match_drop",
        "match_spectate",
        "match_leave",
        "match_rematch",
        "match_list",
    ];
    assert_eq!(variants::<In>(), client);
    assert_eq!(variants::<Out>(), ["match_state", "match_list", "match_closed"]);
    assert_eq!(variants::<Disc>(), ["R", "Y"]);
    assert_eq!(variants::<Closing>(), ["left", "lost", "elsewhere"]);
    assert_eq!(variants::<Ending>(), ["four", "draw", "time", "lost", "left"]);
}

#[test]
fn client_packets_are_read_as_the_contract_has_them() {
    let read = |text: &str| open(Encoding::Json, text.as_bytes()).and_then(|e| e.game::<In>());
    for bare in ["", r#","data":{}"#, r#","data":null"#] {
        let packet = |name: &str| read(&format!(r#"{{"type":"{name}"{bare}}}"#)).unwrap();
        assert_eq!(packet("match_create"), In::MatchCreate { private: None });
        assert_eq!(packet("match_join"), In::MatchJoin { match_id: None });
        assert_eq!(packet("match_leave"), In::MatchLeave);
        assert_eq!(packet("match_rematch"), In::MatchRematch);
        assert_eq!(packet("match_list"), In::MatchList);
    }
    let private = r#"{"type":"match_create","data":{"private":true}}"#;
    assert_eq!(read(private).unwrap(), In::MatchCreate { private: Some(true) });
    for (wrong, field) in [
        (r#"{"type":"match_drop","data":{"column":"3"}}"#, "column"),
        (r#"{"type":"match_drop","data":{"column":true}}"#, "column"),
        (r#"{"type":"match_drop","data":{"column":[3]}}"#, "column"),
        (r#"{"type":"match_bot","data":{"level":{}}}"#, "level"),
        (r#"{"type":"match_spectate","data":{}}"#, "match_id"),
    ] {
        let unreadable = read(wrong).unwrap_err();
        assert_eq!((unreadable.code, unreadable.field.as_deref()), (Code::Invalid, Some(field)), "{wrong}");
    }
}

/// A number that is none of the match's is refused by the rules, and only when it is the sender's turn to name one.
#[test]
fn numbers_that_no_match_has_are_read_and_are_nowhere() {
    let read = |text: &str| open(Encoding::Json, text.as_bytes()).and_then(|e| e.game::<In>());
    let written =
        ["-1", "3.0", "1.5", "-0.5", "1e2", "4294967295", "99999999999", "18446744073709551616", "null"];
    for number in written {
        let drop = read(&format!(r#"{{"type":"match_drop","data":{{"column":{number}}}}}"#));
        assert_eq!(drop, Ok(In::MatchDrop { column: u32::MAX }), "{number}");
        let bot = read(&format!(r#"{{"type":"match_bot","data":{{"level":{number}}}}}"#));
        assert_eq!(bot, Ok(In::MatchBot { level: u32::MAX }), "{number}");
    }
    for bare in ["", r#","data":{}"#, r#","data":null"#, r#","data":{"row":3}"#] {
        let drop = read(&format!(r#"{{"type":"match_drop"{bare}}}"#));
        assert_eq!(drop, Ok(In::MatchDrop { column: u32::MAX }), "{bare}");
        let bot = read(&format!(r#"{{"type":"match_bot"{bare}}}"#));
        assert_eq!(bot, Ok(In::MatchBot { level: u32::MAX }), "{bare}");
    }
    // Out of order, twice, with the number behind: as any other field.
    let odd = r#"{"data":{"row":1,"column":2,"column":6},"id":3,"type":"match_drop"}"#;
    assert_eq!(read(odd), Ok(In::MatchDrop { column: 6 }));
}

/// Postcard has a type for the field: what it can hold is the rules' business, and what it cannot is no packet.
#[test]
fn numbers_in_postcard_are_what_a_u32_holds() {
    let read = |bytes: &[u8]| open(Encoding::Postcard, bytes).and_then(|e| e.game::<In>());
    assert_eq!(read(&[0, 1, 3, 6]), Ok(In::MatchDrop { column: 6 }));
    assert_eq!(read(&[0, 1, 3, 0xff, 0xff, 0xff, 0xff, 0x0f]), Ok(In::MatchDrop { column: u32::MAX }));
    for wrong in [&[0, 1, 3][..], &[0, 1, 3, 0xff, 0xff, 0xff, 0xff, 0x1f], &[0, 1, 2]] {
        assert!(read(wrong).is_err(), "{wrong:?}");
    }
}

/// One of each, for the golden bytes.
fn client_samples() -> [In; 8] {
    let match_id = "0aZ9bY8cX7".to_owned();
    [
        In::MatchCreate { private: Some(true) },
        In::MatchJoin { match_id: Some(match_id.clone()) },
        In::MatchBot { level: 5 },
        In::MatchDrop { column: 6 },
        In::MatchSpectate { match_id },
        In::MatchLeave,
        In::MatchRematch,
        In::MatchList,
    ]
}

/// The same for the server's; a match before, in and after play.
fn server_samples() -> [Out; 5] {
    let match_id = MatchId::parse("0aZ9bY8cX7").unwrap();
    let row = |text: &str| Row::try_from(text.to_owned()).unwrap();
    let ada = Player {
        id: PlayerId(1_000_000_007),
        name: "Ada".into(),
        disc: Disc::Red,
        present: true,
        rematch: true,
    };
    let bot =
        Player { id: BOT, name: "Bot, level 3".into(), disc: Disc::Yellow, present: true, rematch: false };
    let waiting = MatchState {
        match_id,
        players: vec![ada.clone()],
        board: std::array::from_fn(|_| row(".......")),
        turn: None,
        winner: None,
        draw: false,
        line: None,
        moves: 0,
        spectators: 0,
        deadline_ms: None,
        reason: None,
    };
    let mut running = waiting.clone();
    running.players.push(bot.clone());
    running.board[5] = row("..RY...");
    (running.turn, running.moves, running.spectators) = (Some(BOT), 2, 300);
    running.deadline_ms = Some(60_000);
    let mut over = running.clone();
    over.board[5] = row("RRRRYYY");
    (over.turn, over.winner, over.moves, over.deadline_ms) = (None, Some(ada.id), 7, None);
    over.line = Some([Cell(5, 0), Cell(5, 1), Cell(5, 2), Cell(5, 3)]);
    over.reason = Some(Ending::Four);
    let listed = Listed { match_id, players: vec![ada, bot], open: false, moves: 7, spectators: 2 };
    [
        Out::MatchState(Box::new(waiting)),
        Out::MatchState(Box::new(running)),
        Out::MatchState(Box::new(over)),
        Out::MatchList { matches: vec![listed] },
        Out::MatchClosed { match_id, reason: Closing::Lost },
    ]
}

/// Both encodings of a sample of each packet; a change here is a change of the contract.
#[test]
fn golden_bytes() {
    let golden = golden::bytes(&client_samples(), &server_samples());
    insta::assert_snapshot!(golden);
}
