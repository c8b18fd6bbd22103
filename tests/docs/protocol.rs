//! `docs/protocol.md`: every packet with its number, its fields and an example in both encodings; the codes.

use super::markdown::{blocks, read, section, subsections, table};
use evertick::games::connect4;
use evertick::games::eternity::character::{Class, Faction};
use evertick::games::eternity::packets::{self, Channel, Terrain};
use evertick::games::eternity::{In, Out};
use evertick::packet::{
    BatchHead, ClientControl, Code, Encoding, Kind, ServerControl, ServerPacket, encode, encode_client, end,
    open, read_batch, variants,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;

const PAGE: &str = "docs/protocol.md";

/// One packet as the page shows it.
struct Example<'a> {
    name: &'a str,
    /// The names of its fields, in order.
    fields: Vec<String>,
    json: String,
    postcard: String,
}

/// The examples under a heading, in order; their numbers are checked.
fn examples<'a>(page: &'a str, heading: &str) -> Vec<Example<'a>> {
    let parts = subsections(section(page, heading), 4);
    let example = |(number, (title, text)): (usize, (&'a str, &str))| {
        let (shown, name) = title.split_once(' ').expect("a number and a name");
        assert_eq!(shown, number.to_string(), "{heading}: {name}");
        let only = |language| match blocks(text, language).as_slice() {
            [block] => without_spaces(block),
            _ => panic!("{heading}: {name} has one example in {language}"),
        };
        let fields = table(text, "field").into_iter().map(|row| row[0].clone()).collect();
        Example { name: name.trim_matches('`'), fields, json: only("json"), postcard: only("postcard") }
    };
    parts.into_iter().enumerate().map(example).collect()
}

/// JSON without the white space between its tokens.
fn without_spaces(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let kept = |c: &char| {
        if in_string {
            in_string = escaped || *c != '"';
            escaped = !escaped && *c == '\\';
            return true;
        }
        in_string = *c == '"';
        !c.is_whitespace()
    };
    json.chars().filter(kept).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is wrong with a group of examples, one line each. `encode_as` reads the JSON as a packet and writes it again.
fn mistakes<P: DeserializeOwned>(
    page: &str,
    heading: &str,
    encode_as: impl Fn(Encoding, &str) -> Vec<u8>,
) -> Vec<String> {
    let examples = examples(page, heading);
    let names: Vec<&str> = examples.iter().map(|example| example.name).collect();
    assert_eq!(names, variants::<P>(), "{heading}: every packet, by number");
    let mut mistakes = Vec::new();
    for Example { name, fields, json, postcard } in examples {
        let value: Value = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{heading}: {name}: {e}"));
        assert_eq!(value["type"], name, "{heading}");
        let data = value["data"].as_object().unwrap_or_else(|| panic!("{heading}: {name} has data"));
        if !in_order(&fields, &json) || fields.len() != data.len() {
            mistakes.push(format!("{name}: the fields {fields:?} are not those of {json}"));
        }
        let again = String::from_utf8(encode_as(Encoding::Json, &json)).expect("JSON is UTF-8");
        if again != json {
            mistakes.push(format!("{name}: the JSON is\n{again}"));
        }
        let bytes = hex(&encode_as(Encoding::Postcard, &json));
        if bytes != postcard {
            mistakes.push(format!("{name}: the postcard is\n{bytes}"));
        }
    }
    mistakes
}

/// Whether all of these stand in `json` as members, in this order.
fn in_order(fields: &[String], json: &str) -> bool {
    let mut rest = json.split_once("\"data\":").map_or("", |(_, data)| data);
    fields.iter().all(|field| {
        let found = rest.split_once(&format!("\"{field}\":"));
        rest = found.map_or("", |(_, behind)| behind);
        found.is_some()
    })
}

fn client_packet<P>(kind: Kind, read: impl Fn(Encoding, &[u8]) -> P) -> impl Fn(Encoding, &str) -> Vec<u8>
where
    P: Serialize + DeserializeOwned + PartialEq + Debug,
{
    move |encoding, json| {
        let id = open(Encoding::Json, json.as_bytes()).expect("an envelope").id;
        let packet = read(Encoding::Json, json.as_bytes());
        let mut message = Vec::new();
        encode_client(encoding, kind, id, &packet, &mut message).expect("it can be encoded");
        assert_eq!(read(encoding, &message), packet, "read back");
        message
    }
}

fn server_packet<P>(encoding: Encoding, json: &str) -> Vec<u8>
where
    P: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let (re, packet) = only_packet::<P>(Encoding::Json, json.as_bytes());
    let mut body = Vec::new();
    match &packet {
        ServerPacket::Control(packet) => encode(encoding, Kind::Control, re, packet, &mut body),
        ServerPacket::Game(packet) => encode(encoding, Kind::Game, re, packet, &mut body),
    }
    .expect("it can be encoded");
    assert_eq!(only_packet(encoding, &body), (re, packet), "read back");
    body
}

/// Reads one packet of the server by putting it into a batch.
fn only_packet<P: DeserializeOwned>(encoding: Encoding, body: &[u8]) -> (Option<u32>, ServerPacket<P>) {
    let mut batch = Vec::new();
    BatchHead { seq: 1, tick: 1, time: 1 }.begin(encoding, 1, &mut batch);
    batch.extend_from_slice(body);
    batch.extend_from_slice(end(encoding));
    let mut packets = read_batch(encoding, &batch).expect("a batch").packets::<P>();
    let packet = packets.next().expect("a packet").unwrap_or_else(|e| panic!("{e}"));
    assert!(packets.next().is_none(), "one packet and nothing behind it");
    (packet.re, packet.packet)
}

