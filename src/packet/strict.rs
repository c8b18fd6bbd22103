//! Watches serde decode a packet's fields, in either encoding: notes which field is wrong, and refuses what the
//! encodings let through and a game must not see.
//!
//! [`Strict`] wraps a deserializer and everything that comes out of it. It refuses nesting deeper than
//! `limits::PACKET_DEPTH`, and in JSON arrays in the place of objects. A number that is too large for an `f32` becomes
//! infinite in both: what may be infinite is the game's to judge, whatever it was written in. On the way back from an error it writes the path to the field into a [`Trace`]; while nothing is wrong it allocates
//! nothing.

use crate::limits;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use std::cell::{Cell, RefCell};
use std::fmt;

/// Where decoding is, and where it went wrong.
pub(super) struct Trace<'de> {
    /// Values that are open around the one being read.
    depth: Cell<usize>,
    /// The last string read: after a map's key was read, that key.
    last: Cell<Option<&'de str>>,
    /// Why this module, not the type or the format, refused.
    refusal: Cell<Option<&'static str>>,
    /// The path to the value that was wrong, complete once the error is back at the top.
    path: RefCell<String>,
}

impl<'de> Trace<'de> {
    pub(super) fn new() -> Trace<'de> {
        Trace {
            depth: Cell::new(0),
            last: Cell::new(None),
            refusal: Cell::new(None),
            path: RefCell::new(String::new()),
        }
    }

    /// The path to the field that `fault`, the error's text, is about; empty where it is about the whole.
    pub(super) fn field(&self, fault: &str) -> String {
        // A field that is missing is no value that could be wrong: only the text has its name.
        let missing = fault.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let mut path = self.path.take();
        if let Some(name) = missing {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
        }
        path
    }

    pub(super) fn refusal(&self) -> Option<&'static str> {
        self.refusal.get()
    }

    fn refuse<T, E: de::Error>(&self, why: &'static str) -> Result<T, E> {
        self.refusal.set(Some(why));
        Err(E::custom(why))
    }

    /// Puts a field's name before the path of what was wrong in it.
    fn in_field(&self, name: &str) {
        let mut path = self.path.borrow_mut();
        if !path.is_empty() && !path.starts_with('[') {
            path.insert(0, '.');
        }
        path.insert_str(0, name);
    }

    /// Puts an element's place before the path of what was wrong in it.
    fn in_element(&self, index: usize) {
        let mut path = self.path.borrow_mut();
        if !path.is_empty() && !path.starts_with('[') {
            path.insert(0, '.');
        }
        path.insert_str(0, &format!("[{index}]"));
    }

    /// Reads something that holds values, unless too many are open already.
    fn nested<T, E: de::Error>(&self, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let depth = self.depth.get();
        if depth == limits::PACKET_DEPTH {
            return self.refuse("nested too deep");
        }
        self.depth.set(depth + 1);
        let value = read()?;
        self.depth.set(depth);
        Ok(value)
    }
}

/// A deserializer, a seed or an access that is watched.
pub(super) struct Strict<'t, 'de, X> {
    inner: X,
    trace: &'t Trace<'de>,
    /// Whether the format is JSON.
    text: bool,
}

impl<'t, 'de, X> Strict<'t, 'de, X> {
    /// Watches a JSON deserializer.
    pub(super) fn text(inner: X, trace: &'t Trace<'de>) -> Self {
        Strict { inner, trace, text: true }
    }

    /// Watches a postcard deserializer.
    pub(super) fn binary(inner: X, trace: &'t Trace<'de>) -> Self {
        Strict { inner, trace, text: false }
    }

    /// The same watch over something that came out of this.
    fn over<Y>(&self, inner: Y) -> Strict<'t, 'de, Y> {
        Strict { inner, trace: self.trace, text: self.text }
    }

    fn watch<V>(&self, visitor: V, wants: Wants) -> Strict<'t, 'de, Watched<V>> {
        self.over(Watched { visitor, wants })
    }
}

/// A visitor, and what it asked for.
struct Watched<V> {
    visitor: V,
    wants: Wants,
}

/// What a visitor asked for, where it matters.
#[derive(Clone, Copy)]
enum Wants {
    Anything,
    /// A struct with these fields.
    Struct(&'static [&'static str]),
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<'_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let watched = self.over(inner);
        self.inner.deserialize(watched)
    }
}

