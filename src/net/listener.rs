//! The listening socket: bound with the options that its connections inherit, accepting until nobody is left or the
//! system has nothing left to give.
//!
//! What an accept can fail with is sorted here by what to do about it: the newcomer is lost (go on), descriptors are
//! gone (turn the newcomer away with the reserved one), memory is gone or the reason is unknown (let
//! [`PAUSE`] pass; the loop goes on meanwhile). None of it ends the listener.

use super::reserve::Reserve;
use super::settings::Settings;
use crate::time::Time;
use log::warn;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

/// How long accepting pauses when the system has nothing left to give.
const PAUSE: Duration = Duration::from_millis(100);
/// The shortest time between two warnings.
const QUIET: Duration = Duration::from_secs(1);
/// Whether an accepted socket has the listener's TCP options, as tcp(7) has it for Linux.
const INHERITS: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// A bound and listening socket.
pub(super) struct Listener {
    socket: TcpListener,
    local: SocketAddr,
    /// Somebody may stand in the kernel's queue: it was reported, and no accept since has found it empty.
    pending: bool,
    /// Accepting pauses until then.
    paused: Option<Time>,
    reserve: Reserve,
    /// When the last warning was logged, and how many newcomers have been turned away since.
    warned: Option<Time>,
    turned_away: u64,
}

/// What an accept found.
pub(super) enum Accepted {
    /// A newcomer.
    Peer(TcpStream, SocketAddr),
    /// Somebody who is gone already, or was turned away; there may be more.
    Lost,
    /// Nobody, or nobody can be taken for now.
    Nobody,
}

impl Listener {
    /// Binds and listens.
    ///
    /// # Errors
    /// The system's: `AddrInUse`, `AddrNotAvailable`, `PermissionDenied` and the like.
    pub(super) fn bind(address: SocketAddr, settings: &Settings) -> io::Result<Listener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // On Unix this lets a restart bind while connections of the last run wait in TIME_WAIT; on Windows it would
        // let another process take the address over.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if matches!(address, SocketAddr::V6(v6) if v6.ip().is_unspecified()) {
            // Systems differ in what `[::]` means; here it means IPv4 too, wherever the system can do that.
            socket.set_only_v6(false).ok();
        }
        set_options(&socket, settings)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(settings.backlog)?;
        let socket = TcpListener::from_std(socket.into());
        Ok(Listener {
            local: socket.local_addr()?,
            socket,
            pending: false,
            paused: None,
            reserve: Reserve::new(),
            warned: None,
            turned_away: 0,
        })
    }

    /// The address that is listened on, with its real port.
    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    /// An event has said that somebody is there.
    pub(super) fn note(&mut self) {
        self.pending = true;
    }

    /// Whether an accept may find somebody now.
    pub(super) fn is_pending(&self) -> bool {
        self.pending && self.paused.is_none()
    }

    /// When accepting goes on, where it pauses.
    pub(super) fn resumes(&self) -> Option<Time> {
        self.paused
    }

    /// Ends a pause whose time is up.
    pub(super) fn resume(&mut self, now: Time) {
        if self.paused.is_some_and(|until| until <= now) {
            self.paused = None;
            self.reserve.refill();
        }
    }

    /// Accepts once.
    pub(super) fn accept(&mut self, settings: &Settings, now: Time) -> Accepted {
        match self.socket.accept() {
            Ok((stream, peer)) => {
                let ready = INHERITS || set_options(&socket2::SockRef::from(&stream), settings).is_ok();
                if ready { Accepted::Peer(stream, peer) } else { Accepted::Lost }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                self.pending = false;
                Accepted::Nobody
            }
            Err(e) if is_the_newcomers(&e) => Accepted::Lost,
            Err(e) if is_out_of_descriptors(&e) => self.turn_away(&e, now),
            Err(e) => self.pause(&e, now),
        }
    }

    /// Accepts the first in the queue with the reserved descriptor and closes it.
    fn turn_away(&mut self, error: &io::Error, now: Time) -> Accepted {
        if !self.reserve.give_up() {
            return self.pause(error, now);
        }
        let newcomer = self.socket.accept();
        let found = newcomer.is_ok();
        drop(newcomer);
        self.reserve.refill();
        if !found {
            // Another thread was quicker to use the descriptor, or the newcomer has left. The pause finds out.
            return self.pause(error, now);
        }
        self.turned_away += 1;
        self.warn(error, now);
        Accepted::Lost
    }

    fn pause(&mut self, error: &io::Error, now: Time) -> Accepted {
        self.paused = Some(now + PAUSE);
        self.warn(error, now);
        Accepted::Nobody
    }

    fn warn(&mut self, error: &io::Error, now: Time) {
        if self.warned.is_none_or(|last| now.since(last) >= QUIET) {
            warn!("cannot accept: {error}; {} newcomers turned away", self.turned_away);
            self.warned = Some(now);
            self.turned_away = 0;
        }
    }
}

