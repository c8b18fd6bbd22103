//! JSON: serde's variant name becomes `type` and its fields become `data`, and back; the rest is serde_json's. How numbers are
//! written is in `numbers`.
//!
//! Reading goes twice over the fields: once to find where they end, once to decode them into what `type` says. That
//! is what lets `type` stand behind `data`. There are two ways of doing each: a quick one for what clients usually
//! write (`scan`, then `plain`), and a thorough one for all else (serde_json, then `strict`). The quick one only ever
//! says yes; **where it does not, the thorough one decides, from the beginning.**

use super::encoding::EncodeError;
use super::envelope::Unreadable;
use super::numbers::Numbers;
use super::plain::{NotPlain, Plain};
use super::scan::{Scanned, scan, usual};
use super::strict::{Strict, Trace};
use super::variant::{EnumOnly, Outermost, Variant, variant_of};
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, IntoDeserializer,
    MapAccess, VariantAccess, Visitor,
};
use serde::ser::{SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleVariant};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The members of an envelope but its number.
#[derive(Clone, Debug)]
pub(super) struct Contents<'a> {
    /// `type`, not yet known to be any packet's.
    pub(super) name: Cow<'a, str>,
    /// `data` as it stands in the message; `None` where it is absent or null.
    data: Option<&'a str>,
    reading: Reading<'a>,
}

/// How much is known of `data`.
#[derive(Clone, Copy, Debug)]
enum Reading<'a> {
    /// It is JSON.
    Thorough,
    /// It may be no JSON: then this message is read thoroughly.
    Quick { message: &'a [u8] },
    /// It may be no JSON, or end earlier: then the message is to be opened again.
    Usual,
}

/// Reads the envelope of a message that looks like most and has a `wanted` name; the number and the name are right if
/// [`decode`] succeeds.
pub(super) fn open_usual(
    message: &[u8],
    wanted: impl Fn(&str) -> bool,
) -> Option<(Option<u32>, Contents<'_>)> {
    let text = simdutf8::basic::from_utf8(message).ok()?;
    let Scanned { number, name, data } = usual(text, wanted)?;
    Some((number, Contents { name: Cow::Borrowed(name), data, reading: Reading::Usual }))
}

/// Reads a client's envelope: its `id` and its contents. Whether `data` is JSON may be found out only by [`decode`].
pub(super) fn open(message: &[u8]) -> Result<(Option<u32>, Contents<'_>), Unreadable> {
    let text = simdutf8::basic::from_utf8(message).ok();
    match text.and_then(|text| scan(text, "id")) {
        Some(Scanned { number, name, data }) => {
            let reading = Reading::Quick { message };
            Ok((number, Contents { name: Cow::Borrowed(name), data, reading }))
        }
        None => open_thoroughly(message),
    }
}

/// The same for any JSON.
pub(super) fn open_thoroughly(message: &[u8]) -> Result<(Option<u32>, Contents<'_>), Unreadable> {
    let mut json = serde_json::Deserializer::from_slice(message);
    let mut members = Members::new("id");
    let read = members.read(&mut json).and_then(|()| json.end());
    members.finish(read)
}

/// Reads the first packet of `packets`, the inside of a batch's array, and says how many bytes it took.
pub(super) fn open_first(packets: &[u8]) -> Result<(Option<u32>, Contents<'_>, usize), Unreadable> {
    let mut members = Members::new("re");
    let mut stream = serde_json::Deserializer::from_slice(packets).into_iter::<&RawValue>();
    let first = match stream.next() {
        Some(Ok(first)) => first.get(),
        Some(Err(e)) => return Err(Unreadable::malformed(e)),
        None => return Err(Unreadable::malformed("a packet is missing")),
    };
    let read = members.read(&mut serde_json::Deserializer::from_str(first));
    let (re, contents) = members.finish(read)?;
    Ok((re, contents, stream.byte_offset()))
}

/// The members of an envelope as far as they were read: what came before a fault is kept.
struct Members<'a> {
    /// The name of the number.
    key: &'static str,
    number: Option<u32>,
    name: Option<Cow<'a, str>>,
    data: Option<&'a str>,
}

