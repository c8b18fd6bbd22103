//! Compressed messages as a simulated client has them: what it offers over each line, what it holds the server's answer
//! against, which of its own messages it compresses, and how often all that came about.
//!
//! A client of a run that compresses offers something else over each of its lines, perhaps nothing, so that it comes back
//! into another agreement than it was lost with. Its chance is its own: it decides nothing else.
//!
//! Whether the server's references keep to a small window is not seen here, for whoever inflates has the largest: that is
//! held in the unit tests of `websocket::deflate` and `session::compression`.

use crate::random::Random;
use crate::websocket::OpCode;
use crate::websocket::deflate::{self, Agreed, Deflater, LEAST_WINDOW_BITS, MOST_WINDOW_BITS, NAME};
use std::ops::AddAssign;

/// Says that a message is compressed, on its first frame (RFC 7692 section 6).
pub(super) const RSV1: u8 = 0x40;
/// What is left out at the end of a compressed message (section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// How often compressed messages came to something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deflated {
    /// Compressed batches that clients read.
    pub read: u64,
    /// Those of them that were sent before, to somebody who has come back.
    pub replayed: u64,
    /// Those of them that went to somebody whose window has less than 15 bits.
    pub narrow: u64,
    /// Lines that were cut under a client that had read a part of a compressed message.
    pub cut_inside: u64,
    /// Messages that clients compressed.
    pub sent: u64,
    /// Returns from an agreement to none.
    pub given_up: u64,
    /// Returns from none to an agreement.
    pub taken_up: u64,
    /// Returns from one window of the server's to another.
    pub rewindowed: u64,
}

impl AddAssign for Deflated {
    fn add_assign(&mut self, more: Deflated) {
        self.read += more.read;
        self.replayed += more.replayed;
        self.narrow += more.narrow;
        self.cut_inside += more.cut_inside;
        self.sent += more.sent;
        self.given_up += more.given_up;
        self.taken_up += more.taken_up;
        self.rewindowed += more.rewindowed;
    }
}

/// What a client offers: the field's value, and the largest windows that the answer may name, as base-2 logarithms.
#[derive(Debug)]
struct Offer {
    field: String,
    server_window: u8,
    client_window: u8,
    /// Whether the server may say how large the client's is to be.
    is_asked: bool,
}

/// One client's side of the extension.
#[derive(Debug)]
pub(super) struct Deflation {
    /// What it offers and compresses follows from it; `None`: it offers what browsers do, and compresses nothing.
    chance: Option<Random>,
    offer: Option<Offer>,
    /// What the present line has come to: the server's window, and what the client's references keep to.
    agreed: Option<(u8, Agreed)>,
    /// Whether the client was let in over the present line.
    is_in: bool,
    /// The server's window where it was let in before; `Some(None)`: nothing was agreed on there.
    before: Option<Option<u8>>,
    /// The first byte of a frame that is not whole. The server's messages are one frame each.
    unread: Option<u8>,
    deflater: Deflater,
    counts: Deflated,
}

impl Default for Deflation {
    fn default() -> Deflation {
        Deflation {
            chance: None,
            offer: Offer::usual(),
            agreed: None,
            is_in: false,
            before: None,
            unread: None,
            deflater: Deflater::default(),
            counts: Deflated::default(),
        }
    }
}

impl Offer {
    /// What browsers offer; `None` in a build that compresses nothing.
    fn usual() -> Option<Offer> {
        let field =
            format!("{NAME}; server_no_context_takeover; client_no_context_takeover; client_max_window_bits");
        let [server_window, client_window] = [MOST_WINDOW_BITS; 2];
        deflate::AVAILABLE.then_some(Offer { field, server_window, client_window, is_asked: true })
    }

    /// Anything that can be offered, or nothing.
    fn draw(chance: &mut Random) -> Option<Offer> {
        if chance.chance(0.3) {
            return None;
        }
        let mut bits = |least: u8| least + chance.below(u64::from(MOST_WINDOW_BITS - least) + 1) as u8;
        // No client's compressor makes do with 8.
        let [server_window, client_window] = [bits(LEAST_WINDOW_BITS), bits(LEAST_WINDOW_BITS + 1)];
        let mut offer = Offer {
            field: NAME.to_owned(),
            server_window: MOST_WINDOW_BITS,
            client_window: MOST_WINDOW_BITS,
            is_asked: false,
        };
        if chance.chance(0.3) {
            offer.field += "; client_no_context_takeover";
        }
        if chance.chance(0.5) {
            offer.field += &format!("; server_max_window_bits={server_window}");
            offer.server_window = server_window;
        }
        match chance.below(4) {
            0 => {
                offer.field += "; client_max_window_bits";
                offer.is_asked = true;
            }
            1 => {
                offer.field += &format!("; client_max_window_bits={client_window}");
                (offer.client_window, offer.is_asked) = (client_window, true);
            }
            _ => {}
        }
        Some(offer)
    }

