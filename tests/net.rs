//! The loop over real loopback sockets, with small services that each show one duty of it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use evertick::ids::ConnId;
use evertick::limits::{
    FLUSH_SLICE, LINGER_BYTES, LINGER_TIME, READ_BUDGET_PEER, READ_BUDGET_TURN, RECEIVE_BUFFER,
};
use evertick::net::{Calls, Clock, Control, EventLoop, Next, Service, Settings, Waker};
use evertick::outgoing::Outgoing;
use evertick::time::Time;
use socket2::SockRef;
use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Far longer than anything here takes, so that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one test wants of a service; the defaults read on and do nothing.
trait Handler: Send + 'static {
    fn accept(&mut self, _peer: SocketAddr) -> bool {
        true
    }
    fn receive(&mut self, peers: &mut Peers, conn: ConnId, input: &mut [u8], out: &mut dyn Outgoing) -> Next;
    fn flush(&mut self, _: &mut Peers, _: ConnId, _: &mut dyn Outgoing) -> Next {
        Next::Read
    }
    fn end_of_stream(&mut self, _: &mut Peers, _: ConnId, _: &mut dyn Outgoing) -> Next {
        Next::Finish
    }
    fn closed(&mut self, _: ConnId) {}
    fn due(&mut self, _: &mut Peers, _now: Time) {}
    fn flushed(&mut self, _now: Time) {}
    fn turn(&mut self, _: &mut Peers) {}
    fn wants_accepts(&self) -> bool {
        true
    }
}

/// The connections of a service under test.
#[derive(Default)]
struct Peers {
    open: Vec<ConnId>,
    free: Vec<ConnId>,
    accepted: usize,
    attention: VecDeque<ConnId>,
    deadline: Option<Time>,
    now: Time,
}

impl Peers {
    fn allot(&mut self) -> ConnId {
        let conn = match self.free.pop() {
            Some(old) => ConnId { generation: old.generation + 1, ..old },
            None => ConnId { slot: u32::try_from(self.open.len()).unwrap(), generation: 0 },
        };
        self.accepted += 1;
        self.open.push(conn);
        conn
    }

    fn call_everybody(&mut self) {
        self.attention.extend(&self.open);
    }
}

/// What a test and its running loop share.
#[derive(Default)]
struct Shared {
    control: AtomicU8,
    open: AtomicUsize,
    closed: AtomicUsize,
}

/// Holds the loop to its side of the contract while the handler does what the test is about.
struct Checked<H> {
    peers: Peers,
    handler: H,
    shared: Arc<Shared>,
    flushed_owed: bool,
}

impl<H: Handler> Checked<H> {
    fn called_for(&mut self, conn: ConnId, now: Time) {
        assert!(self.peers.open.contains(&conn), "a call for {conn}, which is not open");
        self.peers.now = now;
    }
}

