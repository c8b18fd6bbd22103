//! Every bound of the program by name. What a peer can make grow has its limit here, and what two limits must
//! have to do with each other is asserted at compile time.
//!
//! Limits that a host may set live in the settings of the floor they belong to; the constants here are what no
//! setting moves, and the ranges that settings are checked against.

use std::time::Duration;

/// Bytes of the one buffer that all sockets are read into.
pub const RECEIVE_BUFFER: usize = 256 << 10;
/// Bytes one peer may have read in one turn of the loop before the others are served.
pub const READ_BUDGET_PEER: usize = 256 << 10;
/// Bytes read from all peers in one turn of the loop.
pub const READ_BUDGET_TURN: usize = 4 << 20;
/// Bytes after which one peer's flush ends where more waits: it goes on when the others have had their turn.
pub const FLUSH_BYTES: usize = 256 << 10;
/// Writes in one slice of a tick's flush; after them the loop looks for what came in.
pub const FLUSH_SLICE: usize = 128;
/// Connections accepted in one burst.
pub const ACCEPT_BURST: usize = 64;
/// Connections, and players, that tables have room for from the start, where so many are allowed: memory that is not touched
/// costs nothing, and a table that grows leaves its old places behind as holes. Seven eighths of a power of two are what a
/// hash table of that size holds.
pub const RESERVED_PEERS: usize = 16_384 / 8 * 7;

/// Players that each of so many regions has room for from the start: nearly all that it will ever have, where many regions
/// share [`RESERVED_PEERS`]. Small memory that is asked for while crowds come stands between what they leave behind.
pub const fn room_of_region(regions: usize) -> usize {
    let share = 2 * RESERVED_PEERS / if regions == 0 { 1 } else { regions };
    if share < 32 { share } else { 32 }
}

/// Length of the kernel's queue of connections not yet accepted.
pub const ACCEPT_BACKLOG: i32 = 4096;
/// Connections refused at accept that may linger at once to read their answer; more are closed without one. So many of one
/// address may also linger that were let in to resume a player and refused; where there are more, no other is let in for that.
pub const REFUSALS_LINGERING: usize = 256;
/// Unsent bytes the kernel may hold for one game socket (`TCP_NOTSENT_LOWAT`).
pub const NOTSENT_LOWAT: u32 = 16 << 10;

/// Bytes a closing connection may still send before it is cut.
pub const LINGER_BYTES: usize = 64 << 10;
/// How long a closing connection may take to read what it was told.
pub const LINGER_TIME: Duration = Duration::from_secs(2);

/// Connections whose deadline has passed that one tick ends; the next goes on with the others.
pub const ENDINGS_PER_TICK: usize = 256;

/// Bytes of a request line and header block (RFC 9112 leaves the bound to the server).
pub const HTTP_HEAD: usize = 8 << 10;
/// Header fields of one request.
pub const HTTP_HEADERS: usize = 64;
/// Bytes of a request's target; longer is 414.
pub const HTTP_TARGET: usize = 4 << 10;
/// Bytes of a request body.
pub const HTTP_BODY: usize = 64 << 10;
/// How long a request head may take to arrive.
pub const HTTP_HEAD_TIME: Duration = Duration::from_secs(10);
/// Bytes of chunk extensions in one chunked body, all chunks together.
pub const HTTP_CHUNK_EXTENSIONS: usize = 1 << 10;
/// Bytes of the body of a request that a game answers; it waits for the tick.
pub const CALL_BODY: usize = 4 << 10;
/// How long a request body may take to arrive, counted from the end of its head.
pub const HTTP_BODY_TIME: Duration = Duration::from_secs(30);
/// How long the answer to a request may take to be found out; then it is 503.
pub const HTTP_ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long a kept-alive connection may stand between two requests.
pub const HTTP_IDLE_TIME: Duration = Duration::from_secs(60);

/// Bytes of one WebSocket message before the peer is authenticated.
pub const MESSAGE_BEFORE_AUTH: usize = 4 << 10;
/// The least and the most that `max_message` may be set to.
pub const MAX_MESSAGE: std::ops::RangeInclusive<usize> = 512..=(1 << 20);
/// Fragments without payload in one message: more is somebody who sends them on purpose. Those with payload are
/// bounded by the size of the message.
pub const MESSAGE_FRAGMENTS: u32 = 4096;
/// Deflate streams in one compressed message: a sender that ends one does so once, and each costs its beginning.
pub const DEFLATE_STREAMS: u32 = 16;
/// Bytes that each byte of a compressed message counts for in the rate of bytes, before it is inflated: what that costs
/// follows from what came as much as from what it becomes, for blocks may hold nothing but their own tables.
pub const INFLATE_COST: u32 = 4;
/// Bytes that stay with the loop to inflate messages into; what a larger one needs is given back.
pub const INFLATE_KEPT: usize = 128 << 10;
/// Bytes from which on a body is worth compressing: what a shorter one saves is what its blocks cost.
pub const FRAGMENT_LEAST: usize = 96;
/// Bytes of bodies and their compressed fragments that are kept until the next tick, for those who are sent them too.
pub const FRAGMENTS_KEPT: usize = 4 << 20;
/// Payload bytes of a control frame (RFC 6455 section 5.5).
pub const CONTROL_PAYLOAD: usize = 125;

