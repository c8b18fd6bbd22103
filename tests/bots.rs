//! `evertick bots` against a real server: what it prints, and with which code it ends.

#![allow(clippy::unwrap_used, reason = "in a test, what cannot be unwrapped has failed")]
#![cfg(all(feature = "connect4", feature = "eternity", feature = "storage"))]

#[path = "bots/hanging.rs"]
mod hanging;
#[path = "bots/scripted.rs"]
mod scripted;

use evertick::engine;
use evertick::games::connect4::{Connect4, Settings as BoardSettings};
use evertick::games::eternity::{Eternity, Settings as GameSettings, Spawn};
use evertick::registry;
use evertick::server::{Server, Settings, Stopper};
use scripted::Scripted;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
#[cfg(unix)]
use std::time::Duration;

/// A server on a free port, stopped when the test is over.
struct Running {
    address: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(max_players: usize) -> Running {
        Running::with(max_players, 0)
    }

    fn with(max_players: usize, max_per_address: u32) -> Running {
        let mut registry = registry::Settings::default();
        (registry.max_per_address, registry.connect_rate) = (max_per_address, 0);
        let engine = engine::Settings { max_players, registry, ..engine::Settings::default() };
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let settings = Settings { listen, engine, ..Settings::default() };
        let mut game = GameSettings::default();
        game.spawn = Spawn::Spread;
        let server = Server::new(settings).game("/ws", Eternity::new(game));
        let bound = server.game("/ws/connect4", Connect4::new(BoardSettings::default())).bind().unwrap();
        let (address, stopper) = (bound.local_addr(), bound.stopper());
        let thread = Some(std::thread::spawn(move || bound.run().unwrap()));
        Running { address, stopper, thread }
    }

    fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    fn status(&self) -> Value {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET /api/status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
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

/// Bots that are under way.
struct Underway {
    child: Child,
    errors: BufReader<std::process::ChildStderr>,
}

impl Underway {
    fn start(arguments: &[&str]) -> Underway {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evertick"));
        command.arg("bots").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        Underway { child, errors }
    }

    /// Waits until a line of progress says this.
    fn await_line(&mut self, part: &str) -> &mut Underway {
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            assert!(self.errors.read_line(&mut line).unwrap() > 0, "it has ended without \"{part}\"");
        }
        self
    }

    /// Waits for the end: code, standard output, and the rest of what it says.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (mut out, mut errors) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.errors.read_to_string(&mut errors).unwrap();
        (self.child.wait().unwrap().code(), out, errors)
    }

    #[cfg(unix)]
    fn signal(&mut self, name: &str) -> &mut Underway {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        self
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
    assert_eq!((&report["encoding"], &report["interrupted"]), (&encoding.into(), &false.into()));
    assert_eq!(report["out_of_order"], 0);
    assert!(
        report["refused"].as_object().unwrap().is_empty() && report["lost"].as_object().unwrap().is_empty()
    );
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("a number in {report}"));
    assert!((1.9..4.0).contains(&number(&report["seconds"])));
    // 50 bots, 10 steps and one ping a second each; a machine with other work is late now and then.
    assert!((300.0..600.0).contains(&number(&report["packets_out_per_s"])), "{report}");
    assert!(number(&report["packets_in_per_s"]) > 100.0, "{report}");
    assert!(report["batches_sampled"].is_null(), "of so few every batch is decoded");
    assert!(report["latency_at_least_us"].is_null(), "so few do not rest");
    assert!((800.0..2200.0).contains(&number(&report["steps"])), "{report}");
    assert!((0.3..2.5).contains(&number(&report["batches_per_tick"])), "{report}");
    assert!(number(&report["bytes_in_per_s"]) > number(&report["batches_per_s"]));
    let latency = |which: &str| number(&report["latency_us"][which]);
    assert!(latency("samples") >= 50.0 && latency("p50") > 0.0);
    assert!(latency("p50") <= latency("p99") && latency("p99") <= latency("p999"));
    let server = &report["server"];
    assert!((50.0..=100.0).contains(&number(&server["players"])), "{server}");
    assert!(number(&server["tick"]["p99_us"]) > 0.0 && server["memory"]["rss_bytes"].is_u64());
}

