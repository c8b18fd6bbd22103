//! `evertick bots` against a real server: what it prints, and with which code it ends.

#![allow(clippy::unwrap_used, reason = "in a test, what cannot be unwrapped has failed")]
#![cfg(feature = "eternity")]

use evertick::engine;
use evertick::games::eternity::{Eternity, Settings as GameSettings, Spawn};
use evertick::registry;
use evertick::server::{Server, Settings, Stopper};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Output};
use std::thread::JoinHandle;

/// A server on a free port, stopped when the test is over.
struct Running {
    address: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(max_players: usize) -> Running {
        let mut registry = registry::Settings::default();
        (registry.max_per_address, registry.connect_rate) = (0, 0);
        let engine = engine::Settings { max_players, registry, ..engine::Settings::default() };
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let settings = Settings { listen, engine, ..Settings::default() };
        let mut game = GameSettings::default();
        game.spawn = Spawn::Spread;
        let bound = Server::new(settings).game("/ws", Eternity::new(game)).bind().unwrap();
        let (address, stopper) = (bound.local_addr(), bound.stopper());
        let thread = Some(std::thread::spawn(move || bound.run().unwrap()));
        Running { address, stopper, thread }
    }

    fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn bots(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_evertick")).arg("bots").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn fifty_walk_in_either_encoding() {
    let server = Running::start(200);
    let url = server.url();
    std::thread::scope(|scope| {
        for (encoding, stay) in [("json", None), ("postcard", Some("--stay"))] {
            let fixed = ["--url", &url, "--count", "50", "--seconds", "2", "--json", "--encoding", encoding];
            let arguments: Vec<String> = fixed.iter().copied().chain(stay).map(String::from).collect();
            scope.spawn(move || {
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let output = bots(&arguments);
                let errors = text(&output.stderr);
                assert!(output.status.success(), "{errors}");
                assert!(errors.lines().count() >= 2, "a line of progress a second: {errors}");
                check(&serde_json::from_slice(&output.stdout).unwrap(), encoding);
            });
        }
    });
}

/// What the JSON object of 50 bots in 2 seconds says.
fn check(report: &Value, encoding: &str) {
    assert_eq!((&report["count"], &report["joined"]), (&50.into(), &50.into()), "{report}");
    assert_eq!(report["encoding"], encoding);
    assert_eq!(report["out_of_order"], 0);
    assert!(
        report["refused"].as_object().unwrap().is_empty() && report["lost"].as_object().unwrap().is_empty()
    );
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("a number in {report}"));
    assert!((1.9..4.0).contains(&number(&report["seconds"])));
    // 50 bots, 10 steps and one ping a second each; a machine with other work is late now and then.
    assert!((300.0..600.0).contains(&number(&report["packets_out_per_s"])), "{report}");
    assert!(number(&report["packets_in_per_s"]) > 100.0, "{report}");
    assert!((0.3..2.5).contains(&number(&report["batches_per_tick"])), "{report}");
    assert!(number(&report["bytes_in_per_s"]) > number(&report["batches_per_s"]));
    let latency = |which: &str| number(&report["latency_us"][which]);
    assert!(latency("samples") >= 50.0 && latency("p50") > 0.0);
    assert!(latency("p50") <= latency("p99") && latency("p99") <= latency("p999"));
    let server = &report["server"];
    assert!((50.0..=100.0).contains(&number(&server["players"])), "{server}");
    assert!(number(&server["tick"]["p99_us"]) > 0.0 && server["memory"]["rss_bytes"].is_u64());
}

#[test]
fn whoever_is_refused_is_counted_by_code_and_the_run_fails() {
    let server = Running::start(3);
    let output = bots(&["--url", &server.url(), "--count", "5", "--seconds", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let (table, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(table.lines().any(|line| line.starts_with("joined                 3 of 5 in ")), "{table}");
    assert!(table.lines().any(|line| line == "refused                2 (world_full 2)"), "{table}");
    let last = errors.lines().last().unwrap();
    assert_eq!(last, "evertick: 2 of 5 bots not in the world (world_full 2)");
}

#[test]
fn a_path_without_a_game_refuses_all() {
    let server = Running::start(3);
    let output = bots(&["--url", &format!("ws://{}/chess", server.address), "--count", "2", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["joined"], 0);
    assert_eq!(report["refused"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>(), 2);
    assert!(report["latency_us"].is_null());
}

#[test]
fn what_cannot_be_reached_is_one_line_and_code_2() {
    let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let refused = format!("ws://{free}/ws");
    for (url, beginning) in [
        ("http://127.0.0.1:8080/", "evertick: --url http://127.0.0.1:8080/: bots go to ws://"),
        ("wss://127.0.0.1/ws", "evertick: --url wss://127.0.0.1/ws: bots go to ws://"),
        ("ws://", "evertick: --url ws://: the host is missing"),
        (&refused, &format!("evertick: cannot connect to {refused}: ")),
    ] {
        let output = bots(&["--url", url, "--count", "1", "--seconds", "1"]);
        let errors = text(&output.stderr);
        assert_eq!((output.status.code(), errors.lines().count()), (Some(2), 1), "{errors}");
        assert!(errors.starts_with(beginning), "{errors}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(bots(&["--count", "0"]).status.code(), Some(2));
    assert_eq!(bots(&["--encoding", "xml"]).status.code(), Some(2));
}
