//! A client that asks over HTTP: it counts the answers, and looks whether they are what was asked for.

use crate::random::Random;

/// What a visitor asked and was answered so far.
#[derive(Debug, Default)]
pub(super) struct Visitor {
    /// What was asked and not answered yet, oldest first.
    asked: std::collections::VecDeque<Question>,
    received: Vec<u8>,
    /// The server said that it will answer no more.
    closing: bool,
    /// The server sent it away; whatever else it says belongs to that.
    refused: bool,
}

#[derive(Clone, Copy, Debug)]
struct Question {
    request: &'static [u8],
    status: u16,
    has_body: bool,
}

const QUESTIONS: &[Question] = &[
    Question { request: b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 200, has_body: true },
    Question { request: b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 200, has_body: true },
    Question { request: b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 200, has_body: false },
    Question {
        request: b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
        status: 404,
        has_body: true,
    },
    Question {
        request: b"DELETE /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
        status: 405,
        has_body: true,
    },
];

impl Visitor {
    /// Asks up to three questions at once.
    pub(super) fn ask(&mut self, chance: &mut Random, out: &mut Vec<u8>) {
        for _ in 0..=chance.below(3) {
            let question = QUESTIONS[chance.below(QUESTIONS.len() as u64) as usize];
            out.extend_from_slice(question.request);
            self.asked.push_back(question);
        }
    }

    /// Reads answers.
    ///
    /// # Errors
    /// One is not what the next question asked for.
    pub(super) fn receive(&mut self, input: &[u8]) -> Result<(), String> {
        self.received.extend_from_slice(input);
        while !self.refused
            && let Some(len) = self.answer()?
        {
            self.received.drain(..len);
        }
        Ok(())
    }

    /// Reads the first answer, where it is there; returns its length.
    fn answer(&mut self) -> Result<Option<usize>, String> {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut fields);
        let head_len = match response.parse(&self.received) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(format!("an answer is not HTTP: {error}")),
        };
        if self.closing {
            return Err("an answer behind the last one".to_owned());
        }
        let status = response.code.unwrap_or(0);
        let field = |name: &str| response.headers.iter().find(|f| f.name.eq_ignore_ascii_case(name));
        let length = field("content-length").and_then(|f| std::str::from_utf8(f.value).ok()?.parse().ok());
        let closes = field("connection").is_some_and(|f| f.value.eq_ignore_ascii_case(b"close"));
        if closes && matches!(status, 408 | 429 | 503) {
            // The server is stopping or full, or this address asks too much. Who is refused at accept is answered
            // before asking anything, so this need not be the answer to the first question.
            self.refused = true;
            return Ok(Some(self.received.len()));
        }
        let question = self.asked.front().copied();
        let body: usize = match question {
            Some(question) if !question.has_body => 0,
            _ => length.ok_or("an answer without its length")?,
        };
        if self.received.len() < head_len + body {
            return Ok(None);
        }
        self.asked.pop_front();
        self.closing = closes;
        match question {
            Some(question) if question.status == status => Ok(Some(head_len + body)),
            _ => Err(format!("{question:?} was answered with status {status}")),
        }
    }
}
