//! One HTTP connection: bytes in, requests out, one at a time.
//!
//! ```text
//!          head complete, body announced          body complete
//!   Head ------------------------------> Body ------------------> Head, or Ended where the peer said close
//!     \__________________________________________________________/
//!          head complete, no body
//!   any error -> Ended
//! ```

use super::body::Framing;
use super::error::Error;
use super::head::{Found, Scan};
use super::request::Request;

/// What an `Expect: 100-continue` is answered with (RFC 9110 section 15.2.1): write it at
/// [`Event::Continue`].
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Reads requests. It is fed with [`Connection::next`], knows no time and writes nothing.
///
/// Invariant: it owns no memory but while a request is partly there; what it owns then is bounded by
/// [`HTTP_HEAD`](crate::limits::HTTP_HEAD) and [`HTTP_BODY`](crate::limits::HTTP_BODY) and never ahead of the
/// bytes received.
#[derive(Debug)]
pub struct Connection {
    /// A head's beginning, as far as earlier calls brought it. Empty outside [`State::Head`].
    partial: Vec<u8>,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(Scan),
    Body(Box<Pending>),
    Ended,
}

#[derive(Debug)]
struct Pending {
    request: Request,
    framing: Framing,
}

/// What came in.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The client waits for [`CONTINUE`] before it sends the body: write that now.
    Continue,
    /// A request is complete.
    Request(Request),
    /// The peer broke the protocol or a limit: answer with [`Response::from`](super::Response) and close. The
    /// last event.
    Error(Error),
}

/// What a connection waits for, and so which deadline it stands under. The owner notes when the phase it sees
/// changes, or a request came in between, and raises [`Error::Timeout`] where it has lasted too long; bytes
/// that trickle in do not extend it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Between requests: nothing has come. [`HTTP_IDLE_TIME`](crate::limits::HTTP_IDLE_TIME), then close
    /// without an answer; before the first request [`HTTP_HEAD_TIME`](crate::limits::HTTP_HEAD_TIME).
    Idle,
    /// Part of a head is there: [`HTTP_HEAD_TIME`](crate::limits::HTTP_HEAD_TIME), then 408.
    Head,
    /// The head is there and its body is not complete: [`HTTP_BODY_TIME`](crate::limits::HTTP_BODY_TIME),
    /// then 408.
    Body,
    /// An error, or the last request that the peer wanted to send, was given out; what follows is discarded.
    Ended,
}

impl Connection {
    /// A connection on which nothing has come.
    pub fn new() -> Connection {
        Connection { partial: Vec::new(), state: State::Head(Scan::new()) }
    }

    /// The next event, at most one a call. Takes what it used off the front of `input` and keeps what is
    /// incomplete.
    ///
    /// None means that `input` has been used up. After [`Event::Request`] whatever follows is left in
    /// `input`: the next requests, or WebSocket frames. After [`Event::Error`], and after a request whose
    /// [`keep_alive`](Request::keep_alive) is false, calling again discards the input and returns None for
    /// ever.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Event> {
        let event = match self.state {
            State::Head(_) => self.take_head(input),
            State::Body(_) => self.take_body(input),
            State::Ended => {
                *input = &[];
                Ok(None)
            }
        };
        debug_assert!(self.partial.is_empty() || matches!(self.state, State::Head(_)) || event.is_err());
        event.unwrap_or_else(|error| {
            *self = Connection { partial: Vec::new(), state: State::Ended };
            Some(Event::Error(error))
        })
    }

    fn take_head(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        let State::Head(scan) = &mut self.state else { return Ok(None) };
        let mut found = scan.advance(input)?;
        if let Found::EmptyLine(seen) = found {
            self.partial = Vec::new();
            *input = &input[seen..];
            found = scan.advance(input)?;
        }
        let Found::End(seen) = found else {
            self.partial.extend_from_slice(input);
            *input = &[];
            return Ok(None);
        };
        let (head, rest) = input.split_at(seen);
        *input = rest;
        let request = if self.partial.is_empty() {
            Request::read(head)?
        } else {
            let mut partial = std::mem::take(&mut self.partial);
            partial.extend_from_slice(head);
            Request::read(&partial)?
        };
        self.head_read(request, input)
    }

    fn head_read(&mut self, mut request: Request, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        let framing = Framing::of(&request)?;
        let expects_continue = request.expects_continue()?;
        request.announces_body = framing.is_some();
        let Some(framing) = framing.filter(|framing| !framing.is_done()) else {
            return Ok(Some(self.request_read(request)));
        };
        self.state = State::Body(Box::new(Pending { request, framing }));
        // A server may leave the 100 out where the body has begun to come (RFC 9110 section 10.1.1). It is
        // always sent, so that what the peer sees does not depend on how its bytes were cut.
        if expects_continue { Ok(Some(Event::Continue)) } else { self.take_body(input) }
    }

    fn take_body(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        let State::Body(pending) = &mut self.state else { return Ok(None) };
        pending.framing.take(input, &mut pending.request.body)?;
        if !pending.framing.is_done() {
            return Ok(None);
        }
        let State::Body(pending) = std::mem::replace(&mut self.state, State::Ended) else { return Ok(None) };
        Ok(Some(self.request_read(pending.request)))
    }

    fn request_read(&mut self, request: Request) -> Event {
        // RFC 9112 section 9.6: a server that receives "close" "MUST NOT process any further requests
        // received on that connection."
        self.state = if request.keep_alive { State::Head(Scan::new()) } else { State::Ended };
        Event::Request(request)
    }

    /// What it waits for.
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Head(scan) if scan.is_untouched() => Phase::Idle,
            State::Head(_) => Phase::Head,
            State::Body(_) => Phase::Body,
            State::Ended => Phase::Ended,
        }
    }

    /// Between requests, with nothing kept.
    pub fn is_idle(&self) -> bool {
        self.phase() == Phase::Idle
    }

    /// Bytes of memory held for a partial request.
    pub fn buffered(&self) -> usize {
        let pending = match &self.state {
            State::Body(pending) => size_of::<Pending>() + pending.request.memory(),
            State::Head(_) | State::Ended => 0,
        };
        self.partial.capacity() + pending
    }
}

impl Default for Connection {
    fn default() -> Connection {
        Connection::new()
    }
}
