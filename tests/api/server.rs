//! A server on a free port with a small game, on a thread of its own, stopped when the test is over.

use evertick::engine::{Context, Event, Game, Input, Refusal, Roster, To};
use evertick::http::Page;
use evertick::ids::{AccountId, PlayerId};
use evertick::packet::{Character, Code};
use evertick::server::{Server, Settings, Stopper};
use evertick::time::TickRate;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::thread::JoinHandle;

/// What clients of the [`Yard`] say.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// To be heard by all, the sender too.
    Say { text: String },
    /// To be answered by a packet of the game's.
    Ask { number: u32 },
    /// To be refused for this reason, as a rule of a game would.
    Refuse { code: Code },
    /// To be sent so many packets of so many bytes in one tick.
    Burst { packets: u32, bytes: u32 },
    /// To be thrown out.
    Out,
    /// One of a stream: repetitions mean something.
    Step { x: i32 },
    /// To play as another of the account's characters.
    Become { character: u32 },
}

/// What it says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Heard {
    Arrived { player: PlayerId, name: String },
    Gone { player: PlayerId },
    Said { from: PlayerId, text: String },
    Answered { number: u32 },
    Filler { text: String },
    Stepped { x: i32 },
}

/// A game without places in which everybody hears everybody; there are two of it, for a server may have several.
pub(crate) struct Yard<const SECOND: bool = false>;

impl<const SECOND: bool> Game for Yard<SECOND> {
    type In = Said;
    type Out = Heard;
    const NAME: &'static str = if SECOND { "garden" } else { "yard" };

    /// In the first everybody plays as the account itself; in the second an account has two characters and chooses one when
    /// it is there.
    fn roster(&self, account: AccountId, name: &str) -> Roster {
        if !SECOND {
            return Roster { characters: Vec::new(), enters: Some((PlayerId(account.0), name.to_owned())) };
        }
        let character = |id| Character {
            id,
            name: format!("Gnome {id}"),
            faction: "verdant".to_owned(),
            class: "mage".to_owned(),
            level: 1,
            location_id: 1,
            selected: false,
        };
        let characters = [0, 1].map(|n| character(account.0 * 10 + n)).into();
        Roster { characters, enters: None }
    }

    fn has_name(&self, name: &str) -> bool {
        SECOND && name == "Gnome A"
    }

    fn is_stream(packet: &Said) -> bool {
        matches!(packet, Said::Step { .. })
    }

    fn handle(&mut self, ctx: &mut Context<'_, Self>, input: Input<Said>) -> Result<(), Refusal> {
        match input {
            Input::Joined { player, name, .. } => ctx.send(To::Everyone, &Heard::Arrived { player, name }),
            Input::Left { player, .. } => ctx.send(To::Everyone, &Heard::Gone { player }),
            Input::Packet { player, packet } => return said(ctx, player, packet),
            _ => {}
        }
        Ok(())
    }

    fn tick(&mut self, _: &mut Context<'_, Self>) {}
}

fn said<const SECOND: bool>(
    ctx: &mut Context<'_, Yard<SECOND>>,
    player: PlayerId,
    packet: Said,
) -> Result<(), Refusal> {
    match packet {
        Said::Say { text } => ctx.send(To::Everyone, &Heard::Said { from: player, text }),
        Said::Ask { number } => ctx.reply(&Heard::Answered { number }),
        Said::Refuse { code } => return Err(Refusal::new(code, "by the rules of the yard").retry_after(250)),
        Said::Burst { packets, bytes } => {
            let filler = Heard::Filler { text: "x".repeat(bytes as usize) };
            (0..packets).for_each(|_| ctx.send(To::Player(player), &filler));
        }
        Said::Out => ctx.kick(player, Code::Kicked, "out of the yard"),
        Said::Become { character } => {
            ctx.become_player(player, PlayerId(character), &format!("Gnome {character}"));
        }
        Said::Step { x } => ctx.send(To::Player(player), &Heard::Stepped { x }),
    }
    Ok(())
}

/// What the page at `/` says.
pub(crate) const PAGE: &str = "<!doctype html><title>Yard</title>";

/// The contract's defaults on a free port, with ticks that no test has to wait for and no bound on what one address
/// may open: all tests come from the same. Whoever is lost is gone at once; what comes of it where players are held is in
/// `resume` and `resumed`.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.listen.set_port(0);
    settings.engine.tick_rate = TickRate::new(100).unwrap();
    settings.engine.registry.connect_rate = 0;
    settings.engine.registry.max_per_address = 0;
    settings.engine.session.resume_grace = std::time::Duration::ZERO;
    settings
}

/// A server that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) stopper: Stopper,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

/// Starts a server with the [`Yard`] at `/ws` and a second one at `/ws/other`.
pub(crate) fn start(change: impl FnOnce(&mut Settings)) -> Running {
    start_observed(change, |_| {})
}

/// The same, watched.
pub(crate) fn start_observed(
    change: impl FnOnce(&mut Settings),
    observer: impl FnMut(&Event) + Send + 'static,
) -> Running {
    let mut settings = settings();
    change(&mut settings);
    let server = Server::new(settings)
        .game("/ws", Yard::<false>)
        .game("/ws/other", Yard::<true>)
        .page(Page::new("/", "text/html; charset=utf-8", PAGE.as_bytes()))
        .observe(Box::new(observer));
    run(server)
}

/// Runs a server that was put together on a thread of its own.
pub(crate) fn run(server: Server) -> Running {
    let bound = server.bind().unwrap();
    let (addr, stopper) = (bound.local_addr(), bound.stopper());
    Running { addr, stopper, thread: Some(std::thread::spawn(move || bound.run())) }
}

impl Running {
    /// Stops it and waits for its end.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            // A second panic while one unwinds would hide the first.
            if !std::thread::panicking() {
                outcome.unwrap().unwrap();
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
