//! What serde knows about a derived enum: the names of its variants, and which one a value is.
//!
//! Both are learnt by handing serde a format that does nothing but look. `EnumOnly` is the half of a serializer
//! that every such format shares: a packet is an enum, and whatever else comes is its author's mistake.

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::ser::{self, Impossible, Serialize, SerializeStructVariant, SerializeTupleVariant, Serializer};
use std::fmt;

/// One variant of a packet enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    /// Its place in the enum, from 0: its number in postcard.
    pub index: u32,
    /// Its name: its `type` in JSON.
    pub name: &'static str,
}

/// The names of a derived enum's variants, in order; empty where `P` is no derived enum.
pub fn variants<P: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // It never succeeds: no value comes out of looking.
    let _ = P::deserialize(Names(&mut names));
    names
}

/// Which variant `packet` is; `None` where it is no enum.
pub fn variant_of<P: Serialize + ?Sized>(packet: &P) -> Option<Variant> {
    match packet.serialize(EnumOnly(Look)) {
        Ok(variant) | Err(Looked::At(variant)) => Some(variant),
        Err(Looked::Nothing) => None,
    }
}

/// A deserializer that notes the names that serde's derive hands it.
struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Looked;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Looked> {
        Err(Looked::Nothing)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Looked> {
        *self.0 = variants;
        Err(Looked::Nothing)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// How looking ends: serde has no other way to stop early.
#[derive(Debug)]
enum Looked {
    At(Variant),
    Nothing,
}

impl fmt::Display for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("looked")
    }
}

impl std::error::Error for Looked {}

impl de::Error for Looked {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Looked::Nothing
    }
}

impl ser::Error for Looked {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Looked::Nothing
    }
}

/// The format behind [`variant_of`].
struct Look;

impl Outermost for Look {
    type Ok = Variant;
    type Error = Looked;
    type Fields = Impossible<Variant, Looked>;
    type Elements = Impossible<Variant, Looked>;

    fn unit(self, variant: Variant) -> Result<Variant, Looked> {
        Ok(variant)
    }

    fn newtype<T: Serialize + ?Sized>(self, variant: Variant, _: &T) -> Result<Variant, Looked> {
        Ok(variant)
    }

    fn tuple(self, variant: Variant, _: usize) -> Result<Self::Elements, Looked> {
        Err(Looked::At(variant))
    }

    fn fields(self, variant: Variant, _: usize) -> Result<Self::Fields, Looked> {
        Err(Looked::At(variant))
    }
}

/// A format for the outermost enum only: what it does with each kind of variant.
pub(super) trait Outermost: Sized {
    type Ok;
    type Error: ser::Error;
    type Fields: SerializeStructVariant<Ok = Self::Ok, Error = Self::Error>;
    type Elements: SerializeTupleVariant<Ok = Self::Ok, Error = Self::Error>;

    fn unit(self, variant: Variant) -> Result<Self::Ok, Self::Error>;
    fn newtype<T: Serialize + ?Sized>(self, variant: Variant, value: &T) -> Result<Self::Ok, Self::Error>;
    fn tuple(self, variant: Variant, len: usize) -> Result<Self::Elements, Self::Error>;
    fn fields(self, variant: Variant, len: usize) -> Result<Self::Fields, Self::Error>;
}

/// A serializer that takes an enum and nothing else.
pub(super) struct EnumOnly<O>(pub(super) O);

fn not_an_enum<T, E: ser::Error>() -> Result<T, E> {
    Err(E::custom("a packet is an enum"))
}

/// Refuses the types that are written in one call.
macro_rules! refuse {
    ($($method:ident($($ty:ty)?);)*) => {
        $(fn $method(self $(, _: $ty)?) -> Result<O::Ok, O::Error> { not_an_enum() })*
    };
}

impl<O: Outermost> Serializer for EnumOnly<O> {
    type Ok = O::Ok;
    type Error = O::Error;
    type SerializeSeq = Impossible<O::Ok, O::Error>;
    type SerializeTuple = Impossible<O::Ok, O::Error>;
    type SerializeTupleStruct = Impossible<O::Ok, O::Error>;
    type SerializeTupleVariant = O::Elements;
    type SerializeMap = Impossible<O::Ok, O::Error>;
    type SerializeStruct = Impossible<O::Ok, O::Error>;
    type SerializeStructVariant = O::Fields;

    fn serialize_unit_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
    ) -> Result<O::Ok, O::Error> {
        self.0.unit(Variant { index, name })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        value: &T,
    ) -> Result<O::Ok, O::Error> {
        self.0.newtype(Variant { index, name }, value)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        len: usize,
    ) -> Result<O::Elements, O::Error> {
        self.0.tuple(Variant { index, name }, len)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        name: &'static str,
        len: usize,
    ) -> Result<O::Fields, O::Error> {
        self.0.fields(Variant { index, name }, len)
    }

    refuse! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<O::Ok, O::Error> {
        not_an_enum()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<O::Ok, O::Error> {
        // A newtype is its inside, in both encodings.
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, O::Error> {
        not_an_enum()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, O::Error> {
        not_an_enum()
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, O::Error> {
        not_an_enum()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, O::Error> {
        not_an_enum()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, O::Error> {
        not_an_enum()
    }
}
