//! The log: lines go into a bounded queue, a thread of its own writes them.
//!
//! Whoever logs never waits: a full queue drops the line and counts it, and the writer says how many were lost as soon
//! as it comes through again. Lines go to standard error and, where one is named, to a file whose folder is made.

use crate::limits;
use log::LevelFilter;
use simplelog::{ConfigBuilder, WriteLogger};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Ends the log when dropped: what is queued is written first.
#[derive(Debug)]
pub struct Guard {
    lines: SyncSender<Line>,
}

/// What the writer is handed.
#[derive(Debug)]
enum Line {
    Text(Vec<u8>),
    /// Everything before it has been written when this is answered.
    Flush(SyncSender<()>),
}

/// Starts the log of the process; a second call fails.
///
/// # Errors
/// The file or its folder cannot be made, or there is a log already.
pub fn start(level: LevelFilter, file: Option<&Path>) -> io::Result<Guard> {
    let file = file.map(open).transpose()?;
    let (lines, queue) = sync_channel(limits::LOG_QUEUE);
    let dropped = Arc::new(AtomicU64::new(0));
    let count = dropped.clone();
    std::thread::Builder::new()
        .name("log".to_owned())
        .stack_size(128 << 10)
        .spawn(move || write_lines(&queue, &count, &mut io::stderr(), file))?;
    let format = ConfigBuilder::new()
        .set_time_format_rfc3339()
        .set_thread_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .build();
    let queue = Queue { lines: lines.clone(), dropped, partial: Vec::new() };
    WriteLogger::init(level, format, queue).map_err(io::Error::other)?;
    Ok(Guard { lines })
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (done, wait) = sync_channel(1);
        if self.lines.send(Line::Flush(done)).is_ok() {
            // A standard error that takes nothing must not keep the process from ending.
            let _ = wait.recv_timeout(Duration::from_secs(1));
        }
    }
}

/// Collects what the logger writes into lines and queues them.
struct Queue {
    lines: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
    partial: Vec<u8>,
}

impl Write for Queue {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.partial.extend_from_slice(bytes);
        if bytes.ends_with(b"\n")
            && self.lines.try_send(Line::Text(std::mem::take(&mut self.partial))).is_err()
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The writer's life: a log that cannot be written is no reason to stop anything, so errors are passed over.
fn write_lines(queue: &Receiver<Line>, dropped: &AtomicU64, stderr: &mut impl Write, mut file: Option<File>) {
    while let Ok(line) = queue.recv() {
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(stderr, "({lost} log lines were dropped)");
        }
        match line {
            Line::Text(text) => {
                let _ = stderr.write_all(&text);
                let _ = file.as_mut().map(|file| file.write_all(&text));
            }
            Line::Flush(done) => {
                let _ = done.try_send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_and_a_full_queue_drops_and_counts() {
        let (lines, queue) = sync_channel(2);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut log = Queue { lines, dropped: dropped.clone(), partial: Vec::new() };
        for part in ["12:00 ", "[INFO] ", "a\n", "b\n", "c\n", "d\n"] {
            log.write_all(part.as_bytes()).expect("it never fails");
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
        drop(log);
        let mut written = Vec::new();
        write_lines(&queue, &dropped, &mut written, None);
        let text = String::from_utf8(written).expect("text");
        assert_eq!(text, "(2 log lines were dropped)\n12:00 [INFO] a\nb\n");
    }
}
