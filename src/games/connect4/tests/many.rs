//! Many matches: memory comes back, bots share what they may think, and a run can be replayed.

use super::super::{Connect4, packets::BOT};
use super::*;
use crate::engine::{Engine, Settings as EngineSettings};
use crate::time::{Time, WallMs};
use std::sync::{Arc, Mutex};

#[test]
fn ten_thousand_matches_leave_nothing_behind() {
    let mut table = Table::with(0);
    let mut chance = Random::new(3);
    for round in 0..1000u32 {
        let ids = round * 20 + 1..round * 20 + 21;
        ids.clone().for_each(|id| table.join(PlayerId(id)));
        let mut matches = Vec::new();
        for pair in ids.clone().step_by(2) {
            let (a, b) = (PlayerId(pair), PlayerId(pair + 1));
            let state = match chance.below(3) {
                0 => {
                    table.ask(a, In::MatchBot { level: 1 });
                    table.ask(b, In::MatchCreate { private: Some(true) })
                }
                _ => {
                    let id = id_of(&table.ask(a, In::MatchCreate { private: Some(chance.chance(0.5)) }));
                    table.ask(b, In::MatchJoin { match_id: Some(id) })
                }
            };
            matches.push(state);
        }
        for _ in 0..chance.below(3) {
            for id in ids.clone() {
                // Out of turn, into a full column, without a match: all of it is tried.
                let _ = table.say(PlayerId(id), In::MatchDrop { column: chance.below(8) as u32 });
            }
            table.tick();
        }
        for id in ids.clone().skip(chance.below(3) as usize).step_by(5) {
            let watched = chance.below(matches.len() as u64) as usize;
            let _ = table.say(PlayerId(id), In::MatchSpectate { match_id: id_of(&matches[watched]) });
        }
        for id in ids {
            match chance.below(3) {
                0 => table.leave(PlayerId(id), Departure::Lost),
                1 => table.leave(PlayerId(id), Departure::Quit),
                _ => {
                    let _ = table.say(PlayerId(id), In::MatchLeave);
                    table.leave(PlayerId(id), Departure::Lost);
                }
            }
        }
        table.told();
        if round % 100 == 99 {
            table.pass(Duration::from_secs(31));
            assert!(table.is_empty(), "{:?}", table.play.sizes());
        }
    }
}

#[test]
fn a_thousand_bots_think_no_more_in_a_tick_than_one_may() {
    let mut table = Table::with(1000);
    // Without looking everything through after each packet.
    let mut say = |player, packet| {
        table.fx.asking = Some(player);
        table.play.handle(&mut table.fx, Input::Packet { player, packet }).unwrap();
    };
    (1..=1000).for_each(|id| say(PlayerId(id), In::MatchBot { level: 5 }));
    (1..=1000).for_each(|id| say(PlayerId(id), In::MatchDrop { column: 3 }));
    table.told();
    assert_eq!(table.play.thinking.len(), 1000);
    let mut answered = 0;
    let mut ticks = 0;
    while table.play.thinking.len() > 0 {
        let told = table.tick();
        answered +=
            told.iter().filter_map(|(_, packet)| state_in(packet)).filter(|s| s.turn != Some(BOT)).count();
        ticks += 1;
    }
    assert_eq!(answered, 1000);
    // That no tick takes more than its steps is shown in `thinking.rs`; here, that they are spread over ticks.
    assert_eq!(ticks, 20, "all have answered within a second");
}

/// What a run says to whom, byte for byte.
type Said = Arc<Mutex<Vec<(u64, PlayerId, Vec<u8>)>>>;

fn engine() -> (Engine, Said) {
    let mut engine = Engine::new(EngineSettings::default(), 5, [6; 32]);
    engine.add_game("/ws/connect4", Connect4::new(Settings::default())).unwrap();
    let said = Said::default();
    let log = said.clone();
    engine.tap(Box::new(move |tick, player, body| log.lock().unwrap().push((tick.0, player, body.to_vec()))));
    (engine, said)
}

#[test]
fn a_recorded_run_is_replayed_byte_for_byte() {
    let (mut engine, said) = engine();
    engine.record();
    let mut visitors: Vec<_> = (0..12).map(|_| Visitor::enter(&mut engine)).collect();
    let mut chance = Random::new(8);
    let mut now = Time::START;
    for tick in 1..400u64 {
        for visitor in &mut visitors {
            let packet = match chance.below(40) {
                0 => r#"{"type":"match_join"}"#.to_owned(),
                1 => format!(r#"{{"type":"match_bot","data":{{"level":{}}}}}"#, 1 + chance.below(5)),
                2 => r#"{"type":"match_rematch"}"#.to_owned(),
                3 => r#"{"type":"match_list"}"#.to_owned(),
                n if n < 20 => format!(r#"{{"type":"match_drop","data":{{"column":{}}}}}"#, chance.below(7)),
                _ => continue,
            };
            visitor.say(&mut engine, &packet, now);
        }
        now = now + Duration::from_millis(50);
        engine.tick(Tick(tick), now, WallMs(1000 * tick));
        visitors.iter_mut().for_each(|visitor| visitor.flush(&mut engine, now));
        while engine.attention().is_some() {}
    }
    let log = engine.take_record();
    let (mut again, said_again) = self::engine();
    assert!(again.replay(&log, now));
    let (said, said_again) = (said.lock().unwrap(), said_again.lock().unwrap());
    assert!(said.len() > 2000, "{} packets", said.len());
    assert!(*said == *said_again);
    let bot = br#""turn":0,"#;
    assert!(said.iter().any(|(_, _, body)| body.windows(bot.len()).any(|w| w == bot)), "bots played");
}

/// A WebSocket peer of an engine, which takes all that it is sent and reads none of it.
struct Visitor(crate::ids::ConnId);

struct Sink;

impl crate::outgoing::Outgoing for Sink {
    fn write(&mut self, bytes: &[u8]) -> usize {
        bytes.len()
    }
}

impl Visitor {
    fn enter(engine: &mut Engine) -> Visitor {
        let now = Time::START;
        let conn = engine.accept(std::net::Ipv4Addr::LOCALHOST.into(), now).unwrap();
        let mut head =
            b"GET /ws/connect4 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                .to_vec();
        engine.receive(conn, &mut head, &mut Sink, now);
        let mut visitor = Visitor(conn);
        visitor.say(engine, r#"{"type":"auth_request","data":{"version":1,"guest":"Ada"}}"#, now);
        visitor
    }

    fn say(&mut self, engine: &mut Engine, text: &str, now: Time) {
        let mut frame = Vec::new();
        let opcode = crate::websocket::OpCode::Text;
        crate::websocket::encode_masked(&mut frame, opcode, text.as_bytes(), [1, 2, 3, 4]);
        engine.receive(self.0, &mut frame, &mut Sink, now);
    }

    fn flush(&mut self, engine: &mut Engine, now: Time) {
        engine.flush(self.0, &mut Sink, now);
    }
}