#[test]
fn every_packet_stands_there_with_its_number_its_fields_and_examples_that_are_right() {
    let page = read(PAGE);
    let control = client_packet(Kind::Control, |encoding, message| -> ClientControl {
        open(encoding, message).expect("an envelope").control().unwrap_or_else(|e| panic!("{e}"))
    });
    let game = client_packet(Kind::Game, |encoding, message| -> In {
        open(encoding, message).expect("an envelope").game().unwrap_or_else(|e| panic!("{e}"))
    });
    let drop = client_packet(Kind::Game, |encoding, message| -> connect4::In {
        open(encoding, message).expect("an envelope").game().unwrap_or_else(|e| panic!("{e}"))
    });
    let mistakes = [
        mistakes::<ClientControl>(&page, "## Control packets: client to server", control),
        mistakes::<ServerControl>(&page, "## Control packets: server to client", server_packet::<Out>),
        mistakes::<In>(&page, "## Eternity packets: client to server", game),
        mistakes::<Out>(&page, "## Eternity packets: server to client", server_packet::<Out>),
        mistakes::<connect4::In>(&page, "## Connect 4 packets: client to server", drop),
        mistakes::<connect4::Out>(
            &page,
            "## Connect 4 packets: server to client",
            server_packet::<connect4::Out>,
        ),
    ]
    .concat();
    assert!(mistakes.is_empty(), "{PAGE}:\n{}", mistakes.join("\n"));
}

#[test]
fn shapes_have_the_fields_that_packets_show() {
    let page = read(PAGE);
    let all: Vec<Example<'_>> = ["Control packets", "Eternity packets", "Connect 4 packets"]
        .into_iter()
        .flat_map(|layer| ["client to server", "server to client"].map(|way| format!("## {layer}: {way}")))
        .flat_map(|heading| examples(&page, &heading))
        .collect();
    // Where an example holds the shape.
    let shown = [
        ("Versions", "connected", "protocol"),
        ("Point", "position_update", "position"),
        ("You", "game_state", "you"),
        ("Player", "game_state", "players/0"),
        ("Location", "game_state", "location"),
        ("LocationName", "game_state", "locations/0"),
        ("Exit", "game_state", "location/exits/0"),
        ("Shard", "game_state", "shards/0"),
        ("Stack", "character_update", "inventory/0"),
        ("Speaker", "chat", "from"),
        ("MatchPlayer", "match_state", "players/0"),
        ("Listed", "match_list", "matches/0"),
    ];
    let rows = table(section(&page, "## Shapes"), "shape");
    for (shape, packet, place) in shown {
        let row = rows.iter().find(|row| row[0] == shape).unwrap_or_else(|| panic!("{shape} is missing"));
        let value = all.iter().filter(|example| example.name == packet).find_map(|example| {
            let value: Value = serde_json::from_str(&example.json).expect("checked elsewhere");
            value.pointer(&format!("/data/{place}")).cloned()
        });
        let value = value.unwrap_or_else(|| panic!("no example has {place}"));
        let mut fields: Vec<&str> = value.as_object().expect("a struct").keys().map(String::as_str).collect();
        let mut listed: Vec<&str> = listed_fields(&row[1]);
        fields.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, fields, "{shape}");
    }
}

/// The names in `a: u32; b: f32 and c: f32, units`.
fn listed_fields(cell: &str) -> Vec<&str> {
    let words: Vec<&str> = cell.split_whitespace().collect();
    words.into_iter().filter_map(|word| word.strip_suffix(':')).collect()
}

#[test]
fn names_that_are_numbers_in_postcard() {
    let page = read(PAGE);
    let rows = table(section(&page, "## Shapes"), "names");
    let listed = |names: &[&str]| -> String {
        let numbered = names.iter().enumerate().map(|(number, name)| format!("{number} {name}"));
        numbered.collect::<Vec<_>>().join(", ")
    };
    let expected = [
        ("Channel", variants::<Channel>()),
        ("Faction", variants::<Faction>()),
        ("Class", variants::<Class>()),
        ("Terrain", variants::<Terrain>()),
        ("Disc", variants::<connect4::board::Disc>()),
        ("Ending", variants::<connect4::packets::Ending>()),
        ("Closing", variants::<connect4::packets::Closing>()),
    ]
    .map(|(name, names)| vec![name.to_owned(), listed(names)]);
    assert_eq!(rows, expected);
    // These have no values yet, and the page says so.
    assert!(variants::<packets::Monster>().is_empty() && variants::<packets::Quest>().is_empty());
}

#[test]
fn the_table_of_codes() {
    let page = read(PAGE);
    let shown = table(section(&page, "## Codes"), "number");
    let number = |n: Option<u16>| n.map_or(String::new(), |n| n.to_string());
    let row = |(i, code): (usize, &Code)| {
        vec![i.to_string(), code.name().to_owned(), number(code.close_code()), number(code.http_status())]
    };
    let expected: Vec<Vec<String>> = Code::ALL.iter().enumerate().map(row).collect();
    let shown: Vec<Vec<String>> = shown.into_iter().map(|row| row[..4].to_vec()).collect();
    assert_eq!(shown, expected);
}

#[test]
fn examples_in_the_text_are_json() {
    let page = read(PAGE);
    for block in blocks(&page, "json") {
        serde_json::from_str::<Value>(&block).unwrap_or_else(|error| panic!("{error} in\n{block}"));
    }
    let message = blocks(section(&page, "### Messages"), "json").concat();
    let packet: In = open(Encoding::Json, message.as_bytes()).expect("an envelope").game().expect("a packet");
    assert!(matches!(packet, In::Move { .. }));
    let batch = blocks(section(&page, "### Batches"), "json").concat();
    let batch = read_batch(Encoding::Json, batch.as_bytes()).expect("a batch");
    assert_eq!(batch.packets::<Out>().filter_map(Result::ok).count(), 2);
}
