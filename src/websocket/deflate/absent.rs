//! What stands for the codec in a build without it: nobody is agreed with, so that none of this is ever asked for.

use super::Agreed;
use crate::websocket::Error;

/// Compresses nothing.
#[derive(Debug, Default)]
pub struct Deflater {}

impl Deflater {
    /// Does nothing.
    pub fn message(&mut self, _: &[u8], _: Agreed, _: &mut Vec<u8>) -> bool {
        false
    }

    /// Does nothing.
    pub fn fragment(&mut self, _: &[u8], _: &mut Vec<u8>) -> bool {
        false
    }
}

/// Inflates nothing.
#[derive(Debug, Default)]
pub struct Inflater {}

impl Inflater {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn inflate(&mut self, _: &[u8], _: usize) -> Result<&mut [u8], Error> {
        Err(Error::ReservedBits)
    }

    /// None.
    pub fn buffered(&self) -> usize {
        0
    }
}