/// The page that says what each field means names all of them, and no other.
#[test]
fn the_page_has_every_field() {
    let server = Running::start(200);
    let output = bots(&["--url", &server.url(), "--count", "2", "--seconds", "1", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut fields: Vec<String> = Vec::new();
    for (name, value) in report.as_object().unwrap() {
        match value.as_object().filter(|_| name == "server") {
            Some(inner) => fields.extend(inner.keys().map(|inner| format!("{name}.{inner}"))),
            None => fields.push(name.clone()),
        }
    }
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/bots.md")).unwrap();
    let mut told: Vec<String> = page
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned()))
        .collect();
    told.retain(|name| !name.starts_with("--"));
    fields.sort();
    told.sort();
    assert_eq!(told, fields, "docs/bots.md");
}

#[test]
fn a_server_that_ends_in_mid_run_leaves_a_report() {
    let server = Running::start(200);
    let mut underway =
        Underway::start(&["--url", &server.url(), "--count", "50", "--seconds", "60", "--json"]);
    // The second line comes a second after the first: by then there is something measured.
    underway.await_line("50 of 50 in the world").await_line("50 of 50 in the world");
    drop(server);
    let (code, out, errors) = underway.end();
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(1), "{errors}");
    assert_eq!((&report["joined"], &report["interrupted"]), (&50.into(), &false.into()), "{report}");
    let lost: u64 = report["lost"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(lost, 50, "{report}");
    assert!(errors.lines().any(|line| line.starts_with("evertick: 50 of 50 bots lost (")), "{errors}");
    assert!(report["server"].is_null(), "{report}");
    assert!((0.3..30.0).contains(&report["seconds"].as_f64().unwrap()), "{report}");
    // Hardly above one however many have gone: those who were there in a tick count for it.
    assert!((0.3..1.5).contains(&report["batches_per_tick"].as_f64().unwrap()), "{report}");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_measuring_and_the_bots_leave() {
    let server = Running::start(200);
    for (signal, json) in [("INT", true), ("TERM", false)] {
        let arguments = ["--url", &server.url(), "--count", "20", "--seconds", "600"];
        let json = json.then_some("--json");
        let arguments: Vec<&str> = arguments.into_iter().chain(json).collect();
        let mut underway = Underway::start(&arguments);
        underway.await_line("20 of 20 in the world").await_line("20 of 20 in the world").signal(signal);
        let (code, out, errors) = underway.end();
        assert_eq!(code, Some(0), "{errors}");
        if json.is_some() {
            let report: Value = serde_json::from_str(&out).unwrap();
            assert_eq!((&report["joined"], &report["interrupted"]), (&20.into(), &true.into()), "{report}");
            assert!((0.3..60.0).contains(&report["seconds"].as_f64().unwrap()), "{report}");
            assert!(report["batches_per_s"].as_f64().unwrap() > 1.0 && report["latency_us"].is_object());
        } else {
            assert!(out.lines().any(|line| line.starts_with("measured ") && line.ends_with(", interrupted")));
        }
        // Nobody lingers: the next run finds the world as the first did.
        let status = server.status();
        assert_eq!((&status["players"], &status["lingering"]), (&0.into(), &0.into()), "{status}");
    }
}

/// Bots that nobody lets in, a server that accepts and is silent: a signal does not wait for them.
#[cfg(unix)]
#[test]
fn a_signal_ends_bots_that_are_on_their_way_in() {
    let silent = Silent::start();
    let mut underway = Underway::start(&["--url", &silent.url(), "--count", "3", "--json"]);
    underway.await_line("0 of 3 in the world").signal("TERM");
    let (code, out, errors) = underway.end();
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(1));
    assert_eq!((&report["joined"], &report["interrupted"]), (&0.into(), &true.into()), "{report}");
    assert!(report["packets_in_per_s"].is_null() && report["batches_per_tick"].is_null(), "{report}");
    assert!(errors.ends_with("evertick: 3 of 3 bots not in the world\n"), "{errors}");
}

#[cfg(unix)]
#[test]
fn a_second_signal_exits_at_once() {
    let silent = Silent::start();
    let mut underway = Underway::start(&["--url", &silent.url(), "--count", "3"]);
    // Either has a handler of its own, so that the system cannot make one of two.
    underway.await_line("0 of 3 in the world").signal("STOP").signal("INT").signal("TERM").signal("CONT");
    let (code, out, _) = underway.end();
    assert_eq!((code, out.as_str()), (Some(1), ""), "no report");
}

/// Takes connections and says nothing; but whoever asks for the status is sent away at once.
#[cfg(unix)]
struct Silent(SocketAddr);

