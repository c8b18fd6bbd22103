//! Packets of somebody who is in.

use crate::client::Player;
use crate::server::{start, start_observed};
use evertick::engine::Event;
use serde_json::{Value, json};
use std::sync::mpsc;
use std::time::Duration;
use tungstenite::Message;

const PROTOCOLS: [&str; 2] = ["evertick.v1.json", "evertick.v1.postcard"];

#[test]
fn a_ping_may_carry_any_number_in_json() {
    // A browser's clock gives fractions; they were refused as unreadable.
    let server = start(|_| {});
    let mut player = Player::join(server.addr, "Ann");
    for time in [json!(5012.300000011921), json!(-3.5), json!(u64::MAX)] {
        let pong = player.request("ping", json!({"time": time}));
        assert_eq!((&pong["type"], &pong["data"]["time"]), (&json!("pong"), &time));
    }
}

#[test]
fn all_hear_what_one_says_in_either_encoding() {
    let server = start(|_| {});
    let mut ann = Player::join_speaking(server.addr, PROTOCOLS[0], "Ann");
    let mut bob = Player::join_speaking(server.addr, PROTOCOLS[1], "Bob");
    bob.packet("arrived");
    for (who, text) in [("ann", "hello, Bob"), ("bob", "hello, Ann \u{1f44b}")] {
        let speaker = if who == "ann" { &mut ann } else { &mut bob };
        speaker.send("say", json!({"text": text}));
        assert_eq!(ann.packet("said")["data"]["text"], text);
        assert_eq!(bob.packet("said")["data"]["text"], text);
    }
}

#[test]
fn a_packet_with_an_id_has_exactly_one_reply() {
    let server = start(|_| {});
    for protocol in PROTOCOLS {
        let mut player = Player::join_speaking(server.addr, protocol, "Ann");
        let reply = player.request("ask", json!({"number": 7}));
        assert_eq!((&reply["type"], &reply["data"]["number"]), (&json!("answered"), &json!(7)));
        assert_eq!(player.request("say", json!({"text": "hi"}))["type"], "ok");
        let error = player.request("refuse", json!({"code": "conflict"}));
        assert_eq!((&error["type"], &error["data"]["code"]), (&json!("error"), &json!("conflict")));
        assert_eq!(error["data"]["retry_after_ms"], 250);
        let pong = player.request("ping", json!({"time": 1234}));
        assert_eq!((&pong["type"], &pong["data"]["time"]), (&json!("pong"), &json!(1234)));
        assert!(pong["data"]["server_time"].as_u64().unwrap() > 1_600_000_000_000);
        assert!(pong["data"]["tick"].as_u64().is_some());
        // Without an id there is no `re`, and no `ok`.
        player.send("ask", json!({"number": 8}));
        assert_eq!(player.packet("answered")["re"], Value::Null);
        player.send("refuse", json!({"code": "forbidden"}));
        assert_eq!(player.packet("error")["re"], Value::Null);
    }
}