impl<H: Handler> Service for Checked<H> {
    fn accept(&mut self, peer: SocketAddr, _: Time) -> Option<ConnId> {
        assert!(self.handler.wants_accepts());
        self.handler.accept(peer).then(|| {
            self.shared.open.fetch_add(1, Ordering::SeqCst);
            self.peers.allot()
        })
    }
    fn receive(&mut self, conn: ConnId, input: &mut [u8], out: &mut impl Outgoing, now: Time) -> Next {
        assert!((1..=RECEIVE_BUFFER).contains(&input.len()));
        self.called_for(conn, now);
        self.handler.receive(&mut self.peers, conn, input, out)
    }
    fn flush(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next {
        self.called_for(conn, now);
        self.handler.flush(&mut self.peers, conn, out)
    }
    fn end_of_stream(&mut self, conn: ConnId, out: &mut impl Outgoing, now: Time) -> Next {
        self.called_for(conn, now);
        self.handler.end_of_stream(&mut self.peers, conn, out)
    }
    fn closed(&mut self, conn: ConnId, now: Time) {
        self.called_for(conn, now);
        self.peers.open.retain(|&open| open != conn);
        self.peers.free.push(conn);
        self.handler.closed(conn);
        self.shared.open.fetch_sub(1, Ordering::SeqCst);
        self.shared.closed.fetch_add(1, Ordering::SeqCst);
    }
    fn attention(&mut self) -> Option<ConnId> {
        self.peers.attention.pop_front()
    }
    fn deadline(&self) -> Option<Time> {
        self.peers.deadline
    }
    fn due(&mut self, now: Time) {
        assert!(
            self.peers.deadline.take().is_some_and(|deadline| deadline <= now),
            "due before its deadline"
        );
        assert!(!std::mem::replace(&mut self.flushed_owed, true), "due again before flushed");
        self.handler.due(&mut self.peers, now);
    }
    fn flushed(&mut self, now: Time) {
        assert!(std::mem::take(&mut self.flushed_owed), "flushed without due");
        self.handler.flushed(now);
    }
    fn turn(&mut self, now: Time) -> Control {
        self.peers.now = now;
        self.handler.turn(&mut self.peers);
        match self.shared.control.load(Ordering::SeqCst) {
            0 => Control::Run,
            1 => Control::Drain,
            _ => Control::Stop,
        }
    }
    fn wants_accepts(&self) -> bool {
        self.handler.wants_accepts()
    }
}

/// A loop running on its own thread.
struct Running<H> {
    address: SocketAddr,
    waker: Waker,
    shared: Arc<Shared>,
    thread: JoinHandle<(H, Calls)>,
}

fn run<H: Handler>(handler: H) -> Running<H> {
    run_on("127.0.0.1:0", handler)
}

fn run_on<H: Handler>(address: &str, handler: H) -> Running<H> {
    let mut event_loop =
        EventLoop::bind(address.parse().unwrap(), Settings::default(), Clock::start()).unwrap();
    let shared = Arc::new(Shared::default());
    let mut service =
        Checked { peers: Peers::default(), handler, shared: shared.clone(), flushed_owed: false };
    Running {
        address: event_loop.local_addr(),
        waker: event_loop.waker(),
        shared,
        thread: std::thread::spawn(move || {
            event_loop.run(&mut service).unwrap();
            (service.handler, event_loop.calls())
        }),
    }
}

impl<H: Handler> Running<H> {
    fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    fn drain(&self) {
        self.shared.control.store(1, Ordering::SeqCst);
        self.waker.wake().unwrap();
    }

    /// Stops the loop; the handler tells what it has seen.
    fn stop(self) -> H {
        self.stop_and_count().0
    }

    /// The same, and what the loop has asked of the system.
    fn stop_and_count(self) -> (H, Calls) {
        self.shared.control.store(2, Ordering::SeqCst);
        self.waker.wake().unwrap();
        self.thread.join().unwrap()
    }

    fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    fn closed(&self) -> usize {
        self.shared.closed.load(Ordering::SeqCst)
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let clock = Clock::start();
    while !condition() {
        assert!(clock.now() < Time::START + PATIENCE, "still waiting until {what}");
        pause(1);
    }
}

fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

fn read_exactly(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Bytes in which a lost, doubled or moved piece shows.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

/// Writes all of it and ends its half, on a thread of its own.
fn send_and_end(stream: &TcpStream, bytes: Vec<u8>) -> JoinHandle<()> {
    let mut half = stream.try_clone().unwrap();
    std::thread::spawn(move || {
        half.write_all(&bytes).unwrap();
        half.shutdown(Shutdown::Write).unwrap();
    })
}

/// What the sockets did not take.
#[derive(Default)]
struct Unsent(HashMap<u32, Vec<u8>>);

impl Unsent {
    /// True when nothing is left.
    fn send(&mut self, conn: ConnId, bytes: &[u8], out: &mut dyn Outgoing) -> bool {
        let rest = self.0.entry(conn.slot).or_default();
        let taken = if rest.is_empty() { out.write(bytes) } else { 0 };
        rest.extend_from_slice(&bytes[taken..]);
        rest.is_empty()
    }

    fn flush(&mut self, conn: ConnId, out: &mut dyn Outgoing) -> bool {
        let rest = self.0.entry(conn.slot).or_default();
        let taken = out.write(rest);
        rest.drain(..taken);
        rest.is_empty()
    }
}

/// Returns every byte; who does not read what comes back is not read either.
#[derive(Default)]
struct Echo {
    unsent: Unsent,
    most_unsent: usize,
}

impl Handler for Echo {
    fn receive(&mut self, _: &mut Peers, conn: ConnId, input: &mut [u8], out: &mut dyn Outgoing) -> Next {
        if self.unsent.send(conn, input, out) {
            return Next::Read;
        }
        self.most_unsent = self.most_unsent.max(self.unsent.0[&conn.slot].len());
        Next::Pause
    }
    fn flush(&mut self, _: &mut Peers, conn: ConnId, out: &mut dyn Outgoing) -> Next {
        if self.unsent.flush(conn, out) { Next::Read } else { Next::Pause }
    }
    fn closed(&mut self, conn: ConnId) {
        self.unsent.0.remove(&conn.slot);
    }
}

/// Answers the first bytes with a reason and finishes, whatever else comes.
struct Dismiss;

impl Handler for Dismiss {
    fn receive(&mut self, _: &mut Peers, _: ConnId, _: &mut [u8], out: &mut dyn Outgoing) -> Next {
        out.write(b"go away");
        Next::Finish
    }
}

#[test]
fn bytes_come_back_over_ipv4() {
    let server = run(Echo::default());
    let mut client = server.connect();
    for _ in 0..100 {
        client.write_all(b"ping").unwrap();
        assert_eq!(read_exactly(&mut client, 4), b"ping");
    }
    drop(client);
    wait_until("the connection is closed", || server.closed() == 1);
    server.stop();
}

#[test]
fn a_message_costs_one_poll_one_read_and_one_write() {
    const MESSAGES: u64 = 1000;
    let server = run(Echo::default());
    let mut client = server.connect();
    for _ in 0..MESSAGES {
        client.write_all(b"ping").unwrap();
        read_exactly(&mut client, 4);
    }
    let (_, calls) = server.stop_and_count();
    assert_eq!((calls.reads, calls.writes, calls.registrations), (MESSAGES, MESSAGES, 1));
    // Beside the messages: the accept and the look after it, and the waker at the end.
    assert!((MESSAGES..=MESSAGES + 4).contains(&calls.polls), "{calls:?}");
}

#[test]
fn a_message_for_everybody_costs_one_write_each_and_one_poll_a_slice() {
    const PEERS: u64 = 3 * FLUSH_SLICE as u64 / 2;
    const MESSAGES: u64 = 20;
    /// Each message goes to every peer, from the turn after it.
    #[derive(Default)]
    struct Fan(Vec<u8>);
    impl Handler for Fan {
        fn receive(&mut self, peers: &mut Peers, _: ConnId, input: &mut [u8], _: &mut dyn Outgoing) -> Next {
            self.0 = input.to_vec();
            peers.call_everybody();
            Next::Read
        }
        fn flush(&mut self, _: &mut Peers, _: ConnId, out: &mut dyn Outgoing) -> Next {
            out.write(&self.0);
            Next::Read
        }
    }
    let server = run(Fan::default());
    let mut clients: Vec<_> = (0..PEERS).map(|_| server.connect()).collect();
    wait_until("all are there", || server.open() == PEERS as usize);
    for _ in 0..MESSAGES {
        clients[0].write_all(b"everybody").unwrap();
        for client in &mut clients {
            assert_eq!(read_exactly(client, 9), b"everybody");
        }
    }
    let (_, calls) = server.stop_and_count();
    assert_eq!((calls.reads, calls.writes), (MESSAGES, MESSAGES * PEERS));
    assert_eq!(calls.registrations, PEERS);
    // Whoever is accepted alone costs one that finds it and one that finds nothing. A message costs one that brings it, one for
    // each slice, and one that finds nobody left.
    let (slices, accepting) = (PEERS.div_ceil(FLUSH_SLICE as u64), 2 * PEERS + 4);
    assert!(calls.polls <= MESSAGES * (2 + slices) + accepting, "{calls:?}");
}

#[test]
fn bytes_come_back_over_ipv6_and_an_unspecified_address_takes_both() {
    struct Names(Vec<SocketAddr>);
    impl Handler for Names {
        fn accept(&mut self, peer: SocketAddr) -> bool {
            self.0.push(peer);
            true
        }
        fn receive(&mut self, _: &mut Peers, _: ConnId, input: &mut [u8], out: &mut dyn Outgoing) -> Next {
            out.write(input);
            Next::Read
        }
    }
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("this system has no IPv6");
        return;
    }
    let server = run_on("[::]:0", Names(Vec::new()));
    let port = server.address.port();
    for address in [format!("[::1]:{port}"), format!("127.0.0.1:{port}")] {
        let mut client = connect(address.parse().unwrap());
        client.write_all(b"hello").unwrap();
        assert_eq!(read_exactly(&mut client, 5), b"hello");
    }
    let peers: Vec<_> = server.stop().0.iter().map(|peer| peer.ip().to_canonical().to_string()).collect();
    assert_eq!(peers, ["::1", "127.0.0.1"]);
}

#[test]
fn a_peer_that_does_not_read_is_held_back_and_gets_every_byte_later() {
    let server = run(Echo::default());
    let mut client = server.connect();
    let sent = pattern(24 << 20);
    let writer = send_and_end(&client, sent.clone());
    pause(200); // Both directions fill up.
    assert!(!writer.is_finished(), "24 MiB went nowhere");
    let back = read_exactly(&mut client, sent.len());
    assert!(back == sent, "what came back is not what went out");
    writer.join().unwrap();
    assert_eq!(read_to_end(&mut client), b"");
    let most = server.stop().most_unsent;
    assert!(most <= RECEIVE_BUFFER, "the service had to hold {most} bytes");
}

#[test]
fn a_paused_peer_is_not_read_until_the_service_wants_it() {
    /// Pauses after the first byte; its deadline lets it go on.
    #[derive(Default)]
    struct Pausing {
        paused: bool,
        received: Vec<u8>,
    }
    impl Handler for Pausing {
        fn receive(
            &mut self,
            peers: &mut Peers,
            _: ConnId,
            input: &mut [u8],
            out: &mut dyn Outgoing,
        ) -> Next {
            assert!(!self.paused, "read while paused");
            self.received.extend_from_slice(input);
            if self.received.len() > 1 {
                return Next::Read;
            }
            self.paused = true;
            peers.deadline = Some(peers.now + Duration::from_millis(150));
            out.write(b"!");
            Next::Pause
        }
        fn due(&mut self, peers: &mut Peers, _: Time) {
            self.paused = false;
            peers.call_everybody();
        }
        fn end_of_stream(&mut self, _: &mut Peers, _: ConnId, out: &mut dyn Outgoing) -> Next {
            assert!(!self.paused, "the end of the stream overtook the bytes before it");
            out.write(b"done");
            Next::Finish
        }
    }
    let server = run(Pausing::default());
    let mut client = server.connect();
    client.write_all(b"a").unwrap();
    assert_eq!(read_exactly(&mut client, 1), b"!");
    let more = pattern(1 << 20);
    let writer = send_and_end(&client, more.clone());
    assert_eq!(read_to_end(&mut client), b"done");
    writer.join().unwrap();
    assert!(server.stop().received[1..] == more);
}

#[test]
fn a_service_that_finishes_with_unsent_data_delivers_all_of_it() {
    const LEN: usize = 16 << 20;
    #[derive(Default)]
    struct Download(Unsent);
    impl Handler for Download {
        fn receive(&mut self, _: &mut Peers, conn: ConnId, _: &mut [u8], out: &mut dyn Outgoing) -> Next {
            if self.0.send(conn, &pattern(LEN), out) { Next::Finish } else { Next::Pause }
        }
        fn flush(&mut self, _: &mut Peers, conn: ConnId, out: &mut dyn Outgoing) -> Next {
            if self.0.flush(conn, out) { Next::Finish } else { Next::Pause }
        }
    }
    let server = run(Download::default());
    let mut client = server.connect();
    client.write_all(b"GET").unwrap();
    pause(50);
    client.write_all(b"something that the service never reads").unwrap();
    assert!(read_to_end(&mut client) == pattern(LEN));
    drop(client);
    wait_until("the connection is closed", || server.closed() == 1);
    server.stop();
}

#[test]
fn gathered_writes_arrive_whole_and_in_order() {
    /// Answers with more slices than a system takes at once, and more bytes than a socket does.
    #[derive(Default)]
    struct Gather(Unsent);
    impl Handler for Gather {
        fn receive(&mut self, _: &mut Peers, conn: ConnId, _: &mut [u8], out: &mut dyn Outgoing) -> Next {
            let answer = pattern(10 << 20);
            let (mut taken, mut from) = (0, 0);
            for slices_at_once in [1, 2, 700, 5000] {
                let (before, mut slices) = (from, Vec::new());
                for i in 0..slices_at_once {
                    let len = (i * 7) % 900;
                    slices.push(IoSlice::new(&answer[from..from + len]));
                    from += len;
                }
                if taken == before {
                    taken += out.write_vectored(&slices);
                }
            }
            if taken == from {
                taken += out.write_vectored(&[IoSlice::new(&[]), IoSlice::new(&answer[from..])]);
            }
            self.0.0.insert(conn.slot, answer[taken..].to_vec());
            Next::Pause
        }
        fn flush(&mut self, _: &mut Peers, conn: ConnId, out: &mut dyn Outgoing) -> Next {
            if self.0.flush(conn, out) { Next::Finish } else { Next::Pause }
        }
    }
    let server = run(Gather::default());
    let mut client = server.connect();
    client.write_all(b"GET").unwrap();
    assert!(read_to_end(&mut client) == pattern(10 << 20));
    server.stop();
}

#[test]
fn a_peer_that_is_still_sending_reads_the_reason() {
    let server = run(Dismiss);
    let mut client = server.connect();
    client.write_all(b"x").unwrap();
    pause(50);
    for _ in 0..4 {
        client.write_all(&[0; LINGER_BYTES / 8]).unwrap();
        pause(5);
    }
    assert_eq!(read_to_end(&mut client), b"go away");
    assert_eq!(server.open(), 1, "it lingers until the peer ends its half");
    drop(client);
    wait_until("the peer's end is seen", || server.closed() == 1);
    server.stop();
}

#[test]
fn a_lingering_peer_that_sends_too_much_is_cut() {
    let server = run(Dismiss);
    let mut client = server.connect();
    client.write_all(b"x").unwrap();
    let clock = Clock::start();
    let cut = loop {
        if let Err(e) = client.write_all(&[0; 16 << 10]) {
            break e;
        }
    };
    assert!(matches!(cut.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{cut}");
    assert!(clock.now() < Time::START + LINGER_TIME, "cut by its bytes, not by the time");
    wait_until("the service is told", || server.closed() == 1);
    server.stop();
}

#[test]
fn a_lingering_peer_that_stays_silent_is_closed_in_time() {
    let server = run(Dismiss);
    let clock = Clock::start();
    let mut client = server.connect();
    client.write_all(b"x").unwrap();
    assert_eq!(read_to_end(&mut client), b"go away");
    wait_until("its time is up", || server.closed() == 1);
    assert!(clock.now() >= Time::START + LINGER_TIME, "it was not given its time");
    assert!(clock.now() < Time::START + 2 * LINGER_TIME);
    server.stop();
}

#[test]
fn a_peer_that_ends_its_half_still_gets_its_answer() {
    /// Answers at the end of the stream, with as many bytes as it got.
    #[derive(Default)]
    struct Count(usize, Unsent);
    impl Handler for Count {
        fn receive(&mut self, _: &mut Peers, _: ConnId, input: &mut [u8], _: &mut dyn Outgoing) -> Next {
            self.0 += input.len();
            Next::Read
        }
        fn end_of_stream(&mut self, _: &mut Peers, conn: ConnId, out: &mut dyn Outgoing) -> Next {
            if self.1.send(conn, &pattern(self.0), out) { Next::Finish } else { Next::Pause }
        }
        fn flush(&mut self, _: &mut Peers, conn: ConnId, out: &mut dyn Outgoing) -> Next {
            if self.1.flush(conn, out) { Next::Finish } else { Next::Pause }
        }
    }
    let server = run(Count::default());
    let mut client = server.connect();
    let sent = pattern(5 << 20);
    send_and_end(&client, sent.clone()).join().unwrap();
    assert!(read_to_end(&mut client) == sent);
    wait_until("it is closed without lingering", || server.closed() == 1);
    server.stop();
}

#[test]
fn an_aborted_connection_is_gone_at_once() {
    struct Abort;
    impl Handler for Abort {
        fn receive(&mut self, _: &mut Peers, _: ConnId, _: &mut [u8], _: &mut dyn Outgoing) -> Next {
            Next::Abort
        }
    }
    let server = run(Abort);
    let mut client = server.connect();
    client.write_all(b"x").unwrap();
    assert_eq!(client.read(&mut [0; 8]).unwrap_or(0), 0);
    wait_until("it is closed", || server.closed() == 1);
    server.stop();
}

#[test]
fn resets_are_seen_whether_the_peer_is_read_or_paused_or_has_ended_its_half() {
    /// Does what the peer's first byte says.
    struct Obey;
    impl Handler for Obey {
        fn receive(&mut self, _: &mut Peers, _: ConnId, input: &mut [u8], out: &mut dyn Outgoing) -> Next {
            out.write(b"k");
            if input[0] == b'p' { Next::Pause } else { Next::Read }
        }
        fn end_of_stream(&mut self, _: &mut Peers, _: ConnId, out: &mut dyn Outgoing) -> Next {
            out.write(b"e");
            Next::Pause
        }
    }
    let server = run(Obey);
    for (done, first) in [b"r", b"p", b"e"].into_iter().enumerate() {
        let mut client = server.connect();
        client.write_all(first).unwrap();
        assert_eq!(read_exactly(&mut client, 1), b"k");
        if first == b"e" {
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_exactly(&mut client, 1), b"e");
        }
        assert_eq!(server.closed(), done);
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        wait_until("the reset is seen", || server.closed() == done + 1);
    }
    server.stop();
}

#[test]
fn a_refused_newcomer_is_dropped_and_the_next_is_served() {
    struct EverySecond(u32);
    impl Handler for EverySecond {
        fn accept(&mut self, _: SocketAddr) -> bool {
            self.0 += 1;
            self.0.is_multiple_of(2)
        }
        fn receive(&mut self, _: &mut Peers, _: ConnId, input: &mut [u8], out: &mut dyn Outgoing) -> Next {
            out.write(input);
            Next::Read
        }
    }
    let server = run(EverySecond(0));
    assert_eq!(read_to_end(&mut server.connect()), b"");
    let mut client = server.connect();
    client.write_all(b"in").unwrap();
    assert_eq!(read_exactly(&mut client, 2), b"in");
    server.stop();
}

#[test]
fn a_burst_of_newcomers_is_accepted_whole() {
    let server = run(Echo::default());
    let mut clients: Vec<_> = (0..600).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"here").unwrap();
    }
    for client in &mut clients {
        assert_eq!(read_exactly(client, 4), b"here");
    }
    assert_eq!(server.open(), clients.len());
    drop(clients);
    wait_until("all are closed", || server.open() == 0);
    // Their slots are used again, by others.
    let mut client = server.connect();
    client.write_all(b"anew").unwrap();
    assert_eq!(read_exactly(&mut client, 4), b"anew");
    server.stop();
}

#[test]
fn newcomers_wait_while_the_service_does_not_want_them() {
    struct Gate(Arc<AtomicBool>);
    impl Handler for Gate {
        fn receive(&mut self, _: &mut Peers, _: ConnId, input: &mut [u8], out: &mut dyn Outgoing) -> Next {
            out.write(input);
            Next::Read
        }
        fn wants_accepts(&self) -> bool {
            self.0.load(Ordering::SeqCst)
        }
    }
    let gate = Arc::new(AtomicBool::new(false));
    let server = run(Gate(gate.clone()));
    let mut client = server.connect();
    client.write_all(b"knock").unwrap();
    pause(50);
    assert_eq!(server.open(), 0);
    gate.store(true, Ordering::SeqCst);
    server.waker.wake().unwrap();
    assert_eq!(read_exactly(&mut client, 5), b"knock");
    server.stop();
}

#[test]
fn a_service_may_speak_first() {
    struct Greet {
        greeted: usize,
    }
    impl Handler for Greet {
        fn receive(&mut self, _: &mut Peers, _: ConnId, _: &mut [u8], _: &mut dyn Outgoing) -> Next {
            Next::Read
        }
        fn turn(&mut self, peers: &mut Peers) {
            if peers.accepted > self.greeted {
                self.greeted = peers.accepted;
                peers.call_everybody();
            }
        }
        fn flush(&mut self, _: &mut Peers, _: ConnId, out: &mut dyn Outgoing) -> Next {
            out.write(b"welcome");
            Next::Read
        }
    }
    let server = run(Greet { greeted: 0 });
    assert_eq!(read_exactly(&mut server.connect(), 7), b"welcome");
    server.stop();
}

#[test]
fn one_flooding_peer_starves_nobody() {
    /// Echoes pings, swallows floods, and takes note of what was read from whom between two turns.
    #[derive(Default)]
    struct Meter {
        this_turn: HashMap<u32, usize>,
        flooded: Arc<AtomicUsize>,
    }
    impl Handler for Meter {
        fn receive(&mut self, _: &mut Peers, conn: ConnId, input: &mut [u8], out: &mut dyn Outgoing) -> Next {
            let read = self.this_turn.entry(conn.slot).or_default();
            assert!(*read < READ_BUDGET_PEER, "slot {} was read beyond its budget", conn.slot);
            *read += input.len();
            let all: usize = self.this_turn.values().sum();
            assert!(all < READ_BUDGET_TURN + RECEIVE_BUFFER, "{all} bytes were read in one turn");
            if input == b"ping" {
                out.write(input);
            } else {
                self.flooded.fetch_add(input.len(), Ordering::SeqCst);
            }
            Next::Read
        }
        fn turn(&mut self, _: &mut Peers) {
            self.this_turn.clear();
        }
    }
    let meter = Meter::default();
    let flooded = meter.flooded.clone();
    let server = run(meter);
    let over = Arc::new(AtomicBool::new(false));
    let mut flood = server.connect();
    let flooder = {
        let over = over.clone();
        std::thread::spawn(move || {
            while !over.load(Ordering::SeqCst) {
                flood.write_all(&[1; 1 << 20]).unwrap();
            }
        })
    };
    wait_until("the flood is there", || flooded.load(Ordering::SeqCst) > 8 << 20);
    let mut client = server.connect();
    for _ in 0..50 {
        client.write_all(b"ping").unwrap();
        assert_eq!(read_exactly(&mut client, 4), b"ping");
    }
    over.store(true, Ordering::SeqCst);
    flooder.join().unwrap();
    server.stop();
}

#[test]
fn a_ping_that_arrives_during_a_flush_is_answered_after_one_slice() {
    const PEERS: usize = 8 * FLUSH_SLICE;
    /// When told, sends a byte to everybody. In the middle of that, one of them sends a ping.
    #[derive(Default)]
    struct Broadcast {
        start: Arc<AtomicBool>,
        pinger: Arc<Mutex<Option<TcpStream>>>,
        flushes: usize,
        flushes_before_ping: Option<usize>,
        flushes_when_flushed: Option<usize>,
    }
    impl Handler for Broadcast {
        fn turn(&mut self, peers: &mut Peers) {
            if self.start.swap(false, Ordering::SeqCst) {
                peers.deadline = Some(peers.now);
            }
        }
        fn due(&mut self, peers: &mut Peers, _: Time) {
            peers.call_everybody();
        }
        fn flush(&mut self, _: &mut Peers, _: ConnId, out: &mut dyn Outgoing) -> Next {
            self.flushes += 1;
            out.write(b"b");
            if self.flushes == 10 {
                self.pinger.lock().unwrap().as_mut().unwrap().write_all(b"p").unwrap();
            }
            Next::Read
        }
        fn receive(&mut self, _: &mut Peers, _: ConnId, _: &mut [u8], _: &mut dyn Outgoing) -> Next {
            self.flushes_before_ping = Some(self.flushes);
            Next::Read
        }
        fn flushed(&mut self, _: Time) {
            self.flushes_when_flushed = Some(self.flushes);
        }
    }
    let handler = Broadcast::default();
    let (start, pinger) = (handler.start.clone(), handler.pinger.clone());
    let server = run(handler);
    let mut clients: Vec<_> = (0..PEERS).map(|_| server.connect()).collect();
    wait_until("all are there", || server.open() == PEERS);
    *pinger.lock().unwrap() = clients.last().map(|last| last.try_clone().unwrap());
    start.store(true, Ordering::SeqCst);
    server.waker.wake().unwrap();
    for client in &mut clients {
        assert_eq!(read_exactly(client, 1), b"b");
    }
    let handler = server.stop();
    let before = handler.flushes_before_ping.unwrap();
    assert!(before <= FLUSH_SLICE, "{before} writes went before the ping");
    assert_eq!(handler.flushes, PEERS);
    assert_eq!(handler.flushes_when_flushed, Some(PEERS), "the flush is measured to its end");
}

#[test]
fn ticks_come_on_time_and_each_flush_is_reported() {
    const INTERVAL: Duration = Duration::from_millis(20);
    #[derive(Default)]
    struct Ticking {
        ticks: Vec<Time>,
        flushed: usize,
    }
    impl Handler for Ticking {
        fn receive(&mut self, peers: &mut Peers, _: ConnId, _: &mut [u8], _: &mut dyn Outgoing) -> Next {
            peers.deadline = Some(peers.now + INTERVAL);
            Next::Read
        }
        fn due(&mut self, peers: &mut Peers, now: Time) {
            self.ticks.push(now);
            if self.ticks.len() < 5 {
                peers.deadline = Some(now + INTERVAL);
            } else {
                peers.call_everybody();
            }
        }
        fn flush(&mut self, _: &mut Peers, _: ConnId, out: &mut dyn Outgoing) -> Next {
            out.write(b"five");
            Next::Read
        }
        fn flushed(&mut self, _: Time) {
            self.flushed += 1;
        }
    }
    let server = run(Ticking::default());
    let mut client = server.connect();
    client.write_all(b"go").unwrap();
    assert_eq!(read_exactly(&mut client, 4), b"five");
    let handler = server.stop();
    assert_eq!((handler.ticks.len(), handler.flushed), (5, 5));
    assert!(handler.ticks.windows(2).all(|two| two[1].since(two[0]) >= INTERVAL));
}

#[test]
fn a_tick_is_not_kept_waiting_by_a_flood() {
    /// Reads for as long as a flood lasts, with a tick due all the time.
    #[derive(Default)]
    struct Busy {
        ticks: Arc<AtomicUsize>,
    }
    impl Handler for Busy {
        fn receive(&mut self, peers: &mut Peers, _: ConnId, _: &mut [u8], _: &mut dyn Outgoing) -> Next {
            peers.deadline.get_or_insert(peers.now);
            Next::Read
        }
        fn due(&mut self, peers: &mut Peers, now: Time) {
            self.ticks.fetch_add(1, Ordering::SeqCst);
            peers.deadline = Some(now + Duration::from_millis(1));
        }
    }
    let handler = Busy::default();
    let ticks = handler.ticks.clone();
    let server = run(handler);
    let mut flood = server.connect();
    while ticks.load(Ordering::SeqCst) < 20 {
        flood.write_all(&[0; 1 << 20]).unwrap();
    }
    server.stop();
}

#[test]
fn draining_frees_the_address_and_serves_those_who_are_there() {
    let server = run(Echo::default());
    let mut client = server.connect();
    client.write_all(b"a").unwrap();
    assert_eq!(read_exactly(&mut client, 1), b"a");
    server.drain();
    wait_until("the listener is closed", || TcpStream::connect(server.address).is_err());
    let successor = EventLoop::bind(server.address, Settings::default(), Clock::start());
    assert!(successor.is_ok(), "{:?}", successor.err());
    client.write_all(b"b").unwrap();
    assert_eq!(read_exactly(&mut client, 1), b"b");
    server.stop();
}

#[cfg(unix)]
mod descriptors {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    /// Set for the test's own child: the server, in a process that may have few descriptors.
    const CHILD: &str = "EVERTICK_TEST_CHILD";

