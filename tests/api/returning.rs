//! Crowds behind one address that are lost together, and come back past the limits that they themselves fill.

use crate::client::upgrade;
use crate::driven::Driven;
use crate::resume::{Client, resume};
use evertick::engine::Settings;
use evertick::ids::ConnId;
use evertick::limits::{LINGER_TIME, REFUSALS_LINGERING};
use std::time::Duration;

const HERE: &str = "192.0.2.1";
const TICK: Duration = Duration::from_millis(10);
const GRACE: Duration = Duration::from_secs(30);

/// So many from one address, as many as may be.
fn crowd(size: u32, change: impl FnOnce(&mut Settings)) -> (Driven, Vec<Client>) {
    let mut driven = Driven::new(|s| {
        s.session.resume_grace = GRACE;
        s.registry.max_per_address = size;
        change(s);
    });
    let join = |n| {
        driven.pass(Duration::from_millis(100));
        Client::join(&mut driven, HERE, &format!("Player {n}"))
    };
    let clients = (0..size).map(join).collect();
    driven.pass(2 * TICK);
    (driven, clients)
}

fn lose(driven: &mut Driven, clients: &[Client]) {
    clients.iter().for_each(|client| driven.engine.disconnect(client.conn, driven.now));
    driven.pass(2 * TICK);
}

/// A connection that is let in at accept; `Err`: it is refused, so.
fn connect(driven: &mut Driven, ip: &str) -> Result<ConnId, (u16, String)> {
    let conn = driven.accept(ip).unwrap();
    match driven.refusal(conn) {
        (0, _) => Ok(conn),
        refusal => Err(refusal),
    }
}

/// One try to come back, as a client makes it. Whether it is in.
fn comes_back(driven: &mut Driven, client: &mut Client, ip: &str) -> bool {
    let Ok(conn) = connect(driven, ip) else { return false };
    driven.send(conn, upgrade("/ws", "").as_bytes());
    assert_eq!(driven.status(conn), 101);
    driven.say(conn, &resume(&client.token, client.seq));
    client.conn = conn;
    client.enter(driven)["resumed"] == true
}

fn too_many() -> (u16, String) {
    (429, "too_many_connections".to_owned())
}

#[test]
fn a_crowd_behind_one_address_that_is_lost_together_comes_back() {
    let (mut driven, mut clients) = crowd(3, |_| {});
    lose(&mut driven, &clients);
    for client in &mut clients {
        assert!(comes_back(&mut driven, client, HERE), "its own place is not in its way");
    }
    assert_eq!(connect(&mut driven, HERE), Err(too_many()), "the address has all that it may have");
    assert_eq!((driven.engine.lingering(), driven.engine.connections()), (0, 3));
    driven.engine.audit().unwrap();
}

#[test]
fn who_is_let_in_to_resume_may_do_nothing_else() {
    let (mut driven, clients) = crowd(1, |_| {});
    lose(&mut driven, &clients);
    let ask = |driven: &mut Driven, request: &str| {
        let conn = connect(driven, HERE).unwrap();
        driven.send(conn, request.as_bytes());
        let refusal = driven.refusal(conn);
        driven.pass(2 * TICK);
        refusal
    };
    assert_eq!(ask(&mut driven, "GET /healthz HTTP/1.1\r\nHost: yard\r\n\r\n"), too_many());
    let bad = upgrade("/ws", "Sec-WebSocket-Protocol: soap\r\n");
    assert_eq!(ask(&mut driven, &bad).0, 400, "and the connection is closed");
    for says in [
        r#"{"type":"auth_request","data":{"version":1,"guest":"Eve"}}"#,
        r#"{"type":"auth_request","data":{"version":1,"token":"x"}}"#,
        r#"{"type":"auth_request","data":{"version":1,"username":"eve","password":"correct horse"}}"#,
    ] {
        let conn = driven.upgraded(HERE);
        driven.say(conn, says);
        assert_eq!(driven.frames(conn).reason(), (4010, "too_many_connections"), "{says}");
        driven.pass(2 * TICK);
    }
    assert_eq!((driven.engine.lingering(), driven.engine.connections()), (1, 0));
}

