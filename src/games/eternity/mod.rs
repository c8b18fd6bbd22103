//! Shards of Eternity.
pub mod character;
pub mod packets;
pub mod place;
pub mod world;
mod world_file;
