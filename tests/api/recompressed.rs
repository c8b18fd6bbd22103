//! Coming back over real sockets with another agreement about compressed messages than before.

use crate::client::Player;
use crate::compression::Peer;
use crate::resumed::hold;
use crate::server::{Running, start};
use serde_json::{Value, json};

/// What a peer offers, and which of [`texts`] come to it compressed then.
const OFFERS: [(&str, [bool; 3]); 4] = [
    ("", [false, false, false]),
    ("permessage-deflate; client_no_context_takeover", [false, true, true]),
    ("permessage-deflate; server_max_window_bits=10; client_max_window_bits", [false, true, true]),
    // The longest does not fit into this window.
    ("permessage-deflate; server_max_window_bits=9", [false, true, false]),
];

/// A short one, one that fits into any window, and one of more than 512 bytes.
fn texts() -> [String; 3] {
    [("short", 1), ("in the middle, ", 25), ("long, ", 120)].map(|(text, times)| text.repeat(times))
}

fn say(peer: &mut Peer, packet: &Value) {
    if peer.agreed.is_empty() { peer.say_plainly(packet) } else { peer.say(packet) }
}

/// Opens a line with that offer and says who it is; what `auth_response` holds.
fn enter(server: &Running, offer: &str, who: (&str, Value)) -> (Peer, Value) {
    let mut peer = Peer::open(server, offer);
    assert_eq!(peer.agreed.is_empty(), offer.is_empty());
    say(&mut peer, &json!({"type": "auth_request", "data": {"version": 1, who.0: who.1}}));
    let session = peer.packet("auth_response").0["data"].clone();
    (peer, session)
}

/// The text that is said in a batch.
fn said(batch: &Value) -> Option<&str> {
    let packets = batch["packets"].as_array().unwrap();
    packets.iter().find(|packet| packet["type"] == "said").and_then(|packet| packet["data"]["text"].as_str())
}

/// Reads up to the last of [`texts`]: the batches, and which of those texts came compressed.
fn listen(peer: &mut Peer) -> (Vec<Value>, [bool; 3]) {
    let (texts, mut batches, mut compressed) = (texts(), Vec::new(), [false; 3]);
    loop {
        let (batch, is_compressed) = peer.batch();
        let at = said(&batch).and_then(|text| texts.iter().position(|one| one == text));
        batches.push(batch);
        if let Some(at) = at {
            compressed[at] = is_compressed;
        }
        if at == Some(2) {
            return (batches, compressed);
        }
    }
}

#[test]
fn what_is_sent_again_is_the_same_whatever_is_agreed_on_then() {
    for (before, first) in OFFERS {
        for (after, then) in OFFERS {
            let change = format!("{before:?} to {after:?}");
            let server = start(|settings| {
                hold(settings);
                settings.engine.session.compression = true;
                settings.engine.session.compress_over = 200;
            });
            let mut bob = Player::join(server.addr, "Bob");
            // It answers no ping, so that the server keeps what it has read.
            let (mut ann, session) = enter(&server, before, ("guest", json!("Ann")));
            for text in texts() {
                bob.send("say", json!({ "text": text }));
                bob.wait(|packet| packet["type"] == "said" && packet["data"]["text"] == text);
            }
            let (heard, compressed) = listen(&mut ann);
            assert_eq!(compressed, first, "{change}, before");
            drop(ann);
            let who = ("resume", json!({"token": session["resume_token"], "seq": 0}));
            let (mut ann, again) = enter(&server, after, who);
            assert_eq!((&again["resumed"], &again["full_state"]), (&json!(true), &json!(false)), "{change}");
            assert_eq!(again["replayed"], heard.len(), "{change}");
            // What was written before is not compressed again.
            assert_eq!(listen(&mut ann), (heard, [false; 3]), "{change}");
            // It goes on both ways as it is agreed on now.
            let text = "it goes on, ".repeat(30);
            say(&mut ann, &json!({"type": "say", "data": {"text": text}}));
            let (live, is_compressed) = ann.packet("said");
            assert_eq!((live["data"]["text"].as_str(), is_compressed), (Some(&*text), then[1]), "{change}");
        }
    }
}
