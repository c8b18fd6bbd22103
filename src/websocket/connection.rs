//! One peer's connection after the handshake: reading frames into events, and the closing handshake.
//!
//! [`Connection::next`] has a short way for what nearly all traffic is, an unfragmented message that lies whole in the
//! input, and a long way for everything else. Both read the header by the same rules and hand out the same events.
//! Compressed messages always take the long way, and leave it inflated by what [`Connection::next_inflated`] is lent.
//! Frame headers are in `frame`, what came in parts is put together in `message`.

use super::close::{self, CloseCode};
use super::deflate::{self, Agreed, Inflater};
use super::error::Error;
use super::frame::{Expected, Header, Incoming, OpCode, encode, encode_masked};
use super::mask::unmask;
use super::message::{Assembly, Event, Kind, open_text};
use super::utf8::InvalidUtf8;
use crate::limits::CONTROL_PAYLOAD;

/// Which end of the connection this side is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Reads masked frames, sends plain ones.
    Server,
    /// Reads plain frames, sends masked ones.
    Client,
}

/// How far the closing handshake is (RFC 6455 section 7.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Both sides may send.
    Open,
    /// A Close frame was sent: nothing more may be sent, and the peer's is awaited.
    CloseSent,
    /// The peer will not be heard any more: it sent a Close frame, or broke the protocol. An answer is due.
    CloseReceived,
    /// Nothing more goes either way: the socket can be closed.
    Closed,
}

/// What moves a [`State`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// A Close frame was written.
    Sent,
    /// A Close frame was read.
    Received,
    /// The peer broke the protocol. "An endpoint MUST NOT continue to attempt to process data (including a responding
    /// Close frame) from the remote endpoint after being instructed to _Fail the WebSocket Connection_" (section
    /// 7.1.7): as for reading, its Close might as well have come.
    Failed,
}

impl State {
    /// All transitions there are.
    const fn after(self, step: Step) -> State {
        match (self, step) {
            (State::Open, Step::Sent) => State::CloseSent,
            (State::Open, Step::Received | Step::Failed) => State::CloseReceived,
            (State::CloseSent, Step::Received | Step::Failed) => State::Closed,
            (State::CloseReceived, Step::Sent) => State::Closed,
            (State::CloseSent, Step::Sent)
            | (State::CloseReceived, Step::Received | Step::Failed)
            | (State::Closed, _) => self,
        }
    }

    /// "The application MUST NOT send any more data frames after sending a Close frame" (section 5.5.1).
    pub const fn may_send(self) -> bool {
        matches!(self, State::Open | State::CloseReceived)
    }
}

/// Where in the peer's bytes the reader stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// Before a frame, and nothing is kept: no header begun, no message open, nothing lent. The short way starts here.
    Clear,
    /// Before or in a header.
    Header,
    /// In a payload.
    Payload,
    /// Behind an event that lent from the assembly.
    Lent,
    /// Behind the last event.
    End,
}

