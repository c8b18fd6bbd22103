//! What two sides agree on about permessage-deflate (RFC 7692 sections 5 and 7.1).
//!
//! Four parameters, two for each direction: `server_no_context_takeover` and `server_max_window_bits` for what the
//! server compresses, `client_no_context_takeover` and `client_max_window_bits` for what the client does. Either of
//! our roles asks the peer to take over no context, and itself takes over none, so that no connection needs a
//! compressor or decompressor of its own.
//!
//! An offer that cannot be accepted is declined, which is no error: the next one is looked at, and without any the
//! connection goes uncompressed (section 7.1). A *response* that was not offered, or that makes no sense, fails the
//! connection (section 7.1.2 and others). Whether a field obeys the grammar at all is `handshake/extensions`'s.

use crate::websocket::handshake::Extension;
use std::fmt::Write;

/// The registered name of the extension (section 9).
pub const NAME: &str = "permessage-deflate";
/// The base-2 logarithm of the smallest LZ77 window (section 7.1.2.1).
pub const LEAST_WINDOW_BITS: u8 = 8;
/// The same of the largest, which is also what holds where nothing is said.
pub const MOST_WINDOW_BITS: u8 = 15;

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// What holds for one connection's compressed messages. In both directions each message is compressed by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Agreed {
    /// What this side's references keep to: the base-2 logarithm of the peer's window, 8 to 15.
    pub window_bits: u8,
}

/// The parameters of one element of the list; each is there once or not at all.
#[derive(Default, PartialEq, Eq, Debug)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// A client may give it without a value: it can do with less than 15 and leaves it to the server how much.
    client_max_window_bits: Option<Option<u8>>,
}

impl Parameters {
    /// `None` for what section 7.1 has declined in an offer and failed in a response: "an extension parameter not defined
    /// for use in" it, one "with an invalid value", and "multiple extension parameters with the same name".
    fn read(extension: &Extension) -> Option<Parameters> {
        let mut read = Parameters::default();
        for (name, value) in &extension.parameters {
            let value = value.as_deref();
            let is_new = match name.as_str() {
                SERVER_NO_CONTEXT_TAKEOVER if value.is_none() => {
                    !std::mem::replace(&mut read.server_no_context_takeover, true)
                }
                CLIENT_NO_CONTEXT_TAKEOVER if value.is_none() => {
                    !std::mem::replace(&mut read.client_no_context_takeover, true)
                }
                SERVER_MAX_WINDOW_BITS => read.server_max_window_bits.replace(window_bits(value?)?).is_none(),
                CLIENT_MAX_WINDOW_BITS => {
                    let bits = value.map(window_bits);
                    if bits == Some(None) {
                        return None;
                    }
                    read.client_max_window_bits.replace(bits.flatten()).is_none()
                }
                _ => false,
            };
            if !is_new {
                return None;
            }
        }
        Some(read)
    }
}

/// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (section 7.1.2.1).
fn window_bits(value: &str) -> Option<u8> {
    const VALUES: [&str; 8] = ["8", "9", "10", "11", "12", "13", "14", "15"];
    let at = VALUES.iter().position(|&text| text == value)?;
    Some(LEAST_WINDOW_BITS + at as u8)
}

/// The smallest window, as its base-2 logarithm, that holds a message of so many bytes: what a server asks a client for,
/// to whom a larger one would be of no use.
pub fn window_bits_for(max_message: usize) -> u8 {
    let bits = max_message.max(1).next_power_of_two().ilog2() as u8;
    // Not 8: zlib cannot compress with that, and makes 9 of it behind its user's back.
    bits.clamp(LEAST_WINDOW_BITS + 1, MOST_WINDOW_BITS)
}

/// The server's side: the first of the client's offers that can be accepted, and the element that says so in the
/// answer. `client_window_bits` is asked of a client that says it can be asked.
pub(in crate::websocket) fn accept(offers: &[Extension], client_window_bits: u8) -> Option<(Agreed, String)> {
    debug_assert!((LEAST_WINDOW_BITS..=MOST_WINDOW_BITS).contains(&client_window_bits));
    let deflate = offers.iter().filter(|offer| offer.name == NAME);
    let offer = deflate.filter_map(Parameters::read).next()?;
    let mut element = format!("{NAME}; {SERVER_NO_CONTEXT_TAKEOVER}; {CLIENT_NO_CONTEXT_TAKEOVER}");
    let mut say = |name, bits| write!(element, "; {name}={bits}").expect("a string takes all");
    if let Some(bits) = offer.server_max_window_bits {
        // "MUST include ... with the same or smaller value" (section 7.1.2.1).
        say(SERVER_MAX_WINDOW_BITS, bits);
    }
    // "If a received extension negotiation offer doesn't have the "client_max_window_bits" extension parameter, the
    // corresponding extension negotiation response to the offer MUST NOT include" it (section 7.1.2.2).
    if let Some(most) = offer.client_max_window_bits {
        say(CLIENT_MAX_WINDOW_BITS, client_window_bits.min(most.unwrap_or(MOST_WINDOW_BITS)));
    }
    Some((Agreed { window_bits: offer.server_max_window_bits.unwrap_or(MOST_WINDOW_BITS) }, element))
}

/// The client's side: the one element that it offers. Whatever window the server asks for is kept to.
pub(in crate::websocket) fn offer() -> String {
    format!("{NAME}; {SERVER_NO_CONTEXT_TAKEOVER}; {CLIENT_NO_CONTEXT_TAKEOVER}; {CLIENT_MAX_WINDOW_BITS}")
}

