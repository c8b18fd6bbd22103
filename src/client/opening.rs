//! The opening handshake from the client's side: the request, its answer, and an answer that says no.

use super::error::{Error, Refusal};
use crate::limits::{HTTP_BODY, HTTP_HEADERS};
use crate::packet::{Code, Encoding};
use crate::random::Secrets;
use crate::websocket::handshake::{Accepted, InvalidRequest, Request, ResponseError};
use serde::Deserialize;

/// Where to go and what to offer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The server's name, with its port where that is not 80.
    pub host: String,
    /// The game's path, such as `/ws`.
    pub path: String,
    /// The encodings that are offered, the preferred one first; without any the server chooses JSON.
    pub encodings: Vec<Encoding>,
    /// The page that one comes from, where it is one.
    pub origin: Option<String>,
    /// Bytes of the largest message that is taken.
    pub max_message: usize,
    /// Whether a lost connection is to be resumed: then the last messages are kept
    /// ([`RESEND_MESSAGES`](crate::limits::RESEND_MESSAGES)), and [`Connection::resume`](super::Connection::resume) is
    /// there for the loss.
    pub resume: bool,
    /// Types of the game's packets of which only the newest is sent again after a resume, by their names: a walk that is
    /// told all at once would be too fast for anybody.
    pub newest_only: &'static [&'static str],
}

impl Settings {
    /// Both encodings, postcard first; no origin; messages up to 1 MiB; nothing is kept for a resume, and if it were, the
    /// newest `position_update` only.
    pub fn new(host: impl Into<String>, path: impl Into<String>) -> Settings {
        Settings {
            host: host.into(),
            path: path.into(),
            encodings: vec![Encoding::Postcard, Encoding::Json],
            origin: None,
            max_message: 1 << 20,
            resume: false,
            newest_only: &["position_update"],
        }
    }
}

/// A handshake whose answer has not come whole.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    nonce: [u8; 16],
    offered: Vec<Encoding>,
    /// The answer so far.
    received: Vec<u8>,
}

impl Opening {
    /// Appends the request to `out`.
    pub(super) fn begin(
        settings: &Settings,
        encodings: &[Encoding],
        secrets: &mut Secrets,
        out: &mut Vec<u8>,
    ) -> Result<Opening, InvalidRequest> {
        let opening = Opening { nonce: secrets.bytes(), offered: encodings.to_vec(), received: Vec::new() };
        let names = opening.names();
        Request::new(&settings.host, &settings.path, opening.nonce, &names, settings.origin.as_deref())?
            .write(out);
        Ok(opening)
    }

    fn names(&self) -> Vec<&'static str> {
        self.offered.iter().map(|encoding| encoding.subprotocol()).collect()
    }

    /// Reads on; takes what belongs to the answer off the front of `input`. `None` while the answer is incomplete.
    pub(super) fn read(&mut self, input: &mut &mut [u8]) -> Result<Option<Encoding>, Error> {
        let before = self.received.len();
        self.received.extend_from_slice(input);
        match self.answer() {
            Ok(Some(Accepted { head_len, subprotocol, .. })) => {
                // The head was incomplete before, so that its end is in this input and frames may be behind it.
                let _ = input.split_off_mut(..head_len.saturating_sub(before));
                self.chosen(subprotocol).map(Some)
            }
            Ok(None) => {
                *input = &mut [];
                Ok(None)
            }
            Err(ResponseError::Refused { status, head_len }) => {
                *input = &mut [];
                match self.is_refusal_whole(head_len) {
                    true => Err(self.refusal(status, head_len)),
                    false => Ok(None),
                }
            }
            Err(error) => Err(Error::Handshake(error)),
        }
    }

    /// Bytes of memory held for the answer.
    pub(super) fn buffered(&self) -> usize {
        self.received.capacity()
    }

    /// What the end of the stream means: a refusal whose body ends with it, or a loss.
    pub(super) fn end(&self) -> Error {
        match self.answer() {
            Err(ResponseError::Refused { status, head_len }) => self.refusal(status, head_len),
            _ => Error::Lost,
        }
    }

    fn answer(&self) -> Result<Option<Accepted<'static>>, ResponseError> {
        // An answer is held against the key and the offered names alone; where the request went does not matter.
        let names = self.names();
        let request = Request::new("-", "/", self.nonce, &names, None);
        let request = request.expect("`begin` has made a request of the same names");
        let accepted = request.read_response(&self.received)?;
        let name = |name| names.iter().copied().find(|offered| *offered == name);
        Ok(accepted.map(|a| Accepted { subprotocol: a.subprotocol.and_then(name), ..a }))
    }

    fn chosen(&self, subprotocol: Option<&str>) -> Result<Encoding, Error> {
        match subprotocol.and_then(Encoding::from_subprotocol) {
            Some(encoding) => Ok(encoding),
            // The contract: "none offered means json".
            None if self.offered.is_empty() => Ok(Encoding::Json),
            None => Err(Error::NoSubprotocol),
        }
    }

    /// Whether the body of a refusal is here, as far as the head tells its length or anybody wants to read it.
    fn is_refusal_whole(&self, head_len: usize) -> bool {
        let mut fields = [httparse::EMPTY_HEADER; HTTP_HEADERS];
        let mut response = httparse::Response::new(&mut fields);
        let parsed = response.parse(&self.received);
        debug_assert!(parsed.is_ok(), "it was read before");
        let length = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
        let length = length.and_then(|field| std::str::from_utf8(field.value).ok()?.trim().parse().ok());
        let body = self.received.len() - head_len;
        body >= length.unwrap_or(HTTP_BODY).min(HTTP_BODY)
    }

    fn refusal(&self, status: u16, head_len: usize) -> Error {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Body {
            error: Told,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Told {
            code: String,
            message: String,
            retry_after_ms: Option<u32>,
        }
        // A server of another kind, or something in between, answers with a body of its own.
        let body: Body = serde_json::from_slice(&self.received[head_len..]).unwrap_or_default();
        let Told { code, message, retry_after_ms } = body.error;
        let code = Code::ALL.iter().copied().find(|known| known.name() == code);
        Error::Refused(Box::new(Refusal { status, code, message, retry_after_ms }))
    }
}
