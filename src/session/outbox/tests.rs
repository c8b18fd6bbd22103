//! What the outbox promises, on one peer with a narrow line.

use super::*;
use crate::limits;
use crate::outgoing::Outgoing;
use crate::packet::read_batch;
use crate::session::compression::Scratch;
use crate::websocket::{Connection, Event, Role};
use proptest::prelude::*;

const LIMIT: usize = 1 << 20;
const STAMP: Stamp = Stamp {
    tick: Tick(7),
    time: WallMs(1_700_000_000_000),
    now: Time::START,
    encoding: Encoding::Json,
    deflate: None,
};

/// Takes at most so many bytes, then no more.
struct Narrow {
    took: Vec<u8>,
    room: usize,
}

impl Outgoing for Narrow {
    fn write(&mut self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.room);
        self.room -= n;
        self.took.extend_from_slice(&bytes[..n]);
        n
    }
}

fn body(name: &str) -> Body {
    Body::from(format!(r#"{{"type":"{name}"}}"#).as_bytes())
}

fn push(outbox: &mut Outbox, name: &str, priority: Priority, key: Option<u32>) -> Pushed {
    outbox.push(&body(name), priority, key, LIMIT, Time::START)
}

fn flush(outbox: &mut Outbox, out: &mut impl Outgoing) -> Flushed {
    outbox.flush(STAMP, LIMIT, out, &mut Scratch::default())
}

/// The batches in what was written: their `seq` and the types of their packets.
fn read(mut written: Vec<u8>) -> Vec<(u64, Vec<String>)> {
    let mut client = Connection::new(Role::Client, usize::MAX);
    let mut input = written.as_mut_slice();
    let mut batches = Vec::new();
    while let Some(event) = client.next(&mut input) {
        let Event::Text(message) = event else { panic!("{event:?}") };
        let head = read_batch(Encoding::Json, message).expect("a batch").head;
        let value: serde_json::Value = serde_json::from_slice(message).expect("JSON");
        let packets = value["packets"].as_array().expect("a list").iter();
        batches.push((head.seq, packets.map(|p| p["type"].as_str().expect("a name").to_owned()).collect()));
    }
    batches
}

fn batch(seq: u64, packets: &[&str]) -> (u64, Vec<String>) {
    (seq, packets.iter().map(|p| p.to_string()).collect())
}

#[test]
fn batches_are_numbered_from_the_player_s_first_packet_on() {
    let mut outbox = Outbox::default();
    push(&mut outbox, "connected", Priority::Critical, None);
    push(&mut outbox, "auth_response", Priority::Critical, None);
    outbox.begin_sequence();
    push(&mut outbox, "game_state", Priority::Critical, None);
    push(&mut outbox, "chat", Priority::Normal, None);
    let mut out = Vec::new();
    assert!(flush(&mut outbox, &mut out).drained);
    push(&mut outbox, "pong", Priority::Critical, None);
    assert_eq!(flush(&mut outbox, &mut out).batches, 1);
    let expected =
        [batch(0, &["connected", "auth_response"]), batch(1, &["game_state", "chat"]), batch(2, &["pong"])];
    assert_eq!(read(out), expected);
    assert!(outbox.is_empty() && outbox.waiting() == 0);
}

#[test]
fn a_tick_s_packets_are_one_write() {
    let mut outbox = Outbox::default();
    outbox.begin_sequence();
    for name in ["a", "b", "c"] {
        push(&mut outbox, name, Priority::Normal, None);
    }
    outbox.control().extend_from_slice(&[0x89, 0x00]);
    let mut out = Narrow { took: Vec::new(), room: usize::MAX };
    struct Count<'a>(&'a mut Narrow, usize);
    impl Outgoing for Count<'_> {
        fn write(&mut self, bytes: &[u8]) -> usize {
            self.1 += 1;
            self.0.write(bytes)
        }
    }
    let mut counted = Count(&mut out, 0);
    flush(&mut outbox, &mut counted);
    assert_eq!(counted.1, 1);
    assert_eq!(out.took[..2], [0x89, 0x00], "control frames go before the batch");
}