/// What the long way found; events that lend are made of it when the search is over.
enum Found<'i> {
    /// A message that lies whole in the input, in one frame and unmasked.
    Whole(Kind, &'i mut [u8]),
    /// The same of a control frame.
    WholeControl(OpCode, &'i mut [u8]),
    /// A message that is complete in the assembly.
    Assembled(Kind),
    /// A control frame that is complete in the assembly.
    Control(OpCode),
}

/// A whole compressed message was not inflated, because whoever asked for events declined it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Declined;

/// One peer, read by the protocol's rules. Sockets, deadlines and masking keys are its owner's.
///
/// Invariant: with `Place::Clear` the assembly and the stash are empty, so an idle connection owns no memory.
#[derive(Debug)]
pub struct Connection {
    assembly: Assembly,
    /// The most payload bytes that a message may have.
    max_message: usize,
    /// Payload bytes of the frame under way that have not arrived.
    missing: usize,
    /// The masking key of the frame under way, as it stands for the next byte.
    mask: Option<[u8; 4]>,
    /// The beginning of a header that has not arrived whole, `stashed` bytes of it.
    stash: [u8; Header::MAX],
    stashed: u8,
    opcode: OpCode,
    fin: bool,
    /// Whether compressed messages were agreed on.
    inflates: bool,
    role: Role,
    place: Place,
    ending: Ending,
}

/// The closing handshake: its state, and the code of the Close frame that answers the last event.
#[derive(Debug)]
struct Ending {
    state: State,
    answer: Option<CloseCode>,
}

const _: () = assert!(size_of::<Connection>() <= 88, "there are as many of these as peers");

impl Connection {
    /// A connection whose handshake is done. Messages of more than `max_message` bytes are refused with
    /// [`Error::TooBig`].
    pub fn new(role: Role, max_message: usize) -> Connection {
        Connection {
            assembly: Assembly::default(),
            max_message,
            missing: 0,
            mask: None,
            stash: [0; Header::MAX],
            stashed: 0,
            opcode: OpCode::Continuation,
            fin: false,
            inflates: false,
            role,
            place: Place::Clear,
            ending: Ending { state: State::Open, answer: None },
        }
    }

    /// The handshake agreed on compressed messages: from here on [`Connection::next_inflated`] is to be called.
    pub fn agree_on(&mut self, _: Agreed) {
        self.inflates = deflate::AVAILABLE;
    }

    /// Sets the limit for frames whose header has not been read.
    pub fn set_max_message(&mut self, bytes: usize) {
        self.max_message = bytes;
    }

    /// How far the closing handshake is.
    pub fn state(&self) -> State {
        self.ending.state
    }

    /// Bytes of memory held for what arrived in parts, and for what the last event lent.
    pub fn buffered(&self) -> usize {
        self.assembly.capacity()
    }

    /// The next event, from the bytes at the front of `input`, which are taken off it. **Call it until it returns
    /// `None`**: then `input` is empty, and what is incomplete is kept.
    ///
    /// After [`Event::Close`] and [`Event::Error`] it returns `None` for ever and discards the input. While this
    /// side has sent a Close frame and awaits the peer's, what the peer sent before it saw it still arrives as events.
    // Inlined even where the compiler would rather call: with the event in registers a small frame takes half the time
    // (`benches/codec.rs`, decode of 32 B).
    #[inline(always)]
    pub fn next<'e, 'i: 'e>(&'e mut self, input: &mut &'i mut [u8]) -> Option<Event<'e>> {
        if self.place == Place::Clear
            && let Some(header) = Incoming::read_unfragmented(input, self.expects_mask(), self.max_message)
            && let Some(payload) = take_frame(input, &header)
        {
            if header.opcode == OpCode::Binary {
                if let Some(mask) = header.mask {
                    unmask(payload, mask, 0);
                }
                return Some(Event::Binary(payload));
            }
            return Some(match open_text(payload, header.mask) {
                Ok(()) => Event::Text(payload),
                Err(InvalidUtf8) => self.fail(Error::InvalidUtf8),
            });
        }
        self.next_the_long_way(input)
    }

    /// The same as [`Connection::next`] on a connection that has agreed on compressed messages; they are inflated by
    /// `inflater`, which serves all connections, and lent from it.
    #[inline]
    pub fn next_inflated<'e, 'i: 'e>(
        &'e mut self,
        input: &mut &'i mut [u8],
        inflater: &'e mut Inflater,
    ) -> Option<Event<'e>> {
        // Nothing is declined here.
        self.next_inflated_if(input, inflater, |_| true)?.ok()
    }

    /// The same for whoever does not inflate everything: `may_inflate` is asked with the bytes of each compressed message
    /// as it came, and of what it declines nothing is read.
    #[inline]
    pub fn next_inflated_if<'e, 'i: 'e>(
        &'e mut self,
        input: &mut &'i mut [u8],
        inflater: &'e mut Inflater,
        may_inflate: impl FnOnce(usize) -> bool,
    ) -> Option<Result<Event<'e>, Declined>> {
        let (kind, payload) = match self.search(input) {
            Ok(Some(Found::Whole(kind, payload))) if kind.is_deflated() => (kind, payload),
            Ok(Some(Found::Assembled(kind))) if kind.is_deflated() => (kind, self.assembly.message()),
            Ok(found) => return found.map(|found| Ok(self.lend(found))),
            Err(error) => return Some(Ok(self.fail(error))),
        };
        if !may_inflate(payload.len()) {
            return Some(Err(Declined));
        }
        let inflated = inflater.inflate(payload, self.max_message).and_then(|message| {
            if kind == Kind::DeflatedText {
                open_text(message, None)?;
            }
            Ok(message)
        });
        Some(Ok(match inflated {
            Ok(message) => kind.event(message),
            Err(error) => self.fail(error),
        }))
    }

    #[inline(never)]
    fn next_the_long_way<'e, 'i: 'e>(&'e mut self, input: &mut &'i mut [u8]) -> Option<Event<'e>> {
        debug_assert!(!self.inflates, "compressed messages were agreed on: there is next_inflated for those");
        if self.place == Place::Clear && input.is_empty() {
            return None;
        }
        match self.search(input) {
            Ok(Some(found)) if found.is_deflated() => Some(self.fail(Error::ReservedBits)),
            Ok(found) => found.map(|found| self.lend(found)),
            Err(error) => Some(self.fail(error)),
        }
    }

    /// Reads on until there is something to hand out or the input is empty.
    fn search<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Option<Found<'i>>, Error> {
        loop {
            match self.place {
                Place::Lent => {
                    self.assembly.release();
                    self.place = self.between_frames();
                }
                Place::Clear | Place::Header => {
                    let Some(header) = self.read_header(input)? else {
                        return Ok(None);
                    };
                    if let Some(whole) = self.begin_frame(header, input)? {
                        return Ok(Some(whole));
                    }
                }
                Place::Payload => {
                    self.read_payload(input)?;
                    if self.missing > 0 {
                        return Ok(None);
                    }
                    if let Some(found) = self.end_frame()? {
                        return Ok(Some(found));
                    }
                }
                Place::End => {
                    self.assembly = Assembly::default();
                    *input = &mut [];
                    return Ok(None);
                }
            }
        }
    }

    /// Reads a header, of which the beginning may be stashed; stashes what there is while it is incomplete.
    fn read_header(&mut self, input: &mut &mut [u8]) -> Result<Option<Incoming>, Error> {
        let stashed = usize::from(self.stashed);
        let arrived = input.len().min(Header::MAX - stashed);
        self.stash[stashed..stashed + arrived].copy_from_slice(&input[..arrived]);

        let in_message = self.assembly.open().is_some();
        // The limit may have been lowered below what is here already.
        let room = self.most(self.assembly.open()).saturating_sub(self.assembly.message_len());
        let compressed_room = self.inflates.then(|| deflate::most_compressed(self.max_message));
        let expected = Expected { masked: self.expects_mask(), in_message, room, compressed_room };
        let header = Incoming::read(&self.stash[..stashed + arrived], expected)?;
        let taken = match header {
            Some(header) => {
                self.stashed = 0;
                header.size - stashed
            }
            None => {
                // It is shorter than the longest header, so all of the input is in the stash.
                debug_assert_eq!(arrived, input.len());
                self.stashed = (stashed + arrived) as u8;
                arrived
            }
        };
        if self.stashed > 0 {
            self.place = Place::Header;
        }
        *input = &mut std::mem::take(input)[taken..];
        Ok(header)
    }

    /// Hands out a frame that is an event of its own and lies whole in the input; else prepares for its payload.
    fn begin_frame<'i>(
        &mut self,
        header: Incoming,
        input: &mut &'i mut [u8],
    ) -> Result<Option<Found<'i>>, Error> {
        let alone = header.opcode.is_control() || (header.fin && header.opcode != OpCode::Continuation);
        let kind = Kind::begun_by(header.opcode, header.compressed);
        if alone && let Some(payload) = input.split_off_mut(..header.payload_len) {
            match (kind, header.mask) {
                (Some(Kind::Text), mask) => open_text(payload, mask)?,
                (_, Some(mask)) => unmask(payload, mask, 0),
                (_, None) => {}
            }
            self.place = self.between_frames();
            return Ok(Some(match kind {
                Some(kind) => Found::Whole(kind, payload),
                None => Found::WholeControl(header.opcode, payload),
            }));
        }
        if let Some(kind) = kind {
            self.assembly.begin(kind);
        }
        if header.payload_len == 0 && !header.fin {
            self.assembly.count_empty_fragment()?;
        }
        self.opcode = header.opcode;
        self.fin = header.fin;
        self.mask = header.mask;
        self.missing = header.payload_len;
        self.place = Place::Payload;
        Ok(None)
    }

    /// Takes what the input has of the payload.
    fn read_payload(&mut self, input: &mut &mut [u8]) -> Result<(), Error> {
        let arrived = input.len().min(self.missing);
        let Some(payload) = input.split_off_mut(..arrived).filter(|payload| !payload.is_empty()) else {
            return Ok(());
        };
        self.missing -= arrived;
        if self.opcode.is_control() {
            self.assembly.append_control(payload, &mut self.mask, self.missing);
        } else {
            self.assembly.append(payload, &mut self.mask, self.missing, self.fin)?;
        }
        Ok(())
    }

    /// The frame under way is complete in the assembly.
    fn end_frame<'i>(&mut self) -> Result<Option<Found<'i>>, Error> {
        if self.opcode.is_control() {
            self.place = Place::Lent;
            return Ok(Some(Found::Control(self.opcode)));
        }
        if self.fin {
            self.place = Place::Lent;
            return Ok(Some(Found::Assembled(self.assembly.finish()?)));
        }
        self.place = Place::Header;
        Ok(None)
    }

    /// Makes the event of what was found.
    fn lend<'e, 'i: 'e>(&'e mut self, found: Found<'i>) -> Event<'e> {
        match found {
            Found::Whole(kind, payload) => kind.event(payload),
            Found::WholeControl(opcode, payload) => {
                self.ending.control_event(&mut self.place, opcode, payload)
            }
            Found::Control(opcode) => {
                self.ending.control_event(&mut self.place, opcode, self.assembly.control())
            }
            Found::Assembled(kind) => kind.event(self.assembly.message()),
        }
    }

    /// Ends the reading because of what the peer did.
    #[cold]
    fn fail(&mut self, error: Error) -> Event<'static> {
        self.place = Place::End;
        self.assembly = Assembly::default();
        self.ending.failed(error)
    }

    /// The most payload bytes, as they come, that the message under way may have.
    fn most(&self, open: Option<Kind>) -> usize {
        match open {
            Some(kind) if kind.is_deflated() => deflate::most_compressed(self.max_message),
            _ => self.max_message,
        }
    }

    /// The place behind a frame that left nothing to be lent from the assembly.
    fn between_frames(&self) -> Place {
        if self.assembly.open().is_some() { Place::Header } else { Place::Clear }
    }

    /// "a client MUST mask all frames that it sends to the server", and a server "MUST NOT" (section 5.1).
    #[inline(always)]
    fn expects_mask(&self) -> bool {
        self.role == Role::Server
    }

    /// Appends a Close frame with `code` and `reason` and moves the state; does nothing where one was sent already.
    ///
    /// Without a code the body is empty, and the reason is not sent. A reason of more than 123 bytes is cut between
    /// characters. `mask` is the masking key: a client needs a fresh one for each frame, a server passes `None`.
    pub fn close(&mut self, code: Option<CloseCode>, reason: &str, mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
        if !self.ending.state.may_send() {
            return;
        }
        let mut body = [0; CONTROL_PAYLOAD];
        let len = code.map_or(0, |code| close::write_body(code, reason, &mut body));
        self.write_control(OpCode::Close, &body[..len], mask, out);
        self.ending.step(Step::Sent);
    }

    /// Appends the Close frame that answers the last event; does nothing where one was sent already.
    ///
    /// After [`Event::Close`] it "echos the status code it received" (section 5.5.1), or has an empty body where none
    /// came; after [`Event::Error`] it carries [`Error::close_code`]. Before either its body is empty.
    pub fn answer_close(&mut self, mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
        self.close(self.ending.answer, "", mask, out);
    }

    /// Appends a Ping frame; does nothing once a Close frame was sent. Payload beyond 125 bytes is cut off.
    pub fn ping(&self, payload: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
        self.write_control(OpCode::Ping, payload, mask, out);
    }

    /// Appends a Pong frame; does nothing once a Close frame was sent. Payload beyond 125 bytes is cut off.
    pub fn pong(&self, payload: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
        self.write_control(OpCode::Pong, payload, mask, out);
    }

    fn write_control(&self, opcode: OpCode, payload: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
        debug_assert_eq!(mask.is_some(), self.role == Role::Client, "a client masks, a server does not");
        if !self.ending.state.may_send() {
            return;
        }
        let payload = &payload[..payload.len().min(CONTROL_PAYLOAD)];
        match mask {
            Some(mask) => encode_masked(out, opcode, payload, mask),
            None => encode(out, opcode, payload),
        }
    }
}

