//! Postcard as its specification has it, read by a description of the types and nothing of serde: what a client in
//! another language would write. It shows that the bytes say what the JSON says.

use serde_json::{Map, Value, json};

/// A type, as <https://postcard.jamesmunns.com/wire-format> knows them.
pub(super) enum Schema {
    Bool,
    U8,
    Unsigned,
    Signed,
    F32,
    Text,
    Option(Box<Schema>),
    Seq(Box<Schema>),
    Tuple(Vec<Schema>),
    Struct(Vec<(&'static str, Schema)>),
    /// Variants by number; serde_json's external tags in the value.
    Enum(Vec<(&'static str, Option<Schema>)>),
}

impl Schema {
    /// Takes one value of this type off the front of `bytes`.
    pub(super) fn read(&self, bytes: &mut &[u8]) -> Option<Value> {
        Some(match self {
            Schema::Bool => json!(match byte(bytes)? {
                0 => false,
                1 => true,
                _ => return None,
            }),
            Schema::U8 => json!(byte(bytes)?),
            Schema::Unsigned => json!(varint(bytes)?),
            Schema::Signed => {
                let zigzag = varint(bytes)?;
                json!((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
            }
            Schema::F32 => {
                let (float, rest) = bytes.split_first_chunk::<4>()?;
                *bytes = rest;
                // By way of its shortest text, as JSON carries it.
                json!(f32::from_le_bytes(*float).to_string().parse::<f64>().ok()?)
            }
            Schema::Text => {
                let len = varint(bytes)? as usize;
                let (text, rest) = bytes.split_at_checked(len)?;
                *bytes = rest;
                json!(std::str::from_utf8(text).ok()?)
            }
            Schema::Option(inner) => match byte(bytes)? {
                0 => Value::Null,
                1 => inner.read(bytes)?,
                _ => return None,
            },
            Schema::Seq(inner) => {
                let len = varint(bytes)?;
                Value::Array((0..len).map(|_| inner.read(bytes)).collect::<Option<_>>()?)
            }
            Schema::Tuple(elements) => {
                Value::Array(elements.iter().map(|e| e.read(bytes)).collect::<Option<_>>()?)
            }
            Schema::Struct(fields) => {
                let read = |(name, field): &(&str, Schema)| Some((String::from(*name), field.read(bytes)?));
                Value::Object(fields.iter().map(read).collect::<Option<Map<_, _>>>()?)
            }
            Schema::Enum(variants) => {
                let (name, inside) = variants.get(varint(bytes)? as usize)?;
                match inside {
                    None => json!(name),
                    Some(inside) => json!({ *name: inside.read(bytes)? }),
                }
            }
        })
    }
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (byte, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*byte)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = byte(bytes)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// [`super::Sample`], in words.
pub(super) fn sample() -> Schema {
    use Schema::{Bool, Enum, F32, Seq, Signed, Struct, Text, Tuple, U8, Unsigned};
    let option = |inner| Schema::Option(Box::new(inner));
    let vector = || Struct(vec![("x", F32), ("y", F32)]);
    let channel = Enum(vec![("global", None), ("local", None), ("party", Some(Unsigned))]);
    let item = Struct(vec![("item_id", Unsigned), ("quantity", Unsigned)]);
    let fields = |fields| Some(Struct(fields));
    Enum(vec![
        ("get_game_state", None),
        (
            "move",
            fields(vec![
                ("to_location_id", Unsigned),
                ("from_location_id", option(Unsigned)),
                ("position", option(vector())),
            ]),
        ),
        ("position_update", fields(vec![("position", vector()), ("velocity", vector())])),
        ("chat", fields(vec![("channel", channel), ("message", Text)])),
        (
            "trade_update",
            fields(vec![
                ("trade_id", Unsigned),
                ("items", Seq(Box::new(item))),
                ("gold", Signed),
                ("ready", Bool),
            ]),
        ),
        ("positions", fields(vec![("moves", Seq(Box::new(Tuple(vec![Unsigned, F32, F32]))))])),
        ("swap", Some(Tuple(vec![U8, Text]))),
    ])
}

/// One packet of a server with its number: `{re, body, packet}`, the packet's name and its fields taken apart.
pub(super) fn packet(game: &Schema, bytes: &mut &[u8]) -> Option<(Value, String, Value)> {
    let number = Schema::Option(Box::new(Schema::Unsigned)).read(bytes)?;
    assert_eq!(byte(bytes)?, 1, "a game's packet");
    match game.read(bytes)? {
        Value::String(name) => Some((number, name, json!({}))),
        Value::Object(tagged) => tagged.into_iter().next().map(|(name, data)| (number, name, data)),
        _ => None,
    }
}
