//! The engine without an operating system: made-up sockets, a network that does its worst, a clock that is turned by
//! hand, a disk that is slow and fails, and clients that look closely at what they are sent.
//!
//! It stands on the same calls as the server does, so what it proves the server runs. Everything in a [`Sim`] follows
//! from one seed. It opens no socket and reads no clock; a run of half a minute takes a fraction of a second.
//!
//! A [`Scenario`] says which game is played, how its people behave, and what must hold after each tick; a [`Plan`] says
//! how many come, for how long, and what goes wrong. [`Sim::run`] does the rest: see `tests/simulation.rs`, which sweeps
//! seeds. [`Shell`] is the engine with its sockets alone, for tests, benchmarks and the fuzzer, and [`Reader`] the
//! client's side of the contract. Read `run` next.

mod caller;
mod checks;
mod client;
mod cuts;
mod deflation;
mod disk;
mod ending;
mod fresh;
mod hostile;
mod link;
mod reader;
mod report;
mod run;
mod scenario;
mod shell;
mod turn;
mod visitor;

pub use deflation::Deflated;
pub use reader::{Heard, PATH, Reader, opening};
pub use report::{Failure, Report};
pub use run::Sim;
pub use scenario::{
    Caller, Carriage, Conduct, Cutting, DiskFaults, Fate, Faults, Plan, Scenario, Script, Settled, Told, Who,
    World,
};
pub use shell::{Line, Shell};