impl Found<'_> {
    fn is_deflated(&self) -> bool {
        matches!(self, Found::Whole(kind, _) | Found::Assembled(kind) if kind.is_deflated())
    }
}

impl Ending {
    fn step(&mut self, step: Step) {
        self.state = self.state.after(step);
    }

    /// The event of a whole control frame; a Close frame is the end of the reading.
    fn control_event<'e>(&mut self, place: &mut Place, opcode: OpCode, payload: &'e [u8]) -> Event<'e> {
        match opcode {
            OpCode::Ping => Event::Ping(payload),
            OpCode::Close => {
                *place = Place::End;
                match close::read_body(payload) {
                    Ok(body) => self.received(body),
                    Err(error) => self.failed(error),
                }
            }
            _ => Event::Pong(payload),
        }
    }

    fn received<'e>(&mut self, body: Option<(CloseCode, &'e str)>) -> Event<'e> {
        self.answer = body.map(|(code, _)| code);
        self.step(Step::Received);
        Event::Close(body)
    }

    fn failed(&mut self, error: Error) -> Event<'static> {
        self.answer = Some(error.close_code());
        self.step(Step::Failed);
        Event::Error(error)
    }
}

/// Takes a whole frame off the input and returns its payload; `None`, and nothing taken, where it is not all there.
#[inline(always)]
fn take_frame<'i>(input: &mut &'i mut [u8], header: &Incoming) -> Option<&'i mut [u8]> {
    if input.len() - header.size < header.payload_len {
        return None;
    }
    let frame = input.split_off_mut(..header.size + header.payload_len)?;
    Some(&mut frame[header.size..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transition() {
        use State::{CloseReceived, CloseSent, Closed, Open};
        let table = [
            // state, after: Sent, Received, Failed
            (Open, [CloseSent, CloseReceived, CloseReceived]),
            (CloseSent, [CloseSent, Closed, Closed]),
            (CloseReceived, [Closed, CloseReceived, CloseReceived]),
            (Closed, [Closed, Closed, Closed]),
        ];
        for (state, to) in table {
            assert_eq!(
                [Step::Sent, Step::Received, Step::Failed].map(|step| state.after(step)),
                to,
                "{state:?}"
            );
        }
    }

    #[test]
    fn a_connection_that_has_nothing_unfinished_owns_nothing() {
        let mut connection = Connection::new(Role::Server, 1 << 20);
        let mut frame = Vec::new();
        encode_masked(&mut frame, OpCode::Binary, &[7; 1000], [1, 2, 3, 4]);
        for cut in 1..frame.len() {
            let (mut front, mut back) = (frame[..cut].to_vec(), frame[cut..].to_vec());
            assert_eq!(connection.next(&mut &mut front[..]), None);
            assert!(connection.buffered() <= 2 * cut);
            assert_eq!(connection.next(&mut &mut back[..]), Some(Event::Binary(&mut [7; 1000])));
            assert_eq!(connection.next(&mut &mut [][..]), None);
            assert_eq!((connection.buffered(), connection.place), (0, Place::Clear));
        }
    }
}
