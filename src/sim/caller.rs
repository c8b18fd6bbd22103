//! A client that asks over HTTP, one thing at a time, and holds every answer against what is on the disk.

use super::scenario::Caller;
use crate::account::Store;
use crate::random::Random;

/// A caller and its connection.
pub(super) struct Calling {
    caller: Box<dyn Caller>,
    received: Vec<u8>,
    /// The last request is not answered.
    waits: bool,
    /// The server answers no more on this connection.
    over: bool,
}

/// An answer.
struct Answer {
    status: u16,
    /// Of the whole, in bytes.
    len: usize,
    head: usize,
    closes: bool,
}

impl Calling {
    pub(super) fn new(caller: Box<dyn Caller>) -> Calling {
        Calling { caller, received: Vec::new(), waits: false, over: false }
    }

    /// Asks the next thing, where the last is answered.
    pub(super) fn ask(&mut self, chance: &mut Random, out: &mut Vec<u8>) {
        if !self.waits && !self.over {
            out.extend(self.caller.ask(chance));
            self.waits = true;
        }
    }

    /// Reads answers; returns how many.
    ///
    /// # Errors
    /// One is no answer to what was asked, or storage does not have what it says.
    pub(super) fn receive(&mut self, input: &[u8], store: &mut dyn Store) -> Result<u64, String> {
        self.received.extend_from_slice(input);
        let mut count = 0;
        while let Some(Answer { status, len, head, closes }) = self.answer()? {
            let body = &self.received[head..len];
            // Whoever is refused at accept is told so before asking anything, and a server that stops says so at last.
            let sent_away = closes && matches!(status, 408 | 429 | 503);
            if !sent_away {
                if !self.waits {
                    return Err(format!("an answer to nothing: {status}"));
                }
                self.caller.answered(status, body, store)?;
                count += 1;
            }
            (self.waits, self.over) = (sent_away, self.over || closes);
            self.received.drain(..len);
        }
        Ok(count)
    }

    /// The first answer, where all of it is there.
    fn answer(&self) -> Result<Option<Answer>, String> {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut fields);
        let head = match response.parse(&self.received) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(format!("an answer is not HTTP: {error}")),
        };
        let field = |name: &str| response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        let length = field("content-length").and_then(|f| std::str::from_utf8(f.value).ok()?.parse().ok());
        let len = head + length.unwrap_or(0);
        let closes = field("connection").is_some_and(|f| f.value.eq_ignore_ascii_case(b"close"));
        let answer = Answer { status: response.code.unwrap_or(0), len, head, closes };
        Ok((self.received.len() >= len).then_some(answer))
    }
}
