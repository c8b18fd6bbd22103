//! One guest: a socket, a client, and how far it has come.

use super::course::{Course, Stage};
use super::surroundings::Shared;
use super::tally::name_of;
use crate::client::{Connection, Error, Event, SendError, Settings, ToServer};
use crate::games::eternity::packets::Channel;
use crate::games::eternity::{In, Out};
use crate::packet::{AuthRequest, ClientControl, ClientTime};
use crate::time::Time;
use crate::websocket::CloseCode;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A bot that has heard nothing for so long stands still.
const SILENCE: Duration = Duration::from_millis(500);

/// One guest.
pub(super) struct Bot {
    number: u32,
    socket: TcpStream,
    client: Connection<In, Out>,
    course: Course,
    /// What the socket has not taken.
    unsent: Vec<u8>,
    /// When the bot set out.
    since: Time,
    /// When the poll was asked that last told of something to read.
    told: Time,
}

/// A bot's end: why. Whether it was refused or lost is told by how far it had come.
pub(super) struct Gone(pub(super) String);

impl From<std::io::Error> for Gone {
    fn from(error: std::io::Error) -> Gone {
        Gone(error.kind().to_string())
    }
}

impl Bot {
    /// Sets out from `source`.
    pub(super) fn open(
        number: u32,
        (address, source): (SocketAddr, Option<IpAddr>),
        settings: &Settings,
        shared: &mut Shared,
    ) -> Result<Bot, Gone> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&address.into()) {
            Err(error) if !is_in_progress(&error) => return Err(error.into()),
            _ => {}
        }
        let mut unsent = Vec::new();
        let client = Connection::open(settings, &mut shared.secrets, &mut unsent);
        let client = client.map_err(|error| Gone(error.to_string()))?;
        let (socket, since) = (TcpStream::from_std(socket.into()), shared.now);
        Ok(Bot { number, socket, client, course: Course::begin(since), unsent, since, told: Time::START })
    }

    /// The socket, to be registered.
    pub(super) fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Whether it is in the world.
    pub(super) fn is_playing(&self) -> bool {
        matches!(self.course.stage, Stage::Playing(_))
    }

    /// Whether it is on its way in.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self.course.stage, Stage::Connecting | Stage::Joining | Stage::LetIn)
    }

    /// When it set out.
    pub(super) fn since(&self) -> Time {
        self.since
    }

    /// A poll that was asked at `asked` tells of something to read; when the one was asked that did so before.
    pub(super) fn told(&mut self, asked: Time) -> Time {
        std::mem::replace(&mut self.told, asked)
    }

    /// When the ping was sent whose answer has not come.
    pub(super) fn waits_since(&self) -> Option<Time> {
        self.course.pinged.map(|(_, at)| at)
    }

    /// Why it is not in the world after all this time.
    pub(super) fn hindrance(&self) -> &'static str {
        self.course.hindrance()
    }

    /// The socket takes bytes, for the first time once it is connected.
    pub(super) fn writable(&mut self, shared: &mut Shared) -> Result<(), Gone> {
        if let Stage::Connecting = self.course.stage {
            if let Some(error) = self.socket.take_error()? {
                return Err(error.into());
            }
            self.course.stage = Stage::Joining;
        }
        if self.unsent.is_empty() {
            return Ok(());
        }
        let taken = write(&mut self.socket, &self.unsent)?;
        shared.tally.traffic.bytes_out += taken as u64;
        self.unsent.drain(..taken);
        if self.unsent.is_empty() {
            // A bot at rest owns no buffer.
            self.unsent = Vec::new();
        }
        Ok(())
    }

    /// Something came, or the stream has ended (`to_the_end`).
    pub(super) fn readable(
        &mut self,
        to_the_end: bool,
        buffer: &mut [u8],
        shared: &mut Shared,
    ) -> Result<(), Gone> {
        loop {
            let len = match self.socket.read(buffer) {
                Ok(0) => {
                    let why = self.client.end_of_stream();
                    return Err(Gone(why.map_or_else(|| "end".to_owned(), |error| reason_of(&error))));
                }
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            shared.tally.traffic.bytes_in += len as u64;
            self.received(&mut buffer[..len], shared)?;
            // Edge-triggered polling reports what comes later; a short read has taken what was there.
            if len < buffer.len() && !to_the_end {
                return Ok(());
            }
        }
    }

    fn received(&mut self, mut input: &mut [u8], shared: &mut Shared) -> Result<(), Gone> {
        let mut opened = false;
        let mut ended = None;
        while let Some(event) = self.client.next(&mut input, &mut shared.secrets, &mut shared.out) {
            match event {
                Event::Open(_) => opened = true,
                Event::Batch(batch) => ended = ended.or(self.course.hear(&batch, shared).err()),
                Event::Ping | Event::Pong(_) => {}
                Event::Closed { code, .. } => {
                    ended =
                        ended.or_else(|| Some(code.map_or("close".to_owned(), |code| name_of(code.get()))));
                }
                Event::Failed(error) => {
                    shared.tally.out_of_order += u64::from(matches!(error, Error::OutOfOrder { .. }));
                    ended = ended.or_else(|| Some(reason_of(&error)));
                }
            }
        }
        if ended.is_some() {
            // Where it was not closed by the server: whoever goes without a word would be kept in the world a while.
            self.client.close(CloseCode::NORMAL, "", &mut shared.secrets, &mut shared.out);
        } else if opened {
            self.log_in(shared)?;
        }
        self.flush(shared)?;
        ended.map_or(Ok(()), |why| Err(Gone(why)))
    }

    fn log_in(&mut self, shared: &mut Shared) -> Result<(), Gone> {
        let guest = Some(format!("Bot {}", self.number + 1));
        let request = ClientControl::AuthRequest(AuthRequest { version: 1, guest, ..AuthRequest::default() });
        shared.tally.traffic.packets_out += 1;
        self.client.ask(ToServer::Control(&request), &mut shared.secrets, &mut shared.out)?;
        Ok(())
    }

    /// Takes a step, or stands where the server is silent.
    pub(super) fn walk(&mut self, shared: &mut Shared) -> Result<(), Gone> {
        let Stage::Playing(walker) = &mut self.course.stage else { return Ok(()) };
        let (position, velocity) = match shared.now.since(self.course.heard) < SILENCE {
            true => walker.step(shared.now, &mut shared.random),
            false => walker.stand(shared.now),
        };
        self.say(&In::PositionUpdate { position, velocity }, shared)
    }

    /// Says something to whoever is near.
    pub(super) fn chat(&mut self, shared: &mut Shared) -> Result<(), Gone> {
        if !self.is_playing() {
            return Ok(());
        }
        let message = format!("bot {} walks on, {} s after it came", self.number + 1, {
            shared.now.since(self.since).as_secs()
        });
        self.say(&In::Chat { channel: Channel::Local, message }, shared)
    }

    fn say(&mut self, packet: &In, shared: &mut Shared) -> Result<(), Gone> {
        shared.tally.traffic.packets_out += 1;
        self.client.send(ToServer::Game(packet), &mut shared.secrets, &mut shared.out)?;
        self.flush(shared)
    }

    /// Measures how long an answer takes; where one is awaited, this ping is reckoned when it comes: see `pings`.
    pub(super) fn ping(&mut self, shared: &mut Shared) -> Result<(), Gone> {
        if !self.is_playing() || self.course.pinged.is_some() {
            return Ok(());
        }
        shared.tally.traffic.packets_out += 1;
        let ping = ClientControl::Ping { time: Some(ClientTime::Whole(shared.now.as_micros())) };
        let id = self.client.ask(ToServer::Control(&ping), &mut shared.secrets, &mut shared.out)?;
        self.course.pinged = Some((id, shared.clock.now()));
        self.flush(shared)
    }

    /// Says goodbye; who has nobody to say it to ends at once.
    pub(super) fn leave(&mut self, shared: &mut Shared) -> Result<(), Gone> {
        self.course.stage = Stage::Leaving;
        if !self.client.is_open() {
            return Err(Gone("left".to_owned()));
        }
        self.client.close(CloseCode::NORMAL, "", &mut shared.secrets, &mut shared.out);
        self.flush(shared)
    }

    /// Hands what was put together to the socket; keeps what it does not take.
    fn flush(&mut self, shared: &mut Shared) -> Result<(), Gone> {
        let out = &mut shared.out;
        if out.is_empty() {
            return Ok(());
        }
        let taken = match self.unsent.is_empty() {
            true => write(&mut self.socket, out),
            false => Ok(0),
        };
        self.unsent.extend_from_slice(&out[*taken.as_ref().unwrap_or(&0)..]);
        out.clear();
        shared.tally.traffic.bytes_out += taken? as u64;
        Ok(())
    }
}

impl From<SendError> for Gone {
    /// Nothing is sent but while the WebSocket is open; should it be, the bot ends.
    fn from(error: SendError) -> Gone {
        Gone(error.to_string())
    }
}

/// What an error is counted under.
fn reason_of(error: &Error) -> String {
    match error {
        Error::Refused(refusal) => match refusal.code {
            Some(code) => code.name().to_owned(),
            None => format!("HTTP {}", refusal.status),
        },
        Error::OutOfOrder { .. } => "out of order".to_owned(),
        Error::Lost => "connection lost".to_owned(),
        other => other.to_string(),
    }
}

/// Writes as much as the socket takes.
fn write(socket: &mut TcpStream, bytes: &[u8]) -> std::io::Result<usize> {
    let mut taken = 0;
    while taken < bytes.len() {
        match socket.write(&bytes[taken..]) {
            Ok(len) => taken += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

/// Whether a connection that does not wait is on its way.
fn is_in_progress(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::EINPROGRESS) {
        return true;
    }
    error.kind() == ErrorKind::WouldBlock
}
