//! The program in a process of its own, on a folder that outlives it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// What opens `/api/admin`.
pub(crate) const ADMIN: &str = "the-administrator";

/// A folder of the test's own, with its data and its log.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("crash-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// What the servers said so far.
    fn log(&self) -> String {
        std::fs::read_to_string(self.0.join("log")).unwrap_or_default()
    }
}

impl Drop for Folder {
    /// What a failed test leaves is worth looking at.
    fn drop(&mut self) {
        match std::thread::panicking() {
            true => eprintln!("the data is in {}; the log:\n{}", self.0.display(), self.log()),
            false => drop(std::fs::remove_dir_all(&self.0)),
        }
    }
}

/// A running server.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Served {
    /// Starts it and waits until it listens. Passwords cost little here and ticks come fast, so that much happens in a
    /// short life. Whoever asks may say that it comes from elsewhere.
    pub(crate) fn start(folder: &Folder) -> Served {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.0.join("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_evertick"))
            .args(["--listen", "127.0.0.1:0", "--tick-rate", "100", "--log-level", "warn"])
            .args(["--connect-rate", "0", "--max-connections-per-ip", "0"])
            .env("EVERTICK_HASH_MEMORY_KIB", "8")
            .env("EVERTICK_HASH_PASSES", "1")
            .env("EVERTICK_MESSAGE_RATE", "10000")
            .env("EVERTICK_ADMIN_TOKEN", ADMIN)
            .env("EVERTICK_TRUSTED_PROXIES", "127.0.0.1")
            .current_dir(&folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("evertick listening on http://");
        let address = address.unwrap_or_else(|| panic!("it does not start again:\n{}", folder.log()));
        Served { address: address.parse().unwrap(), child }
    }

    /// SIGKILL: nothing in it runs any more.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the code it ends with.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(asked.unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
