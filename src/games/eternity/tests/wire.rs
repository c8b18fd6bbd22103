//! What the packets look like on the wire.

use super::{Table, of};
use crate::games::eternity::World;
use crate::games::eternity::character::{Class, Faction};
use crate::games::eternity::packets::{
    Channel, GameState, In, Move, Out, Player, Sheet, Speaker, Stack, You,
};
use crate::games::eternity::place::{LocationId, Point};
use crate::ids::PlayerId;
use crate::packet::{Code, Encoding, Kind, encode, golden, open, variants};

/// The numbers and names on the wire are frozen: what stands here may be appended to, never changed.
#[test]
fn packets_keep_their_numbers_and_names() {
    let client = [
        "get_game_state",
        "move",
        "position_update",
        "chat",
        "get_nearby_players",
        "character_create",
        "character_select",
        "character_delete",
    ];
    assert_eq!(variants::<In>(), client);
    let out = [
        "game_state",
        "location_update",
        "player_joined_area",
        "player_left_area",
        "positions",
        "position_correction",
        "chat",
        "nearby_players",
        "character_update",
    ];
    assert_eq!(variants::<Out>(), out);
}

#[test]
fn packets_look_as_the_contract_has_them() {
    let json = |packet: &Out| {
        let mut out = Vec::new();
        encode(Encoding::Json, Kind::Game, None, packet, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let (mut table, a, b) = Table::pair();
    table.walk(a, 100.004, 101.5);
    table.say(b, Channel::Local, "hi").unwrap();
    let sent = table.tick();
    let told = of(&sent, a);
    let expected = r#"{"type":"chat","data":{"channel":"local","from":{"id":2,"name":"P2"},"message":"hi"}}"#;
    assert_eq!(json(told[0]), expected);
    assert_eq!(json(told[1]), r#"{"type":"positions","data":{"moves":[[1,100.0,101.5,1.0,0.0]]}}"#);
    table.send(b, In::GetGameState).unwrap();
    let sent = table.tick();
    let state: serde_json::Value = serde_json::from_str(&json(&sent[0].1)).unwrap();
    let state = &state["data"];
    assert_eq!(state["you"]["position"], serde_json::json!({"x": 100.0, "y": 100.0}));
    assert_eq!(state["players"][0]["position"], serde_json::json!({"x": 100.0, "y": 101.5}));
    assert_eq!(state["location"]["exits"][0]["to_name"], "Amberwood");
    assert_eq!(state["locations"][14], serde_json::json!({"id": 15, "name": "The Eternal Gate"}));
    assert_eq!((&state["monsters"], &state["quests"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert!(state["party"].is_null() && state["shards"].as_array().is_some_and(|s| s.len() == 12));
}

#[test]
fn client_packets_are_read_as_the_contract_has_them() {
    let read = |text: &str| open(Encoding::Json, text.as_bytes()).and_then(|e| e.game::<In>());
    assert_eq!(read(r#"{"type":"get_game_state"}"#).unwrap(), In::GetGameState);
    assert_eq!(read(r#"{"type":"get_nearby_players","data":{}}"#).unwrap(), In::GetNearbyPlayers);
    let to = LocationId(2);
    assert_eq!(
        read(r#"{"type":"move","data":{"to_location_id":2}}"#).unwrap(),
        In::Move { to_location_id: to, from_location_id: None, position: None }
    );
    let walk = r#"{"type":"position_update","data":{"position":{"x":1,"y":2.5},"velocity":{"x":0,"y":-8}}}"#;
    let expected = In::PositionUpdate { position: Point::new(1.0, 2.5), velocity: Point::new(0.0, -8.0) };
    assert_eq!(read(walk).unwrap(), expected);
    let unknown = read(r#"{"type":"chat","data":{"channel":"whisper","message":"x"}}"#).unwrap_err();
    assert_eq!(unknown.code, Code::Invalid);
}

/// One of each, for the golden bytes.
fn client_samples() -> [In; 8] {
    let (position, velocity) = (Point::new(12.5, 40.25), Point::new(0.0, -8.0));
    [
        In::GetGameState,
        In::Move {
            to_location_id: LocationId(2),
            from_location_id: Some(LocationId(1)),
            position: Some(position),
        },
        In::PositionUpdate { position, velocity },
        In::Chat { channel: Channel::Local, message: "Hail".into() },
        In::GetNearbyPlayers,
        In::CharacterCreate { name: "Ann O'Neill".into(), faction: Faction::Umbral, class: Class::Mage },
        In::CharacterSelect { character_id: 7 },
        In::CharacterDelete { character_id: 300 },
    ]
}

/// The same for the server's.
fn server_samples() -> [Out; 9] {
    let world = World::built_in();
    let location = world.location(world.start.location).told.clone();
    let (name, faction, class, level) = ("Ada".into(), Faction::Verdant, Class::Rogue, 3);
    let (id, position) = (PlayerId(1_000_000_007), Point::new(12.5, 40.25));
    let player = Player { id, name, faction, class, level, position };
    let you = You {
        id: PlayerId(7),
        name: "Bob".into(),
        faction,
        class,
        level,
        position,
        velocity: Point::ZERO,
        max_speed: 8.0,
    };
    let state = GameState {
        you,
        location: location.clone(),
        locations: world.names.iter().take(1).cloned().collect(),
        players: vec![player.clone()],
        monsters: Vec::new(),
        shards: world.shards.iter().take(1).cloned().collect(),
        party: None,
        quests: Vec::new(),
    };
    let from = Speaker { id, name: player.name.clone() };
    let sheet = Sheet {
        id: PlayerId(7),
        name: "Bob".into(),
        faction,
        class,
        level,
        experience: 250,
        hp: 90,
        max_hp: 100,
        mana: 60,
        max_mana: 60,
        gold: 300,
        inventory: vec![Stack { item_id: "tonic".into(), quantity: 2 }],
        location_id: LocationId(2),
        selected: true,
    };
    [
        Out::GameState(Box::new(state)),
        Out::LocationUpdate { location, position },
        Out::PlayerJoinedArea { players: vec![player.clone()] },
        Out::PlayerLeftArea { players: vec![id, PlayerId(7)] },
        Out::Positions { moves: vec![Move(id, 12.5, 40.25, 0.0, -8.0)], region: None },
        Out::PositionCorrection { position },
        Out::Chat { channel: Channel::Global, from, message: "Hail".into() },
        Out::NearbyPlayers { players: vec![player] },
        Out::CharacterUpdate(Box::new(sheet)),
    ]
}

/// Both encodings of a sample of each packet; a change here is a change of the contract.
#[test]
fn golden_bytes() {
    let golden = golden::bytes(&client_samples(), &server_samples());
    insta::assert_snapshot!(golden);
}

#[test]
fn the_region_of_positions_is_not_on_the_wire() {
    let moves = vec![Move(PlayerId(5), 1.5, 2.0, 0.0, -8.0)];
    for encoding in Encoding::ALL {
        let [with, without] = [Some(3), None].map(|region| {
            let mut out = Vec::new();
            let packet = Out::Positions { moves: moves.clone(), region };
            encode(encoding, Kind::Game, None, &packet, &mut out).unwrap();
            out
        });
        assert_eq!(with, without);
    }
}