/// Hands a request on to the deserializer inside, with a watched visitor.
macro_rules! ask {
    ($($method:ident($($arg:ident: $ty:ty),*) $wants:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, $($arg: $ty,)* visitor: V) -> Result<V::Value, D::Error> {
            let watched = self.watch(visitor, $wants);
            self.inner.$method($($arg,)* watched)
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, 'de, D> {
    type Error = D::Error;

    ask! {
        deserialize_any() Wants::Anything;
        deserialize_bool() Wants::Anything;
        deserialize_i8() Wants::Anything;
        deserialize_i16() Wants::Anything;
        deserialize_i32() Wants::Anything;
        deserialize_i64() Wants::Anything;
        deserialize_i128() Wants::Anything;
        deserialize_u8() Wants::Anything;
        deserialize_u16() Wants::Anything;
        deserialize_u32() Wants::Anything;
        deserialize_u64() Wants::Anything;
        deserialize_u128() Wants::Anything;
        deserialize_f32() Wants::Anything;
        deserialize_f64() Wants::Anything;
        deserialize_char() Wants::Anything;
        deserialize_str() Wants::Anything;
        deserialize_string() Wants::Anything;
        deserialize_bytes() Wants::Anything;
        deserialize_byte_buf() Wants::Anything;
        deserialize_option() Wants::Anything;
        deserialize_unit() Wants::Anything;
        deserialize_unit_struct(name: &'static str) Wants::Anything;
        deserialize_newtype_struct(name: &'static str) Wants::Anything;
        deserialize_seq() Wants::Anything;
        deserialize_tuple(len: usize) Wants::Anything;
        deserialize_tuple_struct(name: &'static str, len: usize) Wants::Anything;
        deserialize_map() Wants::Anything;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) Wants::Struct(fields);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) Wants::Anything;
        deserialize_identifier() Wants::Anything;
        deserialize_ignored_any() Wants::Anything;
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Hands a plain value on to the visitor inside.
macro_rules! give {
    ($($method:ident($ty:ty);)*) => {
        $(fn $method<E: de::Error>(self, value: $ty) -> Result<V::Value, E> {
            self.inner.visitor.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<'_, 'de, Watched<V>> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.visitor.expecting(f)
    }

    give! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_i128(i128);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_u128(u128);
        visit_f32(f32);
        visit_f64(f64);
        visit_char(char);
        visit_str(&str);
        visit_string(String);
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(Vec<u8>);
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<V::Value, E> {
        self.trace.last.set(Some(value));
        self.inner.visitor.visit_borrowed_str(value)
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visitor.visit_none()
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let watched = self.over(inner);
        self.trace.nested(|| self.inner.visitor.visit_some(watched))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let watched = self.over(inner);
        self.trace.nested(|| self.inner.visitor.visit_newtype_struct(watched))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let fields = match self.inner.wants {
            // Derived structs would take their fields by place; in JSON fields have names.
            Wants::Struct(_) if self.text => return Err(de::Error::invalid_type(Unexpected::Seq, &self)),
            Wants::Struct(fields) => fields,
            _ => &[],
        };
        let watched = self.over(Elements { inner, next: 0, fields });
        self.trace.nested(|| self.inner.visitor.visit_seq(watched))
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let watched = self.over(Members { inner, key: None });
        self.trace.nested(|| self.inner.visitor.visit_map(watched))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let watched = self.over(inner);
        self.trace.nested(|| self.inner.visitor.visit_enum(watched))
    }
}

/// A sequence, and where in it reading is.
struct Elements<A> {
    inner: A,
    next: usize,
    /// Their names, where they are a struct's fields.
    fields: &'static [&'static str],
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<'_, 'de, Elements<A>> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let watched = self.over(seed);
        let Elements { inner, next, fields } = &mut self.inner;
        let index = std::mem::replace(next, *next + 1);
        inner.next_element_seed(watched).inspect_err(|_| match fields.get(index) {
            Some(name) => self.trace.in_field(name),
            None => self.trace.in_element(index),
        })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.inner.size_hint()
    }
}

/// A map, and the key whose value comes next.
struct Members<'de, A> {
    inner: A,
    /// `None` where the key was no string, or had escapes.
    key: Option<&'de str>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Strict<'_, 'de, Members<'de, A>> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let watched = self.over(seed);
        self.trace.last.set(None);
        let key = self.inner.inner.next_key_seed(watched);
        self.inner.key = self.trace.last.get();
        key
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let watched = self.over(seed);
        let value = self.inner.inner.next_value_seed(watched);
        value.inspect_err(|_| self.trace.in_field(self.inner.key.unwrap_or("?")))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.inner.size_hint()
    }
}

impl<'t, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Strict<'t, 'de, A> {
    type Error = A::Error;
    type Variant = Strict<'t, 'de, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let watched = self.over(seed);
        let Strict { inner, trace, text } = self;
        let (value, variant) = inner.variant_seed(watched)?;
        Ok((value, Strict { inner: variant, trace, text }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Strict<'_, 'de, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let watched = self.over(seed);
        self.inner.newtype_variant_seed(watched)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let watched = self.watch(visitor, Wants::Anything);
        self.inner.tuple_variant(len, watched)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let watched = self.watch(visitor, Wants::Struct(fields));
        self.inner.struct_variant(fields, watched)
    }
}