impl<'a> Members<'a> {
    fn new(key: &'static str) -> Members<'a> {
        Members { key, number: None, name: None, data: None }
    }

    fn read<D: Deserializer<'a>>(&mut self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }

    fn finish(self, read: Result<(), serde_json::Error>) -> Result<(Option<u32>, Contents<'a>), Unreadable> {
        let Members { number: id, name, data, .. } = self;
        let fail = |fault: Unreadable| Unreadable { id, ..fault };
        read.map_err(|e| fail(Unreadable::malformed(e)))?;
        let name = name.ok_or_else(|| fail(Unreadable::malformed("`type` is missing")))?;
        let data = data.filter(|data| *data != "null");
        Ok((id, Contents { name, data, reading: Reading::Thorough }))
    }
}

impl<'de> Visitor<'de> for &mut Members<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a `type`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // Of members of one name the last counts, as in JavaScript's JSON.parse.
        while let Some(member) = map.next_key_seed(Member(self.key))? {
            match member {
                Known::Type => self.name = Some(map.next_value::<Name<'de>>()?.0),
                Known::Number => self.number = map.next_value()?,
                Known::Data => self.data = Some(map.next_value::<&'de RawValue>()?.get()),
                Known::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// A string that borrows where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads a member's name, given the name of the number.
struct Member(&'static str);

enum Known {
    Type,
    Number,
    Data,
    Other,
}

impl<'de> DeserializeSeed<'de> for Member {
    type Value = Known;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Known, D::Error> {
        name.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Member {
    type Value = Known;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Known, E> {
        Ok(match name {
            "type" => Known::Type,
            "data" => Known::Data,
            _ if name == self.0 => Known::Number,
            _ => Known::Other,
        })
    }
}

/// Decodes a packet: `name` chooses the variant, `data` fills it.
pub(super) fn decode<P: DeserializeOwned>(contents: &Contents<'_>) -> Result<P, Unreadable> {
    match contents.reading {
        Reading::Thorough => decode_thoroughly(contents),
        Reading::Quick { message } => match decode_plain(contents) {
            Ok(packet) => Ok(packet),
            Err(_) => open_thoroughly(message).and_then(|(_, contents)| decode_thoroughly(&contents)),
        },
        Reading::Usual => decode_plain(contents).map_err(|_| Unreadable::malformed("not as usual")),
    }
}

/// Decodes a packet that is [`Plain`].
fn decode_plain<P: DeserializeOwned>(contents: &Contents<'_>) -> Result<P, Fault<NotPlain>> {
    let data = contents.data.unwrap_or("{}");
    let mut plain = Plain::new(data);
    let packet = P::deserialize(Packet { name: &contents.name, data, inside: &mut plain })?;
    if plain.ends() { Ok(packet) } else { Err(Fault::Data(NotPlain)) }
}

/// Decodes a packet strictly; `data` is JSON.
fn decode_thoroughly<P: DeserializeOwned>(contents: &Contents<'_>) -> Result<P, Unreadable> {
    let data = contents.data.unwrap_or("{}");
    let trace = Trace::new();
    let mut json = serde_json::Deserializer::from_str(data);
    let inside = Strict::text(&mut json, &trace);
    match P::deserialize(Packet { name: &contents.name, data, inside }) {
        Ok(packet) => Ok(packet),
        Err(Fault::UnknownType) => {
            Err(Unreadable::unknown_type(format_args!("no packet `{}`", contents.name)))
        }
        Err(Fault::Shape(text)) => Err(Unreadable::invalid(text, String::from("data"))),
        Err(Fault::Data(fault)) => {
            if let Some(packet) = decode_last_of_each(contents) {
                return Ok(packet);
            }
            let text = fault.to_string();
            let field = Some(trace.field(&text)).filter(|field| !field.is_empty());
            let field = field.unwrap_or_else(|| String::from("data"));
            Err(Unreadable::invalid(without_position(&text), field))
        }
    }
}

/// Decodes a packet in which a field stands twice: a tree keeps the last of each name. Derived structs refuse the second
/// and read the first, so this way is taken when the straight one failed.
fn decode_last_of_each<P: DeserializeOwned>(contents: &Contents<'_>) -> Option<P> {
    let data = contents.data?;
    let tree: serde_json::Value = serde_json::from_str(data).ok()?;
    let trace = Trace::new();
    P::deserialize(Packet { name: &contents.name, data, inside: Strict::text(tree, &trace) }).ok()
}

/// serde_json says where in `data` a fault is; in the message it is elsewhere, and the field's name says it better.
fn without_position(text: &str) -> &str {
    text.rsplit_once(" at line ").map_or(text, |(what, _)| what)
}

/// The outermost enum, taken from `type` and `data`.
struct Packet<'a, D> {
    name: &'a str,
    data: &'a str,
    /// A deserializer of `data`.
    inside: D,
}

/// Why a packet could not be decoded.
#[derive(Debug)]
enum Fault<E> {
    UnknownType,
    /// `data` is not of the shape of the variant.
    Shape(String),
    /// A field in `data` is wrong.
    Data(E),
}

impl<E: de::Error> fmt::Display for Fault<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::UnknownType => f.write_str("no such packet"),
            Fault::Shape(text) => f.write_str(text),
            Fault::Data(fault) => fmt::Display::fmt(fault, f),
        }
    }
}

impl<E: de::Error> std::error::Error for Fault<E> {}

impl<E: de::Error> de::Error for Fault<E> {
    fn custom<T: fmt::Display>(text: T) -> Fault<E> {
        Fault::Shape(text.to_string())
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Fault<E> {
        Fault::UnknownType
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Packet<'de, D> {
    type Error = Fault<D::Error>;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault<D::Error>> {
        Err(de::Error::custom("a packet is an enum"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault<D::Error>> {
        visitor.visit_enum(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault<D::Error>> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de, D: Deserializer<'de>> EnumAccess<'de> for Packet<'de, D> {
    type Error = Fault<D::Error>;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault<D::Error>> {
        let name: StrDeserializer<'_, Fault<D::Error>> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de, D: Deserializer<'de>> Packet<'de, D> {
    fn must_be_an_object(&self) -> Result<(), Fault<D::Error>> {
        match self.data.starts_with('{') {
            true => Ok(()),
            false => Err(de::Error::custom("`data` must be an object")),
        }
    }
}

impl<'de, D: Deserializer<'de>> VariantAccess<'de> for Packet<'de, D> {
    type Error = Fault<D::Error>;

    fn unit_variant(self) -> Result<(), Fault<D::Error>> {
        self.must_be_an_object()?;
        IgnoredAny::deserialize(self.inside).map(drop).map_err(Fault::Data)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault<D::Error>> {
        seed.deserialize(self.inside).map_err(Fault::Data)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Fault<D::Error>> {
        self.inside.deserialize_tuple(len, visitor).map_err(Fault::Data)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault<D::Error>> {
        self.must_be_an_object()?;
        self.inside.deserialize_struct("data", fields, visitor).map_err(Fault::Data)
    }
}

/// Appends `{"type":..,"data":..}` with the number under `key` where there is one.
pub(super) fn encode<P: Serialize>(
    key: &str,
    number: Option<u32>,
    packet: &P,
    out: &mut Vec<u8>,
) -> Result<Variant, EncodeError> {
    let variant = variant_of(packet).ok_or_else(|| EncodeError(String::from("it is no enum")))?;
    out.extend_from_slice(b"{\"type\":");
    write(&variant.name, out)?;
    if let Some(number) = number {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"\":");
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
    out.extend_from_slice(b",\"data\":");
    let mut json = serde_json::Serializer::with_formatter(&mut *out, Numbers);
    packet.serialize(EnumOnly(Data(&mut json))).map_err(|e| EncodeError(e.to_string()))?;
    out.push(b'}');
    Ok(variant)
}

fn write<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    serde_json::to_writer(out, value).map_err(|e| EncodeError(e.to_string()))
}

/// Writes what is inside the outermost enum.
struct Data<'j, 'o>(&'j mut Json<'o>);

type Json<'o> = serde_json::Serializer<&'o mut Vec<u8>, Numbers>;

impl<'j, 'o> Outermost for Data<'j, 'o> {
    type Ok = ();
    type Error = serde_json::Error;
    type Fields = Fields<<&'j mut Json<'o> as Serializer>::SerializeStruct>;
    type Elements = Elements<<&'j mut Json<'o> as Serializer>::SerializeTuple>;

    fn unit(self, _: Variant) -> Result<(), serde_json::Error> {
        // Clients may read fields of `data` without looking whether it is there.
        SerializeStruct::end(self.0.serialize_struct("data", 0)?)
    }

    fn newtype<T: Serialize + ?Sized>(self, _: Variant, value: &T) -> Result<(), serde_json::Error> {
        value.serialize(self.0)
    }

    fn tuple(self, _: Variant, len: usize) -> Result<Self::Elements, serde_json::Error> {
        Ok(Elements(self.0.serialize_tuple(len)?))
    }

    fn fields(self, variant: Variant, len: usize) -> Result<Self::Fields, serde_json::Error> {
        Ok(Fields(self.0.serialize_struct(variant.name, len)?))
    }
}

/// A struct variant's fields, written as a struct's.
struct Fields<S>(S);

impl<S: SerializeStruct> SerializeStructVariant for Fields<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        self.0.serialize_field(key, value)
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

/// A tuple variant's elements, written as a tuple's.
struct Elements<S>(S);

impl<S: SerializeTuple> SerializeTupleVariant for Elements<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.0.serialize_element(value)
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}