#[test]
fn newer_positions_replace_what_is_not_sealed_yet() {
    let mut outbox = Outbox::default();
    outbox.begin_sequence();
    push(&mut outbox, "old", Priority::Low, Some(1));
    let mut out = Narrow { took: Vec::new(), room: 10 };
    assert!(!flush(&mut outbox, &mut out).drained, "sealed, and stuck half way");
    push(&mut outbox, "middle", Priority::Low, Some(1));
    push(&mut outbox, "elsewhere", Priority::Low, Some(2));
    push(&mut outbox, "chat", Priority::Normal, None);
    assert_eq!(push(&mut outbox, "new", Priority::Low, Some(1)), Pushed::Dropped);
    out.room = usize::MAX;
    let flushed = flush(&mut outbox, &mut out);
    assert!(flushed.drained && flushed.caught_up, "it is told that something was left out");
    assert_eq!(read(out.took), [batch(1, &["old"]), batch(2, &["elsewhere", "chat", "new"])]);
    push(&mut outbox, "x", Priority::Low, Some(1));
    assert!(!flush(&mut outbox, &mut Vec::new()).caught_up, "once");
}

#[test]
fn joined_packets_are_many_on_the_wire_and_one_in_the_queue() {
    let joined = |names: &str, packets, part| {
        let bodies: Vec<_> = names.split(' ').map(|name| format!(r#"{{"type":"{name}"}}"#)).collect();
        Joined::new(Body::from(bodies.join(",").as_bytes()), packets, part)
    };
    let mut outbox = Outbox::default();
    outbox.begin_sequence();
    push(&mut outbox, "stuck", Priority::Normal, None);
    let mut out = Narrow { took: Vec::new(), room: 10 };
    flush(&mut outbox, &mut out);
    let mut add = |joined: Joined| outbox.push_joined(&joined, LIMIT, Time::START);
    assert_eq!(add(joined("a b c", 3, 0)), Pushed::Queued);
    assert_eq!(add(joined("d", 1, 1)), Pushed::Queued);
    assert_eq!(add(joined("e f", 2, 0)), Pushed::Dropped, "the older one of its part");
    // The keys of single packets are others.
    assert_eq!(push(&mut outbox, "single", Priority::Low, Some(0)), Pushed::Queued);
    out.room = usize::MAX;
    assert!(flush(&mut outbox, &mut out).caught_up);
    assert!(outbox.is_at_rest());
    assert_eq!(read(out.took), [batch(1, &["stuck"]), batch(2, &["d", "e", "f", "single"])]);
}

#[test]
fn over_the_soft_limit_only_low_priority_is_dropped_and_over_the_hard_one_it_is_said() {
    let limit = 1000;
    let mut outbox = Outbox::default();
    outbox.begin_sequence();
    push(&mut outbox, "stuck", Priority::Normal, None);
    flush(&mut outbox, &mut Narrow { took: Vec::new(), room: usize::MAX - 1 });
    push(&mut outbox, "stuck", Priority::Normal, None);
    outbox.flush(STAMP, limit, &mut Narrow { took: Vec::new(), room: 40 }, &mut Scratch::default());
    assert!(outbox.is_stuck() && outbox.waiting() < 50);
    let big = Body::from(vec![b'x'; 400].as_slice());
    let later = Time::from_millis(5);
    let mut add = |priority| outbox.push(&big, priority, None, limit, later);
    assert_eq!(add(Priority::Low), Pushed::Queued);
    assert_eq!(add(Priority::Low), Pushed::Dropped);
    assert_eq!(add(Priority::High), Pushed::Queued);
    assert_eq!(add(Priority::Normal), Pushed::Over);
    assert_eq!(outbox.over_soft_limit_since(), Some(later));
    outbox.drop_unsealed();
    assert!(outbox.waiting() < 50 && outbox.over_soft_limit_since().is_none());
}

#[test]
fn who_has_taken_all_gets_positions_whatever_the_limit_is() {
    // A whole batch of them never fitted under the soft limit of the smallest outbox, though its peer took everything.
    let limit = *limits::OUTBOX_LIMIT.start();
    let part = Joined::new(Body::from(vec![b'x'; limits::BATCH_BYTES].as_slice()), 1, 0);
    let mut outbox = Outbox::default();
    outbox.begin_sequence();
    for _ in 0..3 {
        push(&mut outbox, "chat", Priority::Normal, None);
        assert_eq!(outbox.push_joined(&part, limit, Time::START), Pushed::Queued);
        let flushed = outbox.flush(STAMP, limit, &mut Vec::new(), &mut Scratch::default());
        assert!(flushed.drained && !flushed.caught_up, "nothing was left out");
    }
    // However large it is, it is offered where nothing else waits.
    let large = Joined::new(Body::from(vec![b'x'; 2 * limit].as_slice()), 1, 0);
    assert_eq!(outbox.push_joined(&large, limit, Time::START), Pushed::Over);
    assert!(outbox.flush(STAMP, limit, &mut Vec::new(), &mut Scratch::default()).drained);
    // Who is stuck is spared what it could not read in time anyway.
    push(&mut outbox, "chat", Priority::Normal, None);
    outbox.flush(STAMP, limit, &mut Narrow { took: Vec::new(), room: 10 }, &mut Scratch::default());
    assert_eq!(outbox.push_joined(&part, limit, Time::START), Pushed::Dropped);
}

#[test]
fn the_close_frame_comes_last() {
    let mut outbox = Outbox::default();
    outbox.begin_sequence();
    outbox.close().extend_from_slice(&[0x88, 0x02, 0x03, 0xE8]);
    for _ in 0..limits::BATCH_PACKETS + 1 {
        push(&mut outbox, "a", Priority::Normal, None);
    }
    let mut out = Vec::new();
    assert_eq!(flush(&mut outbox, &mut out).batches, 2);
    assert_eq!(out[out.len() - 4..], [0x88, 0x02, 0x03, 0xE8]);
}

#[test]
fn an_empty_outbox_owns_next_to_nothing() {
    let mut outbox = Outbox::default();
    assert_eq!(outbox.memory(), 0);
    for _ in 0..1000 {
        push(&mut outbox, "a", Priority::Normal, None);
    }
    flush(&mut outbox, &mut Vec::new());
    assert!(outbox.memory() <= 64 * size_of::<Queued>(), "{}", outbox.memory());
    outbox.rest();
    outbox.rest();
    assert_eq!(outbox.memory(), 0);
}

/// A peer at the end of a line that is cut now and then, and what it has seen.
struct Wire {
    outbox: Outbox,
    line: Narrow,
    client: Connection,
    /// How much of what was written the client has read.
    read: usize,
    seq: u64,
    seen: Vec<String>,
    pongs: Vec<Vec<u8>>,
}

impl Wire {
    fn new() -> Wire {
        let mut outbox = Outbox::default();
        push(&mut outbox, "connected", Priority::Critical, None);
        outbox.begin_sequence();
        outbox.keep_batches();
        let line = Narrow { took: Vec::new(), room: 0 };
        let client = Connection::new(Role::Client, usize::MAX);
        Wire { outbox, line, client, read: 0, seq: 0, seen: Vec::new(), pongs: Vec::new() }
    }

    fn flush(&mut self, room: usize, now: Time) {
        self.line.room = room;
        self.outbox.flush(Stamp { now, ..STAMP }, LIMIT, &mut self.line, &mut Scratch::default());
    }

    /// Has the client read so much of what is on the way.
    fn read(&mut self, len: usize) {
        let end = self.line.took.len().min(self.read.saturating_add(len));
        let mut bytes = self.line.took[self.read..end].to_vec();
        self.read = end;
        let mut input = bytes.as_mut_slice();
        while let Some(event) = self.client.next(&mut input) {
            match event {
                Event::Ping(payload) => self.pongs.push(payload.to_vec()),
                Event::Text(message) => {
                    let head = read_batch(Encoding::Json, message).expect("a batch").head;
                    let value: serde_json::Value = serde_json::from_slice(message).expect("JSON");
                    let packets = value["packets"].as_array().expect("a list").iter();
                    if head.seq == 0 {
                        continue;
                    }
                    assert_eq!(head.seq, self.seq + 1, "without gaps, and none twice");
                    self.seq = head.seq;
                    self.seen.extend(packets.map(|p| p["type"].as_str().expect("a name").to_owned()));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn pong(&mut self) {
        for payload in std::mem::take(&mut self.pongs) {
            assert!(self.outbox.pong(&payload).is_due);
        }
    }

    /// The line breaks; `away` is pushed while nobody is there, then the client comes back.
    fn cut(&mut self, away: &[String], goodbye: Goodbye) {
        let says_goodbye = goodbye != Goodbye::Unsaid;
        let mut player = self.outbox.part(says_goodbye);
        if says_goodbye {
            push(&mut self.outbox, "goodbye", Priority::Critical, None);
            self.flush(usize::MAX, Time::START);
        }
        if goodbye == Goodbye::Seen {
            self.read(usize::MAX);
            assert_eq!(self.seen.pop().as_deref(), Some("goodbye"));
        }
        for name in away {
            push(&mut player, name, Priority::Normal, None);
        }
        let replayed = player.resume(self.seq, Tick(8), WallMs(1)).expect("nothing is let go of");
        assert!(player.kept.replay().map_or(0, |replay| replay.len()) as u32 == replayed);
        self.outbox = Outbox::default();
        push(&mut self.outbox, "connected", Priority::Critical, None);
        self.outbox.adopt(player);
        self.line.took.clear();
        self.read = 0;
        self.client = Connection::new(Role::Client, usize::MAX);
        self.pongs.clear();
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Goodbye {
    Unsaid,
    Unseen,
    Seen,
}

#[derive(Clone, Debug)]
enum Op {
    Push(u8),
    Flush(usize),
    Read(usize),
    Pong,
    Wait(u64),
    Cut(u8, Goodbye),
}

fn op() -> impl Strategy<Value = Op> {
    let goodbye = prop_oneof![Just(Goodbye::Unsaid), Just(Goodbye::Unseen), Just(Goodbye::Seen)];
    prop_oneof![
        4 => (1u8..5).prop_map(Op::Push),
        4 => (0usize..400).prop_map(Op::Flush),
        4 => (0usize..400).prop_map(Op::Read),
        2 => Just(Op::Pong),
        2 => (0u64..1500).prop_map(Op::Wait),
        1 => (0u8..4, goodbye).prop_map(|(n, goodbye)| Op::Cut(n, goodbye)),
    ]
}

#[test]
fn a_ping_names_what_it_follows_and_its_pong_lets_go_of_that() {
    let mut wire = Wire::new();
    let second = |s: u64| Time::from_millis(s * 1000);
    push(&mut wire.outbox, "a", Priority::Normal, None);
    wire.flush(usize::MAX, second(1));
    push(&mut wire.outbox, "b", Priority::Normal, None);
    wire.flush(usize::MAX, second(1));
    wire.read(usize::MAX);
    assert_eq!(wire.pongs, [1u64.to_be_bytes()], "at most once a second, behind the first batch");
    wire.pong();
    let kept = |wire: &Wire| wire.outbox.kept.replay().map_or(0, |replay| replay.len());
    assert_eq!(kept(&wire), 1);
    assert!(!wire.outbox.is_to_ask(Time::from_millis(1999)) && wire.outbox.is_to_ask(second(2)));
    wire.outbox.ping(second(2));
    assert!(!wire.outbox.is_to_ask(second(9)), "what was asked is not asked again");
    wire.flush(usize::MAX, second(2));
    wire.read(usize::MAX);
    assert_eq!(wire.pongs, [2u64.to_be_bytes()]);
    wire.pong();
    assert_eq!(kept(&wire), 0);
    wire.outbox.rest();
    wire.outbox.rest();
    assert_eq!(wire.outbox.memory(), 0, "who has everything costs nothing");
    let forged = wire.outbox.pong(&9u64.to_be_bytes());
    assert_eq!(forged, Pong { is_due: false, names_a_batch: false });
}

#[test]
fn who_does_not_answer_keeps_no_more_than_the_bound() {
    let mut wire = Wire::new();
    for n in 0..1000 {
        push(&mut wire.outbox, &format!("p{n}"), Priority::Normal, None);
        wire.flush(usize::MAX, Time::START);
    }
    let replay = wire.outbox.kept.replay().expect("something is kept");
    assert_eq!(replay.len(), limits::REPLAY_BATCHES);
    let mut player = wire.outbox.part(false);
    assert_eq!(player.resume(1000 - limits::REPLAY_BATCHES as u64 - 1, Tick(1), WallMs(1)), None);
    assert_eq!(player.resume(1001, Tick(1), WallMs(1)), None, "from the future");
    let all = limits::REPLAY_BATCHES as u64;
    assert_eq!(player.resume(1000 - all, Tick(1), WallMs(1)), Some(all as u32));
    assert_eq!(player.resume(1000, Tick(1), WallMs(1)), Some(0));
}

#[test]
fn while_nobody_is_there_low_priority_is_spared_and_too_much_is_let_go() {
    let mut outbox = Outbox::default();
    outbox.begin_sequence();
    outbox.keep_batches();
    push(&mut outbox, "low", Priority::Low, Some(1));
    let mut player = outbox.part(true);
    assert_eq!(push(&mut player, "low", Priority::Low, Some(1)), Pushed::Dropped);
    assert_eq!(push(&mut player, "chat", Priority::Normal, None), Pushed::Queued);
    assert_eq!(player.queue.len(), 1);
    let big = Body::from(vec![b'x'; limits::BATCH_BYTES].as_slice());
    let add = |player: &mut Outbox| player.push(&big, Priority::Critical, None, LIMIT, Time::START);
    let held = (0..100).take_while(|_| add(&mut player) == Pushed::Queued).count();
    assert_eq!(held, limits::REPLAY_BYTES / limits::BATCH_BYTES - 1);
    assert!(player.memory() < 1000, "{}", player.memory());
    assert_eq!(add(&mut player), Pushed::Dropped);
    assert_eq!(player.resume(0, Tick(1), WallMs(1)), None);
    player.restart();
    let mut next = Outbox::default();
    next.adopt(player);
    push(&mut next, "state", Priority::Critical, None);
    let mut out = Vec::new();
    next.flush(STAMP, LIMIT, &mut out, &mut Scratch::default());
    // The goodbye may have been seen as number 1.
    assert!(out.windows(8).any(|bytes| bytes == b"\"seq\":2,"), "{}", String::from_utf8_lossy(&out));
}

#[test]
fn memory_that_is_for_resumes_only_can_be_had_back() {
    let mut wire = Wire::new();
    push(&mut wire.outbox, "a", Priority::Normal, None);
    wire.flush(usize::MAX, Time::START);
    assert!(wire.outbox.trimmable() > 0);
    wire.outbox.trim();
    assert_eq!(wire.outbox.trimmable(), 0);
    let mut player = wire.outbox.part(false);
    assert_eq!(player.resume(0, Tick(1), WallMs(1)), None, "told afresh");
    assert_eq!(player.resume(1, Tick(1), WallMs(1)), Some(0), "has seen it all");
}

proptest! {
    /// However little the socket takes at a time, it gets the same bytes.
    #[test]
    fn short_writes_change_nothing(
        names in prop::collection::vec("[a-z]{1,300}", 1..40),
        rooms in prop::collection::vec(1usize..500, 1..200),
    ) {
        let fill = || {
            let mut outbox = Outbox::default();
            outbox.begin_sequence();
            for name in &names {
                push(&mut outbox, name, Priority::Normal, None);
            }
            outbox
        };
        let mut whole = Vec::new();
        flush(&mut fill(), &mut whole);
        let mut outbox = fill();
        let mut out = Narrow { took: Vec::new(), room: 0 };
        for room in rooms.iter().chain(std::iter::repeat(&500)) {
            out.room = *room;
            if flush(&mut outbox, &mut out).drained {
                break;
            }
        }
        prop_assert_eq!(out.took, whole);
    }

    /// Whatever is written, read, acknowledged and cut in between: the client sees each packet once, and in order.
    #[test]
    fn cut_anywhere_each_packet_is_seen_once(ops in prop::collection::vec(op(), 1..120)) {
        let (mut wire, mut told, mut now) = (Wire::new(), Vec::new(), Time::START);
        let mut name = {
            let mut count = 0;
            move || {
                count += 1;
                format!("p{count}")
            }
        };
        for op in ops {
            match op {
                Op::Push(count) => {
                    for _ in 0..count {
                        told.push(name());
                        push(&mut wire.outbox, &told[told.len() - 1], Priority::Normal, None);
                    }
                }
                Op::Flush(room) => wire.flush(room, now),
                Op::Read(len) => wire.read(len),
                Op::Pong => wire.pong(),
                Op::Wait(ms) => {
                    now = now + std::time::Duration::from_millis(ms);
                    if wire.outbox.is_to_ask(now) {
                        wire.outbox.ping(now);
                    }
                }
                Op::Cut(count, goodbye) => {
                    let away: Vec<String> = (0..count).map(|_| name()).collect();
                    told.extend_from_slice(&away);
                    wire.cut(&away, goodbye);
                }
            }
        }
        wire.flush(usize::MAX, now);
        wire.read(usize::MAX);
        prop_assert_eq!(&wire.seen, &told);
        now = now + std::time::Duration::from_secs(2);
        if wire.outbox.is_to_ask(now) {
            wire.outbox.ping(now);
        }
        wire.flush(usize::MAX, now);
        wire.read(usize::MAX);
        wire.pong();
        prop_assert!(wire.outbox.kept.replay().is_none_or(|replay| replay.len() == 0));
    }
}

#[test]
fn a_long_replay_leaves_the_others_their_turn() {
    let (mut scratch, now) = (Scratch::new(256), Time::START);
    let mut outbox = Outbox::default();
    outbox.begin_sequence();
    outbox.keep_batches();
    let batches = limits::REPLAY_BYTES / limits::BATCH_BYTES - 1;
    let body = Body::from(vec![b'x'; limits::BATCH_BYTES].as_slice());
    let stamp = Stamp { tick: Tick(1), time: WallMs(1), now, encoding: Encoding::Json, deflate: None };
    for _ in 0..batches {
        outbox.push(&body, Priority::Normal, None, 1 << 20, now);
        assert!(outbox.flush(stamp, 1 << 20, &mut Vec::new(), &mut scratch).drained);
    }
    let mut player = outbox.part(false);
    assert_eq!(player.resume(0, Tick(1), WallMs(1)), Some(batches as u32));
    let mut next = Outbox::default();
    next.adopt(player);
    let mut turns = 0;
    loop {
        let mut out = Vec::new();
        let done = next.flush(stamp, 1 << 20, &mut out, &mut scratch);
        assert!(out.len() <= limits::FLUSH_BYTES + limits::BATCH_BYTES, "{} bytes in one turn", out.len());
        turns += 1;
        assert_eq!(done.is_cut, !done.drained, "the socket takes all it is offered");
        if done.drained {
            break;
        }
    }
    assert_eq!(turns, (batches * limits::BATCH_BYTES).div_ceil(limits::FLUSH_BYTES));
}

/// Only where a flush is cut is somebody told goodbye in front of what is still to be sent again.
#[test]
fn who_is_replaced_while_a_replay_is_cut_hears_the_rest_behind_the_goodbye() {
    let batches = limits::REPLAY_BYTES / limits::BATCH_BYTES - 1;
    let name = |at: usize| format!("{at:0>0$}", limits::BATCH_BYTES - 100);
    for sees_goodbye in [false, true] {
        let mut outbox = Outbox::default();
        outbox.begin_sequence();
        outbox.keep_batches();
        for at in 1..=batches {
            push(&mut outbox, &name(at), Priority::Normal, None);
            assert!(flush(&mut outbox, &mut Vec::new()).drained);
        }
        let mut player = outbox.part(false);
        assert_eq!(player.resume(0, Tick(8), WallMs(2)), Some(batches as u32));
        let mut line = Outbox::default();
        line.adopt(player);
        let mut out = Vec::new();
        assert!(flush(&mut line, &mut out).is_cut);
        let first = read(out).len();
        let mut player = line.part(true);
        push(&mut line, "disconnect", Priority::Critical, None);
        let (goodbye, mut out) = (first as u64 + 1, Vec::new());
        assert!(flush(&mut line, &mut out).drained);
        assert_eq!(read(out), [batch(goodbye, &["disconnect"])]);
        let seen = if sees_goodbye { goodbye } else { goodbye - 1 };
        assert_eq!(player.resume(seen, Tick(8), WallMs(2)), Some((batches - first) as u32));
        let mut next = Outbox::default();
        next.adopt(player);
        push(&mut next, "live", Priority::Normal, None);
        let mut out = Vec::new();
        while flush(&mut next, &mut out).is_cut {}
        let rest = (first + 1..=batches).map(name).chain(["live".to_owned()]);
        assert_eq!(read(out), (seen + 1..).zip(rest.map(|name| vec![name])).collect::<Vec<_>>());
    }
}
