//! HTTP/1.1 (RFC 9110 and RFC 9112) on the server's side: bytes in, requests out, answers back into bytes.
//!
//! It owns no socket and reads no clock. **Call [`Connection::next`] until it returns None; after a request,
//! answer it before calling again.** An idle connection owns no buffer, and a partial request owns no more
//! than has come. What has two readings is refused, whatever it may have meant: a proxy in front might have
//! taken the other one.
//!
//! ```
//! use evertick::http::{Connection, Event, Exchange, Response, CONTINUE};
//! use evertick::time::WallMs;
//!
//! let mut connection = Connection::new();
//! let mut input: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: game.example\r\n\r\n";
//! let (mut out, wall) = (Vec::new(), WallMs(0));
//! while let Some(event) = connection.next(&mut input) {
//!     match event {
//!         Event::Request(request) => {
//!             let response = match &*request.path {
//!                 "/healthz" => Response::new(200).text("ok"),
//!                 _ => Response::error(404, "not_found", "nothing is here"),
//!             };
//!             response.write(Exchange::of(&request, wall), &mut out);
//!         }
//!         Event::Continue => out.extend_from_slice(CONTINUE),
//!         Event::Error(error) => Response::from(error).write(Exchange::last(wall), &mut out),
//!         _ => {}
//!     }
//! }
//! assert!(out.starts_with(b"HTTP/1.1 200 OK\r\n") && out.ends_with(b"\r\n\r\nok"));
//! ```
//!
//! Deadlines are the owner's: [`Connection::phase`] says which one runs. Errors are in [`Error`], all of them
//! the peer's fault; limits are the `HTTP_` constants of [`limits`](crate::limits). Read on in `connection`,
//! then `head` and `body`, which say where a request ends.

mod body;
mod connection;
pub mod cors;
mod error;
pub mod forwarded;
mod head;
mod page;
mod request;
mod response;
mod target;

pub use connection::{CONTINUE, Connection, Event, Phase};
pub use error::Error;
pub use page::Page;
pub use request::{Method, Request};
pub use response::{Exchange, Response};
pub use target::{decode_path, query_pairs};

#[cfg(test)]
mod tests;
