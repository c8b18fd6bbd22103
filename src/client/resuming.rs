//! What a connection needs besides, where it is to be resumed after a loss.

use super::connection::{Batch, ToServer};
use crate::packet::resumption::{Miscounted, leaves_player};
use crate::packet::{
    AuthRequest, AuthResponse, ClientControl, Code, Packet, Resumption, ServerControl, ServerPacket, Variant,
};
use crate::websocket::CloseCode;
use serde::de::DeserializeOwned;

/// One player's way back, as its connection sees it.
#[derive(Debug)]
pub(super) struct Resuming {
    pub(super) kept: Resumption,
    /// It comes back only to close, with this code and reason.
    pub(super) farewell: Option<(CloseCode, String)>,
    /// Types of packets of which only the newest is worth sending again.
    newest_only: &'static [&'static str],
    /// Somebody has asked to come in: messages are a player's from then on.
    counts: bool,
}

/// Where batches begin behind an `auth_response`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// Where they would begin without it.
    AsBefore,
    /// Anywhere: what was missed is told afresh.
    Anywhere,
    /// At 1: the player is a new one.
    Anew,
}

impl Resuming {
    pub(super) fn new(newest_only: &'static [&'static str]) -> Resuming {
        Resuming { kept: Resumption::default(), farewell: None, newest_only, counts: false }
    }

    /// Takes note of a message. Whether it is to be sent now; otherwise it waits for its turn.
    pub(super) fn send<In>(&mut self, packet: &ToServer<'_, In>, variant: Variant, message: &[u8]) -> bool {
        match packet {
            ToServer::Control(ClientControl::AuthRequest(_)) => {
                self.kept.begin();
                self.counts = true;
                true
            }
            _ if !self.counts => true,
            ToServer::Control(_) => self.kept.send(message, None),
            ToServer::Game(_) => {
                let is_stream = self.newest_only.contains(&variant.name);
                self.kept.send(message, is_stream.then_some(variant.index))
            }
        }
    }

    /// What a new connection asks for; `seq` is the last batch's.
    pub(super) fn request(&self, seq: u64) -> ClientControl {
        ClientControl::AuthRequest(AuthRequest {
            version: 1,
            resume: self.kept.request(seq),
            ..AuthRequest::default()
        })
    }

    /// Reads a batch of the connection's own. `None`: nobody was let in by it.
    pub(super) fn read<Out: DeserializeOwned>(
        &mut self,
        batch: &Batch<'_, Out>,
    ) -> Option<Result<Beginning, Miscounted>> {
        let response = batch.packets().find_map(response)?;
        let comes_back = self.kept.is_away();
        if let Err(miscounted) = self.kept.enter(&response) {
            return Some(Err(miscounted));
        }
        Some(Ok(match (comes_back, response.resumed) {
            (true, true) if response.full_state => Beginning::Anywhere,
            (true, false) => Beginning::Anew,
            (true, true) | (false, _) => Beginning::AsBefore,
        }))
    }

    /// The server has closed the connection: whether the player is still there.
    pub(super) fn closed(&mut self, code: Option<u16>) {
        let is_over = match self.kept.is_away() {
            // What was refused is this connection, unless it is said of the token.
            true => code == Code::SessionExpired.close_code(),
            false => !leaves_player(code),
        };
        if is_over {
            self.kept.end();
        }
    }
}

