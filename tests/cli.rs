//! The program as a host runs it: what it prints, what ends it, and with which code.
#![cfg(all(unix, feature = "eternity", feature = "storage"))]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "cli/database.rs"]
mod database;
#[path = "cli/grace.rs"]
mod grace;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Far longer than anything here takes, so that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder of the test's own, in which the program runs so that it reads no configuration but the test's.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> &Folder {
        std::fs::write(self.0.join(name), text).unwrap();
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evertick"));
        command.args(args).current_dir(&self.0).stdin(Stdio::null());
        command
    }

    /// Runs it to its end, which must come by itself.
    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a start that must fail says: one line on standard error, and the code is 2.
    fn complaint(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.trim_end().lines().count(), 1, "one line: {said}");
        said
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server that runs in a process of its own.
struct Served {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    address: SocketAddr,
}

impl Served {
    fn start(mut command: Command) -> Served {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("evertick listening on http://");
        let address = address.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
        Served { child, stdout, address }
    }

    fn signal(&self, name: &str) {
        let killed = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(killed.unwrap().success());
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn get(&self, path: &str) -> String {
        let mut stream = self.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Waits for its end; the code, and what else it had printed.
    fn end(mut self) -> (ExitStatus, String, String) {
        let (mut out, mut log) = (String::new(), String::new());
        self.stdout.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap(), out, log)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    fn at(folder: &Folder, args: &[&str]) -> Served {
        let args: Vec<&str> = ["--listen", "127.0.0.1:0"].iter().chain(args).copied().collect();
        Served::start(folder.command(&args))
    }
}

#[test]
fn it_says_where_it_listens_serves_and_ends_well() {
    let folder = Folder::new();
    for signal in ["TERM", "INT"] {
        let served = Served::at(&folder, &[]);
        assert!(served.get("/healthz").starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(served.get("/").contains("<!doctype html>"), "the page is in the binary");
        assert!(served.get("/evertick.js").contains("export"));
        served.signal(signal);
        let (status, out, log) = served.end();
        assert_eq!(status.code(), Some(0), "{log}");
        assert_eq!(out, "", "logs go to standard error");
        assert!(log.contains("stopping"), "{log}");
    }
}

#[test]
fn serve_is_what_it_does_anyway() {
    let folder = Folder::new();
    let served = Served::start(folder.command(&["serve", "--listen", "127.0.0.1:0", "--tick-rate", "30"]));
    assert!(served.get("/api/status").contains("\"rate_hz\":30"));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = Folder::new();
    folder.write("evertick.toml", "shutdown_grace_ms = 3600000\n");
    let served = Served::at(&folder, &[]);
    // A request that never ends would hold the stop for its grace.
    let mut holding = served.connect();
    write!(holding, "GET / HTTP/1.1\r\nHost: a").unwrap();
    assert!(served.get("/healthz").contains("200 OK"));
    served.signal("TERM");
    // The listener is closed once the first has been seen.
    while TcpStream::connect(served.address).is_ok() {}
    served.signal("TERM");
    let (status, ..) = served.end();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn an_immediate_restart_has_the_port() {
    let folder = Folder::new();
    let first = Served::at(&folder, &[]);
    let address = first.address;
    assert!(first.get("/healthz").contains("200 OK"));
    first.signal("TERM");
    first.end();
    let second = Served::start(folder.command(&["--listen", &address.to_string()]));
    assert_eq!(second.address, address);
}

#[test]
fn a_port_that_is_taken() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = folder.complaint(&["--listen", &address]);
    assert!(said.contains(&address), "{said}");
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let folder = Folder::new();
    for (file, wanted) in [
        ("max_player = 3\n", "max_player"),
        ("tick_rate = 0\n", "tick_rate"),
        ("tick_rate = [\n", "evertick.toml"),
        ("world = \"nowhere.toml\"\n", "nowhere.toml"),
        ("timeout_ms = 10\n", "timeout_ms"),
        ("tick_rate = 10\ntick_rate = 20\n", "`tick_rate`"),
    ] {
        folder.write("evertick.toml", file);
        for args in [&[][..], &["--check-config"]] {
            let said = folder.complaint(args);
            assert!(said.starts_with("evertick: ") && said.contains(wanted), "{file:?}: {said}");
        }
    }
    folder.write("evertick.toml", "");
    assert!(folder.complaint(&["--config", "missing.toml"]).contains("missing.toml"));
    assert!(folder.complaint(&["--max-players", "many"]).contains("--max-players"));
    assert!(folder.complaint(&["--listen", "8080"]).contains("--listen"));
}

#[test]
fn arguments_that_are_wrong_are_named_in_one_line() {
    let folder = Folder::new();
    for (args, wanted) in [
        (&["--no-such-flag"][..], "'--no-such-flag'"),
        (&["--tick-rat", "3"], "tip: a similar argument exists: '--tick-rate'"),
        (&["no-such-command"], "'no-such-command'"),
        (&["--tick-rate"], "'--tick-rate <HZ>'"),
        (&["--tick-rate", "1", "--tick-rate", "2"], "'--tick-rate <HZ>'"),
        (&["bots", "--count", "many"], "'many' for '--count <N>'"),
        (&["bots", "--encoding", "xml"], "json, postcard"),
        (&["backup"], "<FILE>"),
        (&["check", "a", "b"], "'b'"),
    ] {
        let said = folder.complaint(args);
        assert!(said.starts_with("evertick: ") && said.contains(wanted), "{args:?}: {said}");
        assert!(!said.contains("error:") && !said.contains("Usage"), "{args:?}: {said}");
    }
    assert_eq!(folder.run(&["--version"]).status.code(), Some(0));
    assert_eq!(folder.run(&["--help"]).status.code(), Some(0));
}

#[test]
fn a_configuration_can_be_checked_without_a_start() {
    let folder = Folder::new();
    folder.write("mine.toml", "listen = \"127.0.0.1:1\"\nmax_players = 7\n");
    let output = folder.run(&["--config", "mine.toml", "--check-config"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn flags_are_over_the_environment_and_that_is_over_the_file() {
    let folder = Folder::new();
    folder.write("evertick.toml", "listen = \"127.0.0.1:0\"\ntick_rate = 10\n");
    let rate = |served: Served| {
        let status = served.get("/api/status");
        let (_, behind) = status.split_once("\"rate_hz\":").unwrap();
        behind.split(',').next().unwrap().to_owned()
    };
    assert_eq!(rate(Served::start(folder.command(&[]))), "10");
    let mut command = folder.command(&[]);
    command.env("EVERTICK_TICK_RATE", "15");
    assert_eq!(rate(Served::start(command)), "15");
    let mut command = folder.command(&["--tick-rate", "25"]);
    command.env("EVERTICK_TICK_RATE", "15");
    assert_eq!(rate(Served::start(command)), "25");
    let output = folder.command(&[]).env("EVERTICK_TICK_RAT", "15").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("EVERTICK_TICK_RAT"));
}

#[test]
fn the_log_goes_to_a_file_too_whose_folder_is_made() {
    let folder = Folder::new();
    folder.write("evertick.toml", "log_file = \"logs/of/today.log\"\n");
    let served = Served::at(&folder, &[]);
    served.signal("TERM");
    let (status, _, log) = served.end();
    assert_eq!(status.code(), Some(0));
    let written = std::fs::read_to_string(folder.0.join("logs/of/today.log")).unwrap();
    for text in [log, written] {
        assert!(text.contains("listens on") && text.contains("stopping"), "{text}");
    }
}
