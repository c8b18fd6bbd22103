//! Tests of the packet module as a whole. `golden` holds the bytes, `reading` what is accepted and how the rest is
//! refused, `properties` what is true of all packets.

mod golden;
mod properties;
mod reading;
mod schema;

use super::*;
use serde::{Deserialize, Serialize};

/// A game's packets, with every shape of variant and field that a packet may have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sample {
    GetGameState,
    Move { to_location_id: u32, from_location_id: Option<u32>, position: Option<Vector> },
    PositionUpdate { position: Vector, velocity: Vector },
    Chat { channel: Channel, message: String },
    TradeUpdate(Trade),
    Positions { moves: Vec<(u32, f32, f32)> },
    Swap(u8, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Channel {
    Global,
    Local,
    Party(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Vector {
    x: f32,
    y: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Trade {
    trade_id: u64,
    items: Vec<Item>,
    gold: i64,
    ready: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    item_id: u32,
    quantity: u16,
}

fn client_message<P: Serialize>(encoding: Encoding, kind: Kind, id: Option<u32>, packet: &P) -> Vec<u8> {
    let mut out = Vec::new();
    encode_client(encoding, kind, id, packet, &mut out).expect("packets of the tests are enums");
    out
}

fn server_packet<P: Serialize>(encoding: Encoding, kind: Kind, re: Option<u32>, packet: &P) -> Vec<u8> {
    let mut out = Vec::new();
    encode(encoding, kind, re, packet, &mut out).expect("packets of the tests are enums");
    out
}

/// A batch around packets that are already encoded.
fn batch(encoding: Encoding, head: BatchHead, bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    head.begin(encoding, bodies.len(), &mut out);
    out.extend_from_slice(&bodies.join(separator(encoding)));
    out.extend_from_slice(end(encoding));
    out
}

/// Every client control packet, with its options set and not set.
fn client_controls() -> Vec<ClientControl> {
    let auth = AuthRequest { version: 1, ..AuthRequest::default() };
    let some = |text: &str| Some(String::from(text));
    let resume = Some(Resume { token: String::from("r3s"), seq: 41 });
    vec![
        ClientControl::AuthRequest(AuthRequest { token: some("t0k"), ..auth.clone() }),
        ClientControl::AuthRequest(AuthRequest {
            username: some("ada"),
            password: some("pa\"ss\nword"),
            ..auth.clone()
        }),
        ClientControl::AuthRequest(AuthRequest { guest: some("Zoë"), ..auth.clone() }),
        ClientControl::AuthRequest(AuthRequest { resume, ..auth }),
        ClientControl::Ping { time: Some(ClientTime::Whole(1_700_000_000_000)) },
        ClientControl::Ping { time: None },
        ClientControl::Disconnect { reason: String::from("bye") },
    ]
}

/// Every server control packet, with its options set and not set.
fn server_controls() -> Vec<ServerControl> {
    let message = || String::from("why");
    let character = Character {
        id: 3,
        name: String::from("Ada"),
        faction: String::from("solari"),
        class: String::from("mage"),
        level: 20,
        location_id: 1,
        selected: true,
    };
    let response = AuthResponse {
        player_id: Some(crate::ids::PlayerId(1_000_000_000)),
        account_id: None,
        username: String::from("ada"),
        guest: true,
        characters: vec![],
        resume_token: None,
        resume_grace_ms: 0,
        resumed: false,
        replayed: 0,
        full_state: false,
        received: 0,
    };
    let resumed = AuthResponse {
        player_id: None,
        account_id: Some(crate::ids::AccountId(7)),
        guest: false,
        characters: vec![character],
        resume_token: Some(String::from("r3s")),
        resume_grace_ms: 30_000,
        resumed: true,
        replayed: 2,
        full_state: true,
        received: 300,
        ..response.clone()
    };
    vec![
        ServerControl::Connected {
            instance: String::from("eternity-17"),
            server: String::from("evertick/0.1.0"),
            protocol: Versions { min: 1, max: 1 },
            tick_rate: 20,
            heartbeat_interval_ms: 5000,
            timeout_ms: 30_000,
        },
        ServerControl::AuthResponse(Box::new(response)),
        ServerControl::AuthResponse(Box::new(resumed)),
        ServerControl::Pong { time: Some(ClientTime::Whole(5)), server_time: 1_700_000_000_000, tick: 8841 },
        ServerControl::Pong { time: None, server_time: 0, tick: 0 },
        ServerControl::Disconnect { code: Code::Shutdown, message: message(), retry_after_ms: Some(1000) },
        ServerControl::Ok,
        ServerControl::Error { code: Code::RateLimited, message: message(), retry_after_ms: Some(250) },
        ServerControl::Error { code: Code::NotFound, message: message(), retry_after_ms: None },
        ServerControl::InvalidMessage {
            code: Code::Invalid,
            message: message(),
            field: Some(String::from("position.x")),
        },
        ServerControl::InvalidMessage { code: Code::Malformed, message: message(), field: None },
    ]
}

/// One packet of each variant of [`Sample`].
fn samples() -> Vec<Sample> {
    let vector = Vector { x: 1.5, y: -0.1 };
    vec![
        Sample::GetGameState,
        Sample::Move { to_location_id: 300, from_location_id: None, position: Some(vector) },
        Sample::PositionUpdate { position: vector, velocity: Vector { x: 0.0, y: 8.0 } },
        Sample::Chat { channel: Channel::Party(9), message: String::from("grüß \"dich\"") },
        Sample::TradeUpdate(Trade {
            trade_id: 1 << 40,
            items: vec![Item { item_id: 1, quantity: 2 }, Item { item_id: 3, quantity: 400 }],
            gold: -5,
            ready: true,
        }),
        Sample::Positions { moves: vec![(1, 2.0, 3.5), (1_000_000_000, -4.25, 0.0)] },
        Sample::Swap(3, String::from("x")),
    ]
}