    fn serve_as_child() {
        let server = run(Echo::default());
        println!("listening on {}", server.address);
        server.thread.join().unwrap();
    }

    struct Killed(Child);

    impl Drop for Killed {
        fn drop(&mut self) {
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }

    fn child(descriptors: u32) -> (Killed, SocketAddr) {
        let mut child = Command::new("sh")
            .args(["-c", &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("descriptors::running_out_of_descriptors_turns_newcomers_away_and_serves_the_rest")
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let child = Killed(child);
        for line in lines {
            if let Some((_, address)) = line.unwrap().split_once("listening on ") {
                return (child, address.trim().parse().unwrap());
            }
        }
        panic!("the child has not said where it listens");
    }

    fn is_served(client: &mut TcpStream) -> bool {
        client.write_all(b"?").is_ok() && matches!(client.read(&mut [0; 1]), Ok(1))
    }

    #[test]
    fn running_out_of_descriptors_turns_newcomers_away_and_serves_the_rest() {
        if std::env::var_os(CHILD).is_some() {
            return serve_as_child();
        }
        let (_child, address) = child(40);
        let mut clients: Vec<_> = (0..100).map(|_| connect(address)).collect();
        let served: Vec<bool> = clients.iter_mut().map(is_served).collect();
        let count = served.iter().filter(|&&served| served).count();
        assert!((10..40).contains(&count), "{count} of 100 are served");
        assert!(served[..count].iter().all(|&served| served), "first come, first served");
        // Those who are in stay in, and a place that becomes free can be had.
        assert!(clients[..count].iter_mut().all(is_served));
        clients.truncate(count / 2);
        wait_until("a newcomer is served", || is_served(&mut connect(address)));
        assert!(clients.iter_mut().all(is_served));
    }
}