#[test]
fn a_packet_that_cannot_be_read_is_told_apart_and_survived() {
    let server = start(|_| {});
    let mut player = Player::join(server.addr, "Ann");
    for (message, code, field, re) in [
        (r#"{"type":"nonsense","id":1}"#, "unknown_type", Value::Null, json!(1)),
        (r#"{"type":"say","id":2,"data":{}}"#, "invalid", json!("text"), json!(2)),
        (r#"{"type":"say","id":3}"#, "invalid", json!("text"), json!(3)),
        (r#"{"type":"say","id":4,"data":{"text":5}}"#, "invalid", json!("text"), json!(4)),
        (r#"{"type":"step","data":{"x":1e99}}"#, "invalid", json!("x"), Value::Null),
        (r#"{"id":5}"#, "malformed", Value::Null, json!(5)),
        (r#"not json"#, "malformed", Value::Null, Value::Null),
    ] {
        player.say(message);
        let told = player.packet("invalid_message");
        assert_eq!((&told["data"]["code"], &told["data"]["field"]), (&json!(code), &field), "{message}");
        if code != "malformed" {
            assert_eq!(told["re"], re, "{message}");
        }
    }
    player.round_trip();
}

#[test]
fn the_fifth_malformed_message_closes() {
    let server = start(|_| {});
    let mut player = Player::join(server.addr, "Ann");
    for _ in 0..4 {
        player.say("[");
        player.packet("invalid_message");
    }
    player.round_trip();
    player.say("[");
    assert_eq!(player.packet("invalid_message")["data"]["code"], "malformed");
    assert_eq!(player.ending().reason(), (Some(4005), "malformed"));
}

#[test]
fn too_many_messages_are_dropped_and_told() {
    let server = start(|s| {
        s.engine.session.message_rate = 1;
        s.engine.session.message_burst = 3;
    });
    // Of the burst of three, auth_request takes one.
    let mut player = Player::join(server.addr, "Ann");
    let ids: Vec<u32> = (0..5).map(|n| player.ask("ask", json!({"number": n}))).collect();
    let replies: Vec<Value> = ids.iter().map(|_| player.wait(|packet| packet["re"].is_u64())).collect();
    let limited: Vec<&Value> = replies.iter().filter(|reply| reply["type"] == "error").collect();
    assert!((2..=3).contains(&limited.len()), "{replies:?}");
    for error in limited {
        assert_eq!(error["data"]["code"], "rate_limited");
        assert!((1..=1000).contains(&error["data"]["retry_after_ms"].as_u64().unwrap()), "{error}");
    }
}

#[test]
fn ten_messages_in_a_row_too_many_close() {
    let server = start(|s| {
        s.engine.session.message_rate = 1;
        s.engine.session.message_burst = 2;
    });
    let mut player = Player::join(server.addr, "Ann");
    for n in 0..30 {
        player.say(format!(r#"{{"type":"ask","data":{{"number":{n}}}}}"#));
    }
    let ending = player.ending();
    assert_eq!(ending.reason(), (Some(4008), "rate_limited"));
    let errors = ending.packets.iter().filter(|packet| packet["type"] == "error").count();
    assert_eq!(errors, 10);
}

/// Packets that were taken and packets that end the connection came in one read: the first were never answered.
#[test]
fn what_was_taken_is_answered_before_the_end() {
    let server = start(|s| {
        s.engine.session.message_rate = 1;
        s.engine.session.message_burst = 3;
    });
    let ask = |id: u32| format!(r#"{{"type":"ask","id":{id},"data":{{"number":{id}}}}}"#);
    let replies = |ending: &super::client::Ending| {
        let mut ids: Vec<u64> = ending.packets.iter().filter_map(|packet| packet["re"].as_u64()).collect();
        ids.sort_unstable();
        ids
    };
    let mut player = Player::join(server.addr, "Ann");
    for id in 100..130 {
        player.say(ask(id));
    }
    let ending = player.ending();
    assert_eq!(ending.reason(), (Some(4008), "rate_limited"));
    assert_eq!(replies(&ending), (100..112).collect::<Vec<u64>>(), "two were taken, ten refused");

    let mut player = Player::join(server.addr, "Ben");
    player.say(ask(7));
    player.say(r#"{"type":"disconnect","id":8}"#);
    let ending = player.ending();
    assert_eq!(ending.reason().0, Some(1000));
    assert_eq!(replies(&ending), [7, 8]);
}

#[test]
fn what_a_game_s_rule_limits_does_not_count() {
    let server = start(|_| {});
    let mut player = Player::join(server.addr, "Ann");
    for _ in 0..15 {
        let error = player.request("refuse", json!({"code": "rate_limited"}));
        assert_eq!(error["data"]["code"], "rate_limited");
    }
    player.round_trip();
}

#[test]
fn a_duplicate_is_dropped_unless_it_means_something() {
    let server = start(|s| s.engine.session.duplicate_window = Duration::from_secs(60));
    let mut player = Player::join(server.addr, "Ann");
    for _ in 0..3 {
        player.send("say", json!({"text": "once"}));
        player.send("step", json!({"x": 1}));
    }
    for _ in 0..2 {
        player.say(r#"{"type":"say","id":77,"data":{"text":"numbered"}}"#);
    }
    player.send("say", json!({"text": "end"}));
    let mut heard = Vec::new();
    loop {
        let packet = player.wait(|packet| packet["type"] == "said" || packet["type"] == "stepped");
        heard.push(packet["data"]["text"].as_str().unwrap_or("step").to_owned());
        if heard.last().is_some_and(|text| text == "end") {
            break;
        }
    }
    assert_eq!(heard, ["once", "step", "step", "step", "numbered", "numbered", "end"]);
}

#[test]
fn the_other_kind_of_frame_closes_1003_without_a_word() {
    let server = start(|_| {});
    for (protocol, message) in [
        (PROTOCOLS[0], Message::binary(vec![0u8, 0, 1, 0])),
        (PROTOCOLS[1], Message::text(r#"{"type":"ping"}"#)),
    ] {
        let mut player = Player::join_speaking(server.addr, protocol, "Ann");
        player.ws.send(message).unwrap();
        assert_eq!(player.ending().reason(), (Some(1003), ""));
    }
}

#[test]
fn a_message_that_is_too_big_closes_1009_without_a_word() {
    let server = start(|_| {});
    let big = |bytes: usize| format!(r#"{{"type":"say","data":{{"text":"{}"}}}}"#, "x".repeat(bytes));
    let mut player = Player::connect(server.addr);
    player.say(big(4096));
    assert_eq!(player.ending().reason(), (Some(1009), ""), "before auth 4096 bytes are the most");
    let mut player = Player::join(server.addr, "Ann");
    player.say(big(16_000));
    assert_eq!(player.packet("said")["data"]["text"].as_str().unwrap().len(), 16_000);
    player.say(big(16_384));
    assert_eq!(player.ending().reason(), (Some(1009), ""));
}

#[test]
fn a_silent_peer_is_asked_and_then_closed() {
    let quick = |s: &mut evertick::server::Settings| {
        s.engine.session.heartbeat_interval = Duration::from_millis(100);
        s.engine.session.timeout = Duration::from_millis(600);
    };
    let server = start(quick);
    // Whoever reads answers the pings, as RFC 6455 makes every client do, and stays.
    let mut alive = Player::join(server.addr, "Ann");
    let mut pings = 0;
    while pings < 10 {
        pings += usize::from(alive.read().is_ping());
    }
    alive.round_trip();
    // Whoever does not read does not answer.
    let silent = Player::join(server.addr, "Bob");
    let gone = alive.packet("gone");
    assert!(gone["data"]["player"].is_u64());
    assert_eq!(silent.ending().reason(), (Some(4009), "idle_timeout"));
}

#[test]
fn goodbyes() {
    let server = start(|_| {});
    let mut witness = Player::join(server.addr, "Witness");
    let mut player = Player::join(server.addr, "Ann");
    let id = player.ask("disconnect", json!({"reason": "supper"}));
    assert_eq!(player.wait(|packet| packet["re"] == id)["type"], "ok");
    assert_eq!(player.ending().reason(), (Some(1000), ""));
    witness.packet("gone");
    let mut player = Player::join(server.addr, "Bob");
    player.ws.close(None).unwrap();
    let ending = player.ending();
    assert_eq!(ending.reason(), (None, ""));
    witness.packet("gone");
    let mut player = Player::join(server.addr, "Cid");
    let frame = tungstenite::protocol::CloseFrame { code: 3456.into(), reason: "mine".into() };
    player.ws.close(Some(frame)).unwrap();
    assert_eq!(player.ending().reason(), (Some(3456), ""), "the code is echoed");
    witness.packet("gone");
    drop(Player::join(server.addr, "Dan"));
    witness.packet("gone");
}

#[test]
fn a_kick_names_its_reason() {
    let server = start(|_| {});
    let mut player = Player::join(server.addr, "Ann");
    player.send("out", json!({}));
    let ending = player.ending();
    assert_eq!(ending.reason(), (Some(4017), "kicked"));
    assert_eq!(ending.last()["data"]["message"], "out of the yard");
}

#[test]
fn a_peer_that_is_sent_more_than_may_wait_is_closed_and_told() {
    let server = start(|s| s.engine.session.outbox_limit = 128 << 10);
    let mut bystander = Player::join(server.addr, "Bob");
    let mut player = Player::join(server.addr, "Ann");
    player.send("burst", json!({"packets": 300, "bytes": 1000}));
    assert_eq!(player.ending().reason(), (Some(4015), "slow_consumer"));
    bystander.packet("gone");
    bystander.round_trip();
}

#[test]
fn what_fits_arrives_whole_and_in_order_however_it_is_batched() {
    let server = start(|_| {});
    for protocol in PROTOCOLS {
        let mut player = Player::join_speaking(server.addr, protocol, "Ann");
        player.send("burst", json!({"packets": 3000, "bytes": 200}));
        for _ in 0..3000 {
            assert_eq!(player.packet("filler")["data"]["text"].as_str().unwrap().len(), 200);
        }
        player.round_trip();
    }
}

#[test]
fn whoever_embeds_it_can_watch() {
    let (tell, told) = mpsc::channel();
    let server = start_observed(
        |_| {},
        move |event| {
            let _ = tell.send(match event {
                Event::Started => "started",
                Event::Stopped => "stopped",
                Event::ClientConnected { .. } => "connected",
                Event::ClientDisconnected { .. } => "disconnected",
                Event::Discovered { .. } => "discovered",
                Event::MessageReceived { .. } => "received",
                Event::MessageSent { .. } => "sent",
                Event::HealthUpdated { .. } => "health",
                _ => "other",
            });
        },
    );
    let mut player = Player::join(server.addr, "Ann");
    player.request("ask", json!({"number": 1}));
    server.stop();
    let mut told: Vec<&str> = told.iter().filter(|name| !["sent", "health"].contains(name)).collect();
    told.dedup();
    assert_eq!(told, ["started", "connected", "discovered", "received", "disconnected", "stopped"]);
}

#[test]
fn whoever_watches_a_server_without_clients_hears_that_it_stopped() {
    let (tell, told) = mpsc::channel();
    let server = start_observed(
        |_| {},
        move |event| {
            let _ = tell.send(format!("{event:?}"));
        },
    );
    // Not before it has started.
    assert_eq!(told.recv().unwrap(), "Started");
    server.stop();
    assert!(told.iter().any(|event| event == "Stopped"));
}