/// The client's side: what the server made of [`offer`]. `None` where it declined.
///
/// # Errors
/// The response is not one to that offer: the client has to fail the connection.
pub(in crate::websocket) fn agree(response: &[Extension]) -> Result<Option<Agreed>, NotOffered> {
    let chosen = match response {
        [] => return Ok(None),
        [chosen] if chosen.name == NAME => Parameters::read(chosen).ok_or(NotOffered)?,
        _ => return Err(NotOffered),
    };
    // "A server accepts an extension negotiation offer that includes the "server_no_context_takeover" extension
    // parameter by including" it (section 7.1.1.1).
    let bits = match chosen.client_max_window_bits {
        // In a response it has a value (section 7.1.2.2).
        Some(bits) => bits.ok_or(NotOffered)?,
        None => MOST_WINDOW_BITS,
    };
    if !chosen.server_no_context_takeover {
        return Err(NotOffered);
    }
    Ok(Some(Agreed { window_bits: bits }))
}

/// The server uses an extension, or one in a way, that was not offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::websocket) struct NotOffered;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::handshake::read_extensions;

    /// What a server that asks for 12 bits answers to offers, and the window that it keeps to.
    fn accepted(offers: &str) -> Option<(u8, String)> {
        let offers = read_extensions(offers.as_bytes()).expect("it obeys the grammar");
        let (agreed, element) = accept(&offers, 12)?;
        let ours = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        Some((agreed.window_bits, element.strip_prefix(ours).expect("it always says so").to_owned()))
    }

    #[test]
    fn each_parameter_that_can_be_offered() {
        for (offer, bits, answer) in [
            ("", 15, ""),
            ("; server_no_context_takeover", 15, ""),
            ("; client_no_context_takeover", 15, ""),
            ("; client_no_context_takeover; server_no_context_takeover", 15, ""),
            ("; server_max_window_bits=8", 8, "; server_max_window_bits=8"),
            ("; server_max_window_bits=10", 10, "; server_max_window_bits=10"),
            ("; server_max_window_bits=\"10\"", 10, "; server_max_window_bits=10"),
            ("; server_max_window_bits=15", 15, "; server_max_window_bits=15"),
            ("; client_max_window_bits", 15, "; client_max_window_bits=12"),
            ("; client_max_window_bits=15", 15, "; client_max_window_bits=12"),
            ("; client_max_window_bits=9", 15, "; client_max_window_bits=9"),
            (
                "; client_max_window_bits; server_max_window_bits=11",
                11,
                "; server_max_window_bits=11; client_max_window_bits=12",
            ),
        ] {
            let offer = format!("permessage-deflate{offer}");
            assert_eq!(accepted(&offer), Some((bits, answer.to_owned())), "{offer}");
        }
    }

    #[test]
    fn what_is_declined() {
        for offer in [
            "",
            "x-webkit-deflate-frame",
            "Permessage-Deflate",
            "permessage-deflate; unknown",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover=true",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=08",
            "permessage-deflate; server_max_window_bits=+9",
            "permessage-deflate; client_max_window_bits=0",
            "permessage-deflate; client_max_window_bits=256",
            "permessage-deflate; client_max_window_bits=99999999999999999999",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        ] {
            assert_eq!(accepted(offer), None, "{offer}");
        }
    }

    #[test]
    fn the_first_offer_that_can_be_accepted_wins() {
        let offers = "x-other, permessage-deflate; unknown, permessage-deflate; server_max_window_bits=10, \
                      permessage-deflate";
        assert_eq!(accepted(offers), Some((10, "; server_max_window_bits=10".to_owned())));
    }

    #[test]
    fn a_client_takes_what_it_offered_and_nothing_else() {
        let response = |parameters: &str| {
            let value = format!("permessage-deflate; {parameters}");
            agree(&read_extensions(value.as_bytes()).expect("it obeys the grammar"))
        };
        let agreed = |bits| Ok(Some(Agreed { window_bits: bits }));
        assert_eq!(agree(&[]), Ok(None));
        assert_eq!(response("server_no_context_takeover"), agreed(15));
        assert_eq!(response("server_no_context_takeover; client_no_context_takeover"), agreed(15));
        assert_eq!(response("server_no_context_takeover; client_max_window_bits=9"), agreed(9));
        assert_eq!(response("server_no_context_takeover; server_max_window_bits=10"), agreed(15));
        for wrong in [
            "client_no_context_takeover",
            "server_no_context_takeover; client_max_window_bits",
            "server_no_context_takeover; client_max_window_bits=16",
            "server_no_context_takeover; server_max_window_bits",
            "server_no_context_takeover; unknown",
            "server_no_context_takeover; server_no_context_takeover",
            "server_no_context_takeover, permessage-deflate",
            "server_no_context_takeover, x-other",
        ] {
            assert_eq!(response(wrong), Err(NotOffered), "{wrong}");
        }
        let other = read_extensions(b"x-other").expect("it obeys the grammar");
        assert_eq!(agree(&other), Err(NotOffered));
    }

    #[test]
    fn both_roles_agree() {
        let offers = read_extensions(offer().as_bytes()).expect("it obeys the grammar");
        for bits in LEAST_WINDOW_BITS..=MOST_WINDOW_BITS {
            let (server, element) = accept(&offers, bits).expect("it is acceptable");
            let response = read_extensions(element.as_bytes()).expect("it obeys the grammar");
            assert_eq!(server.window_bits, MOST_WINDOW_BITS);
            assert_eq!(agree(&response), Ok(Some(Agreed { window_bits: bits })));
        }
    }

    #[test]
    fn a_window_holds_a_message_and_is_never_the_one_that_zlib_lacks() {
        let bits = [0, 1, 256, 512, 513, 16_384, 16_385, 1 << 20].map(window_bits_for);
        assert_eq!(bits, [9, 9, 9, 9, 10, 14, 15, 15]);
    }
}