    /// Reads what the server made of it, in the head of its answer: its window.
    fn answered(&self, head: &[u8], agreed: Agreed) -> Result<u8, String> {
        let head = String::from_utf8_lossy(head);
        let named = head.split_once("server_max_window_bits=").map(|(_, value)| {
            let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
            value[..end].parse().unwrap_or(0)
        });
        let server_window = named.unwrap_or(MOST_WINDOW_BITS);
        let is_asked = head.contains("client_max_window_bits");
        // "MUST NOT include" what was not offered, and "the same or smaller value" (sections 7.1.2.1 and 7.1.2.2).
        if !(LEAST_WINDOW_BITS..=self.server_window).contains(&server_window)
            || agreed.window_bits > self.client_window
            || is_asked && !self.is_asked
        {
            return Err(format!("{:?} was answered with {head:?}", self.field));
        }
        Ok(server_window)
    }
}

impl Deflation {
    /// The server agrees to compressed messages: from now on something else is offered over each line.
    pub(super) fn vary(&mut self, seed: u64) {
        let mut chance = Random::new(seed);
        self.offer = Offer::draw(&mut chance);
        self.chance = Some(chance);
    }

    /// What is offered over the present line.
    pub(super) fn offer(&self) -> Option<&str> {
        self.offer.as_ref().map(|offer| offer.field.as_str())
    }

    /// What came about so far.
    pub(super) fn counts(&self) -> Deflated {
        self.counts
    }

    /// The line is lost, and another is opened.
    pub(super) fn reopen(&mut self) {
        self.counts.cut_inside += u64::from(self.unread.is_some_and(|first| first & RSV1 != 0));
        self.unread = None;
        (self.agreed, self.is_in) = (None, false);
        if let Some(chance) = &mut self.chance {
            self.offer = Offer::draw(chance);
        }
    }

    /// The handshake is answered, with this head, which comes to that.
    ///
    /// # Errors
    /// That is no answer to what was offered.
    pub(super) fn agree(&mut self, head: &[u8], agreed: Option<Agreed>) -> Result<(), String> {
        self.agreed = match (&self.offer, agreed) {
            (Some(offer), Some(agreed)) => Some((offer.answered(head, agreed)?, agreed)),
            (None, Some(_)) => return Err("what was not offered is agreed to".to_owned()),
            (Some(offer), None) if self.chance.is_some() => {
                return Err(format!("{:?} was declined", offer.field));
            }
            (_, None) => None,
        };
        Ok(())
    }

    /// More of the server's frames is read, from this byte on.
    pub(super) fn begin(&mut self, first: u8) {
        self.unread.get_or_insert(first);
    }

    /// A message or a control frame has come whole: it may have been a compressed batch, and one that was sent before.
    pub(super) fn read(&mut self, is_deflated: bool, is_replay: bool) {
        self.unread = None;
        if let (true, Some((window, _))) = (is_deflated, self.agreed) {
            self.counts.read += 1;
            self.counts.replayed += u64::from(is_replay);
            self.counts.narrow += u64::from(window < MOST_WINDOW_BITS);
        }
    }

    /// The client is in, perhaps since long before.
    pub(super) fn enter(&mut self) {
        if std::mem::replace(&mut self.is_in, true) {
            return;
        }
        let window = self.agreed.map(|(window, _)| window);
        match (self.before.replace(window), window) {
            (Some(Some(_)), None) => self.counts.given_up += 1,
            (Some(None), Some(_)) => self.counts.taken_up += 1,
            (Some(Some(before)), Some(window)) if before != window => self.counts.rewindowed += 1,
            _ => {}
        }
    }

    /// What a message of the client becomes where it compresses it.
    pub(super) fn compress(&mut self, opcode: OpCode, payload: &[u8]) -> Option<Vec<u8>> {
        let ((_, agreed), chance) = (self.agreed?, self.chance.as_mut()?);
        if opcode.is_control() || chance.chance(0.5) {
            return None;
        }
        let mut small = Vec::new();
        let mut parts = payload.chunks(1 << agreed.window_bits);
        if !parts.all(|part| self.deflater.fragment(part, &mut small)) {
            return None;
        }
        // Perhaps no shorter than before, which is lawful.
        small.truncate(small.len().checked_sub(TAIL.len())?);
        self.counts.sent += 1;
        Some(small)
    }
}

#[cfg(all(test, feature = "deflate"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_answered_has_been_offered() {
        let offer = Offer {
            field: NAME.to_owned(),
            server_window: 11,
            client_window: MOST_WINDOW_BITS,
            is_asked: false,
        };
        let answered = |answer: &str| {
            let head = format!("HTTP/1.1 101 x\r\nSec-WebSocket-Extensions: {NAME}{answer}\r\n\r\n");
            offer.answered(head.as_bytes(), Agreed { window_bits: MOST_WINDOW_BITS }).ok()
        };
        assert_eq!(answered("; server_max_window_bits=11"), Some(11));
        assert_eq!(answered("; server_max_window_bits=8; server_no_context_takeover"), Some(8));
        for more in
            ["", "; server_max_window_bits=12", "; server_max_window_bits=11; client_max_window_bits=9"]
        {
            assert_eq!(answered(more), None, "{more}");
        }
    }
}