/// What every game socket has: no delay for small writes, and a low mark for what the kernel holds unsent.
fn set_options(socket: &Socket, settings: &Settings) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(bytes) = settings.notsent_lowat {
        socket.set_tcp_notsent_lowat(bytes)?;
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = settings;
    Ok(())
}

/// Whether an accept failed for what happened to the newcomer. accept(2): "Linux accept() passes already-pending
/// network errors on the new socket as an error code from accept()"; such an error takes the newcomer off the queue.
fn is_the_newcomers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Interrupted
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::PermissionDenied
            | ErrorKind::TimedOut
    ) || is_protocol_error(error)
}

#[cfg(unix)]
fn is_protocol_error(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EPROTO | libc::ENOPROTOOPT | libc::EHOSTDOWN | libc::EOPNOTSUPP)
    )
}

#[cfg(unix)]
fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

#[cfg(not(unix))]
fn is_protocol_error(_: &io::Error) -> bool {
    false
}

/// Windows has no such limit on sockets: what runs out there is memory.
#[cfg(not(unix))]
fn is_out_of_descriptors(_: &io::Error) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockRef;

    fn accept_one(listener: &mut Listener) -> TcpStream {
        for _ in 0..1000 {
            if let Accepted::Peer(stream, _) = listener.accept(&Settings::default(), Time::START) {
                return stream;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("nobody came");
    }

    #[test]
    fn accepted_sockets_have_the_options() {
        let settings = Settings::default();
        let mut listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &settings).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr()).unwrap();
        let stream = accept_one(&mut listener);
        assert!(stream.nodelay().unwrap());
        #[cfg(any(target_os = "linux", target_os = "android"))]
        assert_eq!(Some(SockRef::from(&stream).tcp_notsent_lowat().unwrap()), settings.notsent_lowat);
        let _ = SockRef::from(&stream);
    }

    #[test]
    fn an_unspecified_v6_address_takes_v4_too() {
        let Ok(mut listener) = Listener::bind("[::]:0".parse().unwrap(), &Settings::default()) else {
            return; // a system without IPv6
        };
        let port = listener.local_addr().port();
        let _client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        accept_one(&mut listener);
    }

    #[test]
    fn a_taken_address_is_an_error() {
        let first = Listener::bind("127.0.0.1:0".parse().unwrap(), &Settings::default()).unwrap();
        let second = Listener::bind(first.local_addr(), &Settings::default());
        assert_eq!(second.err().map(|e| e.kind()), Some(ErrorKind::AddrInUse));
    }

    #[test]
    fn a_pause_ends() {
        let mut listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &Settings::default()).unwrap();
        listener.note();
        listener.pause(&io::Error::from(ErrorKind::OutOfMemory), Time::from_millis(5));
        assert!(!listener.is_pending());
        let until = listener.resumes().unwrap();
        listener.resume(until - Duration::from_micros(1));
        assert!(!listener.is_pending());
        listener.resume(until);
        assert!(listener.is_pending());
    }
}