/// Bytes of packets sealed into one batch; what does not fit goes into the next.
pub const BATCH_BYTES: usize = 64 << 10;
/// Packets sealed into one batch.
pub const BATCH_PACKETS: usize = 1024;
/// Bytes of control frames and HTTP answers waiting for one peer.
pub const CONTROL_BYTES: usize = 256 << 10;
/// The least and the most that `outbox_limit` may be set to, bytes.
pub const OUTBOX_LIMIT: std::ops::RangeInclusive<usize> = (128 << 10)..=(64 << 20);
/// How long a peer may stay over the soft limit (half of `outbox_limit`) before it is closed `slow_consumer`.
pub const SLOW_TIME: Duration = Duration::from_secs(10);
/// Sealed batches of one player that are kept until it has acknowledged them; over it the oldest are let go.
pub const REPLAY_BATCHES: usize = 256;
/// Bytes of such batches, shared bodies counted in full; while a player's connection is lost, those that wait for it too.
pub const REPLAY_BYTES: usize = 1 << 20;
/// Of `memory_limit`, which part is made free beyond the limit when what is kept for resumes is given up, so that it is seldom
/// looked for who has the most of it.
pub const TRIM_PART: usize = 16;
/// Packets that wait for a player whose connection is lost; over it they are let go, and it is told everything afresh.
pub const LINGERING_PACKETS: usize = 4096;
/// How often a peer is asked whether it has what it was sent, at the most.
pub const ACKNOWLEDGE_INTERVAL: Duration = Duration::from_secs(1);
/// Packets of one player that wait for a tick; over it the peer's socket is not read.
pub const INBOX_PLAYER: usize = 256;
/// Packets of all players that wait for one game's tick. Half of it is for whoever comes first, of the other half
/// everybody has the same share.
pub const INBOX_GAME: usize = 1 << 16;
/// Resume tokens of one player that resume beside the newest, as long as it is not known to have arrived.
pub const RESUME_TOKENS: usize = 4;
/// Messages that a client keeps to send them again after a resume, the newest ones: part of the contract.
pub const RESEND_MESSAGES: usize = 256;
/// For how long after a resume such messages come: then what comes is new.
pub const RESEND_TIME: Duration = Duration::from_secs(10);
/// How many of them it sends again at once; the others follow as many at a time, slower than `message_rate`.
pub const RESEND_AT_ONCE: usize = 20;
/// How long it waits between such turns.
pub const RESEND_PAUSE: Duration = Duration::from_millis(500);
/// Packets of all who stand in the line of arrivals of one game; shared in the same way.
pub const INBOX_LINE: usize = 1 << 14;
/// Of `memory_limit`, which part may be kept of what packets were in that all have read, for those to come.
pub const SPARE_PART: usize = 8;
/// Requests over HTTP that wait for one game's tick; a connection has one at a time.
pub const CALLS_GAME: usize = 1 << 12;
/// Bytes of what peers that are gone have sent for the coming tick; what is more is forgotten.
pub const PARTING_BYTES: usize = 256 << 10;
/// Newcomers that one tick hands to a game; the next one takes those who stand behind them.
pub const JOINS_PER_TICK: usize = 64;
/// Messages within the window that the duplicate filter remembers of a peer; over it the oldest is forgotten.
pub const DUPLICATES: usize = 128;
/// Values that may be open around one another inside a packet.
pub const PACKET_DEPTH: usize = 64;
/// Bytes of the text, and of the field's name, in what a peer is told about a packet that could not be read.
pub const UNREADABLE_TEXT: usize = 200;
/// Unreadable packets after which a peer is closed `malformed`.
pub const MALFORMED: u32 = 5;
/// Packets refused `rate_limited` in a row after which a peer is closed.
pub const RATE_STRIKES: u32 = 10;
/// Control frames a second and peer, and how many at once.
pub const CONTROL_RATE: u32 = 20;
/// Control frames that a peer may send at once.
pub const CONTROL_BURST: u32 = 40;
/// Accounts of which it is kept what they may still send after they have ended a connection, until all of it has come back; over
/// it half of them are forgotten, those first that have the most.
pub const ALLOWANCES: usize = 4096;
/// Bytes a second and peer, as a multiple of `max_message`.
pub const BYTE_RATE_MESSAGES: u32 = 16;