#[test]
fn no_more_are_let_in_than_are_lost_and_they_have_no_more_time_than_others() {
    let (mut driven, mut clients) = crowd(2, |_| {});
    lose(&mut driven, &clients);
    let silent = [connect(&mut driven, HERE).unwrap(), driven.upgraded(HERE)];
    for _ in 0..5 {
        assert_eq!(connect(&mut driven, HERE), Err(too_many()));
    }
    driven.pass(Duration::from_millis(10_500));
    assert_eq!(driven.refusal(silent[0]).0, 408);
    assert_eq!(driven.frames(silent[1]).reason(), (4007, "auth_timeout"));
    for client in &mut clients {
        assert!(comes_back(&mut driven, client, HERE));
    }
    driven.engine.audit().unwrap();
}

/// One that came over the limit, was refused, and does not read why.
fn refused_and_deaf(driven: &mut Driven) {
    let conn = driven.upgraded(HERE);
    driven.set_room(conn, 0);
    driven.say(conn, r#"{"type":"auth_request","data":{"version":1,"guest":"Eve"}}"#);
}

#[test]
fn a_refused_newcomer_that_does_not_end_its_connection_is_not_in_the_way() {
    let (mut driven, mut clients) = crowd(2, |_| {});
    lose(&mut driven, &clients[..1]);
    refused_and_deaf(&mut driven);
    assert_eq!(driven.engine.connections(), 2, "it lingers beside who has not been lost");
    assert!(comes_back(&mut driven, &mut clients[0], HERE));
    driven.engine.audit().unwrap();
}

#[test]
fn refused_newcomers_of_one_address_do_not_pile_up() {
    let (mut driven, mut clients) = crowd(1, |_| {});
    lose(&mut driven, &clients);
    for _ in 0..REFUSALS_LINGERING {
        refused_and_deaf(&mut driven);
    }
    assert_eq!(driven.engine.connections(), REFUSALS_LINGERING);
    assert_eq!(connect(&mut driven, HERE), Err(too_many()));
    // Deadlines are seen to within a second or two.
    driven.pass(LINGER_TIME + Duration::from_secs(2));
    assert_eq!(driven.engine.connections(), 0, "they are cut");
    assert!(comes_back(&mut driven, &mut clients[0], HERE));
    driven.engine.audit().unwrap();
}

#[test]
fn a_place_that_has_become_free_is_anybody_s() {
    let (mut driven, clients) = crowd(1, |_| {});
    lose(&mut driven, &clients);
    driven.pass(GRACE - Duration::from_secs(1));
    let conn = driven.upgraded(HERE);
    driven.pass(Duration::from_secs(2));
    assert_eq!(driven.engine.lingering(), 0);
    driven.say(conn, r#"{"type":"auth_request","data":{"version":1,"guest":"Ann"}}"#);
    assert_eq!(driven.frames(conn).reason(), (0, ""));
    assert_eq!(driven.engine.players(), 1);
}

#[test]
fn players_of_other_addresses_are_not_resumed_over_the_limit_and_keep_their_tokens() {
    let (mut driven, clients) = crowd(1, |_| {});
    let mut elsewhere = Client::join(&mut driven, "192.0.2.2", "Bob");
    driven.pass(2 * TICK);
    elsewhere.read(&mut driven);
    lose(&mut driven, &clients);
    elsewhere.cut(&mut driven);
    let (token, seq) = (elsewhere.token.clone(), elsewhere.seq);
    elsewhere.knock(&mut driven, HERE, &token, seq);
    assert_eq!(driven.frames(elsewhere.conn).reason(), (4010, "too_many_connections"));
    assert!(comes_back(&mut driven, &mut elsewhere, "192.0.2.2"));
}

/// A router that has restarted lets the server believe that all its clients are still there.
#[test]
fn those_whose_old_sockets_still_seem_open_come_back_once_they_are_quiet() {
    let (mut driven, mut clients) = crowd(2, |_| {});
    assert_eq!(connect(&mut driven, HERE), Err(too_many()), "who has just been heard is not lost");
    driven.pass(Duration::from_secs(11));
    for client in &mut clients {
        client.read(&mut driven);
        assert!(comes_back(&mut driven, client, HERE));
    }
    assert_eq!(connect(&mut driven, HERE), Err(too_many()));
    assert_eq!(driven.engine.players(), 2);
    driven.engine.audit().unwrap();
}

#[test]
fn who_has_lost_its_place_to_others_comes_back_into_a_full_server() {
    let (mut driven, mut clients) = crowd(2, |s| s.registry.max_connections = 2);
    lose(&mut driven, &clients);
    let others = [1, 2].map(|n| connect(&mut driven, &format!("198.51.100.{n}")).unwrap());
    assert_eq!(connect(&mut driven, "198.51.100.3"), Err((503, "busy".to_owned())));
    for client in &mut clients {
        assert!(comes_back(&mut driven, client, HERE));
    }
    assert_eq!(connect(&mut driven, HERE).map_err(|(status, _)| status), Err(429));
    others.iter().for_each(|conn| driven.engine.disconnect(*conn, driven.now));
    driven.engine.audit().unwrap();
}

#[test]
fn a_crowd_behind_a_proxy_comes_back_too() {
    let proxied = |driven: &mut Driven| {
        let conn = driven.accept("10.0.0.1").unwrap();
        driven.send(conn, upgrade("/ws", "X-Forwarded-For: 192.0.2.1\r\n").as_bytes());
        conn
    };
    let mut driven = Driven::new(|s| {
        s.session.resume_grace = GRACE;
        s.registry.max_per_address = 1;
        s.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    });
    let mut client = Client::join(&mut driven, HERE, "Ann");
    client.cut(&mut driven);
    let eve = proxied(&mut driven);
    assert_eq!(driven.status(eve), 101);
    let another = proxied(&mut driven);
    assert_eq!(driven.refusal(another), too_many(), "one is lost, and one was let in");
    driven.say(eve, r#"{"type":"auth_request","data":{"version":1,"guest":"Eve"}}"#);
    assert_eq!(driven.frames(eve).reason(), (4010, "too_many_connections"));
    driven.pass(2 * TICK);
    client.conn = proxied(&mut driven);
    assert_eq!(driven.status(client.conn), 101);
    driven.say(client.conn, &resume(&client.token, client.seq));
    assert_eq!(client.enter(&mut driven)["resumed"], true);
}

/// The tries of `evertick.js`: five, after 1, 2, 4, 8 and 16 s, each up to half of that less by chance.
#[test]
fn two_hundred_behind_one_address_come_back_at_the_default_rate_within_their_tries() {
    const CROWD: u32 = 200;
    let (mut driven, mut clients) = crowd(CROWD, |s| {
        // Long enough that nobody is quiet before it is lost: what is lost is what comes back.
        s.session.heartbeat_interval = Duration::from_secs(3600);
        s.session.timeout = Duration::from_secs(3600);
        s.registry.connect_rate = evertick::registry::Settings::default().connect_rate;
    });
    // Whatever they took of the rate is back.
    driven.pass(Duration::from_secs(1));
    lose(&mut driven, &clients);
    let mut chance = 1u64;
    let mut delay = |tries: u32| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let longest = 1000 << tries;
        Duration::from_millis(longest - (chance >> 33) % (longest / 2))
    };
    let start = driven.now;
    let mut waiting: Vec<_> = clients.iter_mut().map(|client| (start + delay(0), 1, client)).collect();
    let mut back = [0; 5];
    while !waiting.is_empty() {
        driven.pass(TICK);
        waiting.retain_mut(|(at, tries, client)| {
            if *at > driven.now {
                return true;
            }
            if comes_back(&mut driven, client, HERE) {
                back[*tries as usize - 1] += 1;
                return false;
            }
            assert!(*tries < 5, "it has given up; so many came back with each try: {back:?}");
            *at = driven.now + delay(*tries);
            *tries += 1;
            true
        });
    }
    let took = driven.now.since(start);
    assert!(took < GRACE, "{took:?}, {back:?}");
    assert_eq!((driven.engine.players(), driven.engine.lingering()), (CROWD as usize, 0));
}