fn response<Out, E>(packet: Result<Packet<Out>, E>) -> Option<Box<AuthResponse>> {
    match packet.ok()?.packet {
        ServerPacket::Control(ServerControl::AuthResponse(response)) => Some(response),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Connection, Error, Event, ResumeError, Settings};
    use super::*;
    use crate::limits::RESEND_MESSAGES;
    use crate::packet::Encoding;
    use crate::random::Secrets;
    use crate::time::Time;
    use crate::websocket::handshake::Offer;
    use crate::websocket::{self, Header, OpCode, Role};
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Say { n: u64 },
        PositionUpdate { x: u64 },
    }

    /// A client whose server is the test.
    struct Played {
        client: Connection<Word, Word>,
        settings: Settings,
        secrets: Secrets,
        /// What it has for its socket.
        out: Vec<u8>,
        server: websocket::Connection,
        /// The numbers of the batches that it was handed, and how it ended.
        heard: Vec<String>,
    }

    impl Played {
        fn new() -> Played {
            let mut settings = Settings::new("localhost", "/ws");
            (settings.encodings, settings.resume) = (vec![Encoding::Json], true);
            let (mut secrets, mut out) = (Secrets::new([3; 32]), Vec::new());
            let client = Connection::open(&settings, &mut secrets, &mut out).unwrap();
            let server = websocket::Connection::new(Role::Server, 1 << 16);
            Played { client, settings, secrets, out, server, heard: Vec::new() }
        }

        /// One that is in, with the token `first`.
        fn entered() -> Played {
            let mut played = Played::new();
            played.accept();
            let guest = AuthRequest { version: 1, guest: Some("Ann".to_owned()), ..AuthRequest::default() };
            let guest = ClientControl::AuthRequest(guest);
            played.client.send(ToServer::Control(&guest), &mut played.secrets, &mut played.out).unwrap();
            assert_eq!(played.sent()[0]["data"]["guest"], "Ann");
            played.batch(0, &entered("first", false, 0));
            played.heard.clear();
            played
        }

        fn hear(&mut self, bytes: &[u8]) {
            let mut bytes = bytes.to_vec();
            let mut input = &mut bytes[..];
            while let Some(event) = self.client.next(&mut input, &mut self.secrets, &mut self.out) {
                self.heard.push(match event {
                    Event::Open(_) => "open".to_owned(),
                    Event::Batch(batch) => batch.head().seq.to_string(),
                    Event::Closed { code, .. } => format!("closed {:?}", code.map(CloseCode::get)),
                    Event::Failed(error) => format!("failed: {error}"),
                    Event::Ping | Event::Pong(_) => continue,
                });
            }
        }

        /// The server accepts the handshake.
        fn accept(&mut self) {
            let request = String::from_utf8(std::mem::take(&mut self.out)).unwrap();
            let fields = request.lines().filter_map(|line| line.split_once(": "));
            let offer =
                Offer::read("GET", true, fields.map(|(name, value)| (name, value.as_bytes()))).unwrap();
            let mut answer = Vec::new();
            offer.accept(Some("evertick.v1.json"), &mut answer);
            self.server = websocket::Connection::new(Role::Server, 1 << 16);
            self.hear(&answer);
        }

        fn batch(&mut self, seq: u64, packet: &Value) {
            let batch = json!({ "seq": seq, "tick": 1, "time": 1, "packets": [packet] }).to_string();
            let mut frame = Header::new(OpCode::Text, true, batch.len(), None).as_slice().to_vec();
            frame.extend_from_slice(batch.as_bytes());
            self.hear(&frame);
        }

        /// What the server reads of what was sent.
        fn sent(&mut self) -> Vec<Value> {
            let mut out = std::mem::take(&mut self.out);
            let (mut input, mut sent) = (&mut out[..], Vec::new());
            while let Some(event) = self.server.next(&mut input) {
                if let websocket::Event::Text(message) = event {
                    sent.push(serde_json::from_slice(message).unwrap());
                }
            }
            sent
        }

        fn say(&mut self, n: u64) -> u32 {
            self.client.ask(ToServer::Game(&Word::Say { n }), &mut self.secrets, &mut self.out).unwrap()
        }

        fn walk(&mut self, x: u64) {
            let step = Word::PositionUpdate { x };
            self.client.send(ToServer::Game(&step), &mut self.secrets, &mut self.out).unwrap();
        }

        /// Sends again what may be by then; when there will be more.
        fn resend(&mut self, ms: u64) -> Option<Time> {
            self.client.resend(Time::from_millis(ms), &mut self.secrets, &mut self.out)
        }

        fn close(&mut self) {
            self.client.close(CloseCode::NORMAL, "bye", &mut self.secrets, &mut self.out);
        }

        fn resume(&mut self) -> Result<(), ResumeError> {
            self.client.resume(&self.settings, &mut self.secrets, &mut self.out)
        }

        /// The stream ends, and another takes its place.
        fn cut(&mut self) {
            assert_eq!(self.client.end_of_stream(), Some(Error::Lost));
            self.resume().unwrap();
            self.accept();
        }
    }

    fn entered(token: &str, resumed: bool, received: u64) -> Value {
        let response = json!({
            "player_id": 1_000_000_000, "account_id": null, "username": "Ann", "guest": true, "characters": [],
            "resume_token": token, "resume_grace_ms": 30_000, "resumed": resumed, "replayed": 0, "full_state": false,
            "received": received,
        });
        json!({ "type": "auth_response", "data": response })
    }

    fn word(n: u64) -> Value {
        json!({ "type": "say", "data": { "n": n } })
    }

    /// The numbers of the words among what was sent.
    fn words(sent: &[Value]) -> Vec<u64> {
        sent.iter().filter_map(|packet| packet["data"]["n"].as_u64()).collect()
    }

    #[test]
    fn what_was_not_taken_is_sent_again_in_order_and_once() {
        let mut played = Played::entered();
        (1..=4).for_each(|n| {
            played.say(n);
        });
        played.batch(1, &word(9));
        played.cut();
        let asked = played.sent();
        assert_eq!(asked[0]["data"]["resume"], json!({ "token": "first", "seq": 1 }));
        assert_eq!((asked.len(), played.heard.as_slice()), (1, &["1".to_owned()][..]), "no second `open`");
        assert_eq!(played.say(5), 5, "ids go on, and what is said meanwhile waits");
        assert!(played.out.is_empty());
        played.batch(0, &entered("second", true, 2));
        assert_eq!(words(&played.sent()), [3, 4, 5]);
        played.say(6);
        assert_eq!(words(&played.sent()), [6]);
        played.batch(2, &word(9));
        assert_eq!(
            (played.heard.as_slice(), played.client.seq()),
            (["1", "0", "2"].map(String::from).as_slice(), 2)
        );
        played.cut();
        assert_eq!(played.sent()[0]["data"]["resume"], json!({ "token": "second", "seq": 2 }));
        played.batch(0, &entered("third", true, 6));
        assert!(played.sent().is_empty());
        assert_eq!(played.client.messages_lost(), 0);
    }

    #[test]
    fn a_batch_that_comes_twice_is_refused() {
        let mut played = Played::entered();
        played.batch(1, &word(9));
        played.cut();
        played.batch(0, &entered("second", true, 0));
        played.batch(1, &word(9));
        assert_eq!(played.heard.last().unwrap(), "failed: batch 1 came where 2 was to come");
    }

    #[test]
    fn a_full_state_may_begin_anywhere_and_a_new_player_at_one() {
        let mut played = Played::entered();
        played.batch(1, &word(9));
        played.cut();
        let mut afresh = entered("second", true, 0);
        afresh["data"]["full_state"] = true.into();
        played.batch(0, &afresh);
        played.batch(17, &word(9));
        played.batch(18, &word(9));
        assert_eq!(played.client.seq(), 18);
        played.say(1);
        played.cut();
        played.sent();
        let mut anew = entered("third", false, 0);
        anew["data"]["full_state"] = true.into();
        played.batch(0, &anew);
        played.batch(1, &word(9));
        assert_eq!(
            (played.client.seq(), played.sent()),
            (1, vec![]),
            "what the old player said is not said again"
        );
        played.batch(3, &word(9));
        assert_eq!(played.heard.last().unwrap(), "failed: batch 3 came where 2 was to come");
    }

    #[test]
    fn a_loss_before_the_answer_asks_for_the_same_again() {
        let mut played = Played::entered();
        played.say(1);
        played.cut();
        assert_eq!(played.client.end_of_stream(), Some(Error::Lost));
        // The next try does not even reach the end of the handshake.
        played.resume().unwrap();
        assert_eq!(played.client.end_of_stream(), Some(Error::Lost));
        played.resume().unwrap();
        played.accept();
        let asked = played.sent();
        assert_eq!((asked.len(), &asked[0]["data"]["resume"]["token"]), (1, &json!("first")));
        played.batch(0, &entered("second", true, 0));
        assert_eq!(words(&played.sent()), [1]);
    }

    #[test]
    fn only_a_loss_has_a_way_back() {
        assert_eq!(Played::entered().resume(), Err(ResumeError::NotLost));
        let mut stranger = Played::new();
        stranger.client.end_of_stream();
        assert_eq!(stranger.resume(), Err(ResumeError::NoPlayer));
        let mut left = Played::entered();
        left.close();
        left.client.end_of_stream();
        assert_eq!(left.resume(), Err(ResumeError::NoPlayer));
        let ended_by = |code: u16, away: bool| {
            let mut played = Played::entered();
            if away {
                played.cut();
            }
            let [high, low] = code.to_be_bytes();
            played.hear(&[0x88, 2, high, low]);
            assert_eq!(played.heard.last(), Some(&format!("closed Some({code})")));
            played.resume().is_ok()
        };
        assert_eq!(
            [4009, 4015, 1001, 1000, 4004, 4017].map(|code| ended_by(code, false)),
            [true, true, true, false, false, false]
        );
        assert_eq!(
            [4003, 4007, 4010].map(|code| ended_by(code, true)),
            [false, true, true],
            "of the token, or of the try"
        );
    }

    #[test]
    fn more_than_is_kept_is_counted_and_a_miscount_is_the_servers_fault() {
        let mut played = Played::entered();
        let sent = RESEND_MESSAGES as u64 + 3;
        (1..=sent).for_each(|n| {
            played.say(n);
        });
        played.cut();
        played.batch(0, &entered("second", true, 1));
        assert_eq!((words(&played.sent()).first(), played.client.messages_lost()), (Some(&4), 2));
        played.cut();
        played.batch(0, &entered("third", true, 22));
        assert_eq!(
            played.heard.last().unwrap(),
            "failed: the server has taken 22 messages of the 21 that were sent",
            "what is lost is not counted, nor what has not gone again"
        );
        assert_eq!(played.resume(), Err(ResumeError::NoPlayer));
    }

    /// A server takes 60 messages a second and 120 at once (`message_rate`): whoever sends 256 again must not be refused.
    #[test]
    fn what_waited_goes_no_faster_than_a_server_takes_it() {
        let mut played = Played::entered();
        played.cut();
        played.sent();
        (1..=100).for_each(|n| {
            played.say(n);
        });
        played.batch(0, &entered("second", true, 0));
        assert_eq!(words(&played.sent()), (1..=20).collect::<Vec<u64>>());
        assert_eq!(played.resend(10_000), Some(Time::from_millis(10_500)));
        played.say(101);
        assert_eq!(words(&played.sent()), [0; 0], "it waits behind the others");
        assert_eq!(played.resend(10_499), Some(Time::from_millis(10_500)));
        assert_eq!(words(&played.sent()), [0; 0]);
        assert_eq!(played.resend(10_500), Some(Time::from_millis(11_000)));
        assert_eq!(words(&played.sent()), (21..=40).collect::<Vec<u64>>());
        // Lost in between: what has gone is counted, and the clock begins anew.
        played.cut();
        assert_eq!((played.resend(12_000), played.sent().len()), (None, 1), "nothing before the answer");
        played.batch(0, &entered("third", true, 30));
        assert_eq!(words(&played.sent()), (31..=50).collect::<Vec<u64>>());
        let mut at = played.resend(13_000);
        let mut rest = Vec::new();
        while let Some(due) = at {
            at = played.resend(due.as_millis());
            rest.extend(words(&played.sent()));
        }
        assert_eq!(rest, (51..=101).collect::<Vec<u64>>());
        played.say(102);
        assert_eq!(words(&played.sent()), [102]);
    }

    #[test]
    fn of_a_walk_only_the_last_place_goes_again() {
        let mut played = Played::entered();
        played.walk(1);
        played.say(1);
        played.walk(2);
        played.say(2);
        played.cut();
        played.sent();
        played.walk(3);
        played.batch(0, &entered("second", true, 0));
        let types: Vec<Value> = played.sent().iter().map(|packet| packet["data"].clone()).collect();
        assert_eq!(types, [json!({ "n": 1 }), json!({ "n": 2 }), json!({ "x": 3 })]);
        assert_eq!(played.client.messages_lost(), 0);
    }

    /// A player that is lost is in the world all the same: whoever leaves for good has to say so.
    #[test]
    fn who_closes_while_the_connection_is_lost_comes_back_to_say_so() {
        for under_way in [false, true] {
            let mut played = Played::entered();
            played.say(1);
            assert_eq!(played.client.end_of_stream(), Some(Error::Lost));
            if under_way {
                played.resume().unwrap();
                played.close();
            } else {
                played.close();
                assert!(played.client.can_resume(), "the player is there");
                played.resume().unwrap();
            }
            played.accept();
            let say = ToServer::Game(&Word::Say { n: 2 });
            let refused = played.client.send(say, &mut played.secrets, &mut played.out);
            assert_eq!((refused, played.client.is_open()), (Err(crate::client::SendError::NotOpen), false));
            assert_eq!(played.sent()[0]["data"]["resume"]["token"], "first");
            played.batch(0, &entered("second", true, 0));
            played.hear(&[]);
            let mut out = std::mem::take(&mut played.out);
            let mut input = &mut out[..];
            let Some(websocket::Event::Close(Some((code, reason)))) = played.server.next(&mut input) else {
                panic!("nothing but a Close frame")
            };
            assert_eq!((code, reason), (CloseCode::NORMAL, "bye"));
            played.hear(&[0x88, 2, 3, 232]);
            assert_eq!(played.heard.last().unwrap(), "closed Some(1000)");
            assert_eq!(played.resume(), Err(ResumeError::NoPlayer));
        }
    }
}