/// Addresses whose connect rate is remembered; over it the quiet are forgotten, then all who have nothing open.
pub const ADDRESSES: usize = 1 << 16;
/// Bans held at once.
pub const BANS: usize = 1 << 16;
/// Over which time failed logins are counted.
pub const LOGIN_WINDOW: Duration = Duration::from_secs(60);
/// Failed logins within that time for one name from one address; the next is refused.
pub const LOGIN_FAILURES_NAME_AND_ADDRESS: usize = 5;
/// The same for one name from anywhere.
pub const LOGIN_FAILURES_NAME: usize = 100;
/// The same for one address, whatever the name.
pub const LOGIN_FAILURES_ADDRESS: usize = 20;
/// Names, addresses and pairs of them whose failures are remembered, of each so many; those who failed least are forgotten first.
pub const LOGIN_KEYS: usize = 1 << 14;
/// Characters that are kept of a name that somebody tried to log in with: more than any account's has.
pub const LOGIN_NAME: usize = 32;
/// Passwords of one address that may be on their way through hashing.
pub const HASHES_PER_ADDRESS: u32 = 4;
/// Characters of a ban's reason.
pub const BAN_REASON: usize = 200;
/// Characters of a guest's name.
pub const GUEST_NAME: usize = 20;
/// Regions of all the grids of one game.
pub const REGIONS: usize = 1 << 22;
/// Errands to storage and hashing under way at once; who wants another is told `busy`.
pub const STORAGE_TICKETS: u32 = 256;
/// Passwords waiting for the hashing thread; more are told `busy`.
pub const HASH_QUEUE: usize = 64;
/// How often what may lag goes to disk.
pub const SAVE_INTERVAL: Duration = Duration::from_secs(5);
/// Records and renewals in one save; the next goes when that one is on disk.
pub const SAVE_ITEMS: usize = 1024;
/// How long a login session that has expired on disk stays there: its renewal may still be on the way.
pub const SWEEP_LAG: Duration = Duration::from_secs(300);
/// Login sessions of one account; a new one ends the one that would expire first and that nobody in the world holds.
pub const SESSIONS_PER_ACCOUNT: u32 = 16;
/// Log lines waiting for their writer; more are dropped and counted.
pub const LOG_QUEUE: usize = 4096;
/// Samples kept of the last minute's ticks: all of them at any rate that may be set.
pub const TICK_SAMPLES: usize = 60 * 128;

const _: () = assert!(READ_BUDGET_PEER <= READ_BUDGET_TURN);
const _: () = assert!(RECEIVE_BUFFER >= HTTP_HEAD, "a head that may be accepted fits one read");
const _: () = assert!(INBOX_PLAYER <= INBOX_LINE / 2 && INBOX_LINE <= INBOX_GAME);
const _: () = assert!(HTTP_TARGET < HTTP_HEAD, "414 can be told before 431");
const _: () = assert!(HTTP_HEAD <= u16::MAX as usize, "positions within a head are u16");
const _: () = assert!(BATCH_BYTES <= FLUSH_BYTES);
const _: () = assert!(MESSAGE_BEFORE_AUTH <= *MAX_MESSAGE.end());
const _: () = assert!(BATCH_BYTES * 2 <= *OUTBOX_LIMIT.start(), "the soft limit holds a whole batch");
const _: () = assert!(BATCH_BYTES * 2 <= REPLAY_BYTES, "a replay holds whole batches");
const _: () = assert!(*MAX_MESSAGE.end() <= 1 << 20);
const _: () = assert!(RESEND_MESSAGES < u16::MAX as usize, "a session counts them down");
const _: () = assert!(CONTROL_BURST >= CONTROL_RATE);
const _: () = assert!(INFLATE_COST <= BYTE_RATE_MESSAGES, "the largest compressed message passes at once");
const _: () = assert!(
    SWEEP_LAG.as_secs() >= 10 * SAVE_INTERVAL.as_secs(),
    "a renewal is on disk before its session is swept"
);
const _: () = assert!(HASH_QUEUE < STORAGE_TICKETS as usize, "hashing leaves tickets for storage");
const _: () =
    assert!(PACKET_DEPTH < 128, "serde_json reads 128 deep: ours is the bound that counts in both encodings");
