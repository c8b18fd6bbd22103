//! Deadlines, with a clock that the test turns.

use crate::driven::Driven;
use evertick::limits;
use evertick::outgoing::Next;
use std::time::Duration;

const HERE: &str = "203.0.113.7";
/// A deadline is kept to within one pass of the sweep, a quarter of a second.
const PASS: Duration = Duration::from_millis(500);

#[test]
fn a_head_that_drips_is_408_after_ten_seconds() {
    let mut driven = Driven::new(|_| {});
    let dripping = driven.accept(HERE).unwrap();
    let silent = driven.accept(HERE).unwrap();
    let mut dripped = 0;
    for byte in b"GET / HTTP/1.1\r\nHost: yard\r\nX: " {
        if driven.next(dripping) != Next::Read {
            break;
        }
        driven.send(dripping, &[*byte]);
        driven.pass(Duration::from_secs(1));
        dripped += 1;
    }
    assert!((10..=11).contains(&dripped), "{dripped}");
    assert_eq!(driven.refusal(dripping), (408, "request_timeout".to_owned()));
    assert_eq!(driven.refusal(silent), (408, "request_timeout".to_owned()));
    assert_eq!(driven.next(dripping), Next::Finish);
}

#[test]
fn a_crowd_that_says_nothing_is_ended_a_few_at_a_time() {
    // Four ticks a second: each of them looks at everybody.
    let mut driven = Driven::new(|s| s.tick_rate = evertick::time::TickRate::new(4).unwrap());
    let crowd: Vec<_> = (0..1000).map(|_| driven.accept(HERE).unwrap()).collect();
    driven.pass(limits::HTTP_HEAD_TIME - PASS);
    let tick = Duration::from_millis(250);
    let (mut ended, mut most) = (0, 0);
    for _ in 0..12 {
        driven.pass(tick);
        let now = crowd.iter().filter(|&&conn| driven.next(conn) == Next::Finish).count();
        most = most.max(now - ended);
        ended = now;
    }
    assert_eq!(ended, 1000);
    assert_eq!(most, limits::ENDINGS_PER_TICK);
}

#[test]
fn a_body_has_its_own_time() {
    let mut driven = Driven::new(|_| {});
    let conn = driven.accept(HERE).unwrap();
    driven.send(conn, b"POST / HTTP/1.1\r\nHost: yard\r\nContent-Length: 100\r\n\r\n");
    driven.pass(limits::HTTP_BODY_TIME - PASS);
    driven.send(conn, b"x");
    assert_eq!(driven.status(conn), 0);
    driven.pass(2 * PASS);
    assert_eq!(driven.status(conn), 408);
}

#[test]
fn a_kept_connection_that_asks_nothing_is_closed_without_a_word() {
    let mut driven = Driven::new(|_| {});
    let conn = driven.accept(HERE).unwrap();
    for _ in 0..3 {
        driven.send(conn, b"GET /healthz HTTP/1.1\r\nHost: yard\r\n\r\n");
        assert_eq!(driven.status(conn), 200);
        driven.taken(conn);
        driven.pass(limits::HTTP_IDLE_TIME - PASS);
        assert_eq!(driven.next(conn), Next::Read);
    }
    driven.pass(2 * PASS);
    assert_eq!((driven.next(conn), driven.taken(conn).len()), (Next::Finish, 0));
}

#[test]
fn pings_go_to_the_quiet_and_the_silent_are_closed() {
    let mut driven = Driven::new(|_| {});
    let conn = driven.joined(HERE, "Ann");
    driven.pass(Duration::from_secs(4));
    assert_eq!(driven.frames(conn).pings, 0);
    driven.pass(Duration::from_secs(2));
    assert_eq!(driven.frames(conn).pings, 1);
    // An answer shows that somebody is there; the next ping comes an interval later.
    driven.send(conn, &[0x8a, 0x80, 0, 0, 0, 0]);
    driven.pass(Duration::from_secs(4));
    assert_eq!(driven.frames(conn).pings, 0);
    driven.pass(Duration::from_secs(25));
    let frames = driven.frames(conn);
    assert!((4..=5).contains(&frames.pings) && frames.close.is_none(), "{frames:?}");
    driven.pass(Duration::from_secs(2));
    assert_eq!(driven.frames(conn).reason(), (4009, "idle_timeout"));
}

#[test]
fn whoever_does_not_say_who_it_is_has_ten_seconds() {
    let mut driven = Driven::new(|_| {});
    let conn = driven.upgraded(HERE);
    // Pings and their answers do not extend it.
    for _ in 0..9 {
        driven.send(conn, &[0x89, 0x80, 0, 0, 0, 0]);
        driven.pass(Duration::from_secs(1));
    }
    assert_eq!(driven.frames(conn).close, None);
    driven.pass(Duration::from_secs(1) + PASS);
    assert_eq!(driven.frames(conn).reason(), (4007, "auth_timeout"));
}

#[test]
fn whoever_stays_over_half_the_limit_for_too_long_is_slow() {
    let mut driven = Driven::new(|s| {
        s.session.outbox_limit = 128 << 10;
        s.session.timeout = Duration::from_secs(3600);
    });
    let slow = driven.joined(HERE, "Ann");
    driven.pass(PASS);
    driven.set_room(slow, 0);
    driven.say(slow, r#"{"type":"burst","data":{"packets":80,"bytes":1000}}"#);
    driven.pass(limits::SLOW_TIME - PASS);
    driven.taken(slow);
    assert_eq!(driven.next(slow), Next::Read);
    driven.pass(2 * PASS);
    // Closing: it may still read why, for as long as a closing peer may take.
    driven.set_room(slow, usize::MAX);
    assert_eq!(driven.frames(slow).reason(), (4015, "slow_consumer"));
}

#[test]
fn a_closing_peer_that_takes_nothing_is_cut() {
    let mut driven = Driven::new(|_| {});
    let conn = driven.joined(HERE, "Ann");
    driven.pass(PASS);
    driven.set_room(conn, 0);
    driven.say(conn, r#"{"type":"out"}"#);
    driven.pass(Duration::from_millis(100));
    assert_eq!(driven.next(conn), Next::Pause);
    driven.pass(limits::LINGER_TIME + PASS);
    assert_eq!(driven.next(conn), Next::Abort);
}

#[test]
fn control_frames_in_a_row_too_many_close_and_rows_are_not_added_up() {
    let mut driven = Driven::new(|_| {});
    let ping = [0x89, 0x80, 0, 0, 0, 0];
    let patient = driven.joined(HERE, "Ann");
    for _ in 0..5 {
        for _ in 0..limits::CONTROL_BURST + limits::RATE_STRIKES - 1 {
            driven.send(patient, &ping);
        }
        driven.pass(Duration::from_secs(3));
    }
    let frames = driven.frames(patient);
    assert!(frames.close.is_none(), "five bursts, none of which had ten too many in a row: {frames:?}");
    let flooding = driven.joined(HERE, "Bob");
    for _ in 0..limits::CONTROL_BURST + limits::RATE_STRIKES {
        driven.send(flooding, &ping);
    }
    assert_eq!(driven.frames(flooding).reason(), (4008, "rate_limited"));
}