#[cfg(unix)]
impl Silent {
    fn start() -> Silent {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Each on a thread of its own: whoever is stopped may have connected and said nothing yet.
                std::thread::spawn(move || {
                    let mut beginning = [0; 7];
                    while stream.peek(&mut beginning).is_ok_and(|len| len > 0) && &beginning == b"GET /ws" {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                });
            }
        });
        Silent(address)
    }

    fn url(&self) -> String {
        format!("ws://{}/ws", self.0)
    }
}

#[test]
fn whoever_stays_never_leaves_the_region_it_came_in_by() {
    let inside = |&(x, y): &(f64, f64)| (64.0..96.0).contains(&x) && (96.0..128.0).contains(&y);
    for stay in [true, false] {
        let server = Scripted::start(|n| n);
        let url = server.url();
        let arguments = ["--url", &url, "--count", "4", "--seconds", "2"];
        let arguments: Vec<&str> = arguments.into_iter().chain(stay.then_some("--stay")).collect();
        let output = bots(&arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let walks = server.walks();
        assert_eq!(walks.len(), 4);
        for walk in &walks {
            assert!(walk.len() > 5 && walk.iter().any(|at| *at != walk[0]), "it walks: {walk:?}");
            assert_eq!(walk.iter().all(inside), stay, "{walk:?}");
        }
    }
}

#[test]
fn batches_that_are_missing_or_come_twice_are_out_of_order() {
    // The fifth is missing; the fourth comes again.
    for seq in [|n| n + u64::from(n >= 5), |n| n - u64::from(n >= 5)] {
        let server = Scripted::start(seq);
        let output = bots(&["--url", &server.url(), "--count", "3", "--seconds", "10", "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &report["joined"]), (Some(1), &3.into()), "{report}");
        assert_eq!(report["out_of_order"], 3, "{report}");
        assert_eq!(report["lost"], serde_json::json!({ "out of order": 3 }));
        let errors = text(&output.stderr);
        assert!(
            errors.contains("bots lost (out of order: 3); 3 of 3 bots with batches out of order"),
            "{errors}"
        );
    }
}

#[test]
fn whoever_is_refused_is_counted_by_code_and_the_run_fails() {
    let server = Running::start(3);
    let output = bots(&["--url", &server.url(), "--count", "5", "--seconds", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let (table, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(table.lines().any(|line| line.starts_with("joined                 3 of 5 in ")), "{table}");
    assert!(table.lines().any(|line| line == "refused                2 (world_full: 2)"), "{table}");
    let [.., remedy, last] = &errors.lines().collect::<Vec<_>>()[..] else { panic!("{errors}") };
    assert_eq!(
        *remedy,
        "evertick: the server keeps to its limits: start it with --max-players 5, or run fewer bots"
    );
    assert_eq!(*last, "evertick: 2 of 5 bots not in the world (world_full: 2)");
}

#[test]
fn a_limit_of_the_address_is_named_with_its_flags() {
    let server = Running::with(100, 4);
    let output = bots(&["--url", &server.url(), "--count", "10", "--seconds", "1"]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("too_many_connections: "), "{errors}");
    assert!(errors.contains("start it with --connect-rate 0 --max-connections-per-ip 0, or"), "{errors}");
}

#[test]
fn another_game_is_told_at_once() {
    let server = Running::start(50);
    let output = bots(&["--url", &format!("{}/connect4", server.url()), "--count", "3", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = serde_json::json!({ "the game there is connect4, not eternity": 3 });
    assert_eq!((&report["refused"], &report["joined"]), (&told, &0.into()));
    assert!(
        report["opening_seconds"].as_f64().unwrap() < 8.0,
        "no bot waits for what does not come: {report}"
    );
}

#[test]
fn a_path_without_a_game_refuses_all() {
    let server = Running::start(3);
    let output = bots(&["--url", &format!("ws://{}/chess", server.address), "--count", "2", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["joined"], 0);
    assert_eq!(report["refused"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>(), 2);
    assert_eq!(report["refused"], serde_json::json!({ "not_found": 2 }));
    assert!(report["latency_us"].is_null());
}

#[test]
fn what_cannot_be_reached_is_one_line_and_code_2() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
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
    for (arguments, named) in [
        (["--count", "0"], "--count <N>"),
        (["--count", "-1"], "--count <N>"),
        (["--seconds", "-1"], "--seconds <S>"),
        (["--move-rate", "-1"], "--move-rate <HZ>"),
        (["--encoding", "xml"], "--encoding <"),
    ] {
        let output = bots(&arguments);
        let errors = text(&output.stderr);
        assert_eq!((output.status.code(), errors.lines().count()), (Some(2), 1), "{errors}");
        assert!(errors.contains(named), "{arguments:?}: {errors}");
    }
}
