//! Routes and statuses over HTTP.

use crate::client::{Plain, ask, get};
use crate::server::{PAGE, start};
use evertick::limits;
use std::io::Write;
use std::net::Shutdown;

#[test]
fn status_says_how_the_server_is() {
    let server = start(|_| {});
    let answer = get(server.addr, "/api/status");
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let status = answer.json();
    assert_eq!(status["status"], "ok");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["connections"], 1);
    assert_eq!(status["players"], 0);
    assert_eq!(status["tick"]["rate_hz"], 100);
    for path in [
        "/uptime_s",
        "/tick/count",
        "/tick/mean_us",
        "/tick/p99_us",
        "/tick/max_us",
        "/tick/flush_p99_us",
        "/tick/overruns",
        "/memory/rss_bytes",
        "/traffic/packets_in",
        "/traffic/packets_out",
        "/traffic/bytes_in",
        "/traffic/bytes_out",
    ] {
        assert!(status.pointer(path).is_some_and(|value| value.is_u64()), "{path} in {status}");
    }
}

#[test]
fn health_and_metrics() {
    let server = start(|_| {});
    let health = get(server.addr, "/healthz");
    assert_eq!((health.status, health.text()), (200, "ok\n"));
    let metrics = get(server.addr, "/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"), "{metrics:?}");
    assert!(metrics.text().ends_with("# EOF\n"));
    assert!(metrics.text().contains("evertick_"), "{}", metrics.text());
}

#[test]
fn the_first_answer_knows_what_time_it_is() {
    // One tick a second: the answer comes long before the first.
    let server = start(|s| s.engine.tick_rate = evertick::time::TickRate::new(1).unwrap());
    let date = get(server.addr, "/healthz").header("date").to_owned();
    assert!(!date.is_empty() && !date.contains("1970"), "{date}");
}

#[test]
fn what_is_not_there_and_what_cannot_be_done_with_it() {
    let server = start(|_| {});
    assert_eq!(get(server.addr, "/nothing").refusal(), (404, "not_found".to_owned()));
    assert_eq!(get(server.addr, "/api/nothing").refusal(), (404, "not_found".to_owned()));
    for path in ["/", "/api/status", "/healthz", "/metrics"] {
        let answer = ask(server.addr, "DELETE", path, "");
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"), "{path}");
    }
    let answer = ask(server.addr, "POST", "/ws", "Content-Length: 0\r\n");
    assert_eq!((answer.status, answer.header("allow")), (405, "GET"));
    assert_eq!(ask(server.addr, "BREW", "/", "").status, 501);
}

#[test]
fn a_head_is_the_get_without_its_body() {
    let server = start(|_| {});
    for path in ["/", "/healthz", "/api/status", "/nothing"] {
        let (head, full) = (ask(server.addr, "HEAD", path, ""), get(server.addr, path));
        assert_eq!(head.status, full.status, "{path}");
        assert_eq!(head.header("content-type"), full.header("content-type"), "{path}");
        assert!(!head.header("content-length").is_empty(), "{path}");
    }
}

#[test]
fn a_page_that_did_not_change_is_not_sent_again() {
    let server = start(|_| {});
    let page = get(server.addr, "/");
    assert_eq!((page.status, page.text()), (200, PAGE));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let etag = page.header("etag");
    let mut plain = Plain::open(server.addr);
    plain.send(format!("GET / HTTP/1.1\r\nHost: yard\r\nIf-None-Match: {etag}\r\n\r\n"));
    let known = plain.answer();
    assert_eq!((known.status, known.header("etag"), known.body.len()), (304, etag, 0));
    // The connection goes on behind an answer that has no length.
    plain.send("GET / HTTP/1.1\r\nHost: yard\r\nIf-None-Match: \"other\"\r\n\r\n");
    assert_eq!(plain.answer().text(), PAGE);
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let server = start(|_| {});
    let mut plain = Plain::open(server.addr);
    let paths = ["/healthz", "/nothing", "/", "/api/status", "/healthz"];
    let requests: String = paths.map(|path| format!("GET {path} HTTP/1.1\r\nHost: yard\r\n\r\n")).concat();
    plain.send(&requests);
    for status in [200, 404, 200, 200, 200] {
        let answer = plain.answer();
        assert_eq!(answer.status, status);
        assert_ne!(answer.header("connection"), "close");
    }
    // And so they are when they come byte by byte.
    for byte in requests.as_bytes() {
        plain.send([*byte]);
    }
    for status in [200, 404, 200, 200, 200] {
        assert_eq!(plain.answer().status, status);
    }
}

#[test]
fn http_1_0_and_connection_close_end_behind_their_answer() {
    let server = start(|_| {});
    for request in ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: yard\r\nConnection: close\r\n\r\n"] {
        let mut plain = Plain::open(server.addr);
        plain.send(request).send("GET /healthz HTTP/1.1\r\nHost: yard\r\n\r\n");
        assert_eq!(plain.answer().text(), PAGE);
        assert!(plain.ends(), "the second request is not answered");
    }
    let mut plain = Plain::open(server.addr);
    plain.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(plain.answer().header("connection"), "keep-alive");
    plain.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(plain.answer().text(), PAGE);
    assert!(plain.ends());
}

#[test]
fn who_ends_its_half_still_reads_its_answer() {
    let server = start(|_| {});
    let mut plain = Plain::open(server.addr);
    plain.send("GET / HTTP/1.1\r\nHost: yard\r\n\r\n");
    plain.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(plain.answer().text(), PAGE);
    assert!(plain.ends());
}

#[test]
fn what_is_too_large_has_its_own_status() {
    let server = start(|_| {});
    let long = |n: usize| "x".repeat(n);
    for (request, status) in [
        (format!("GET /{} HTTP/1.1\r\nHost: yard\r\n\r\n", long(limits::HTTP_TARGET)), 414),
        (format!("GET / HTTP/1.1\r\nHost: yard\r\nA: {}\r\n\r\n", long(limits::HTTP_HEAD)), 431),
        (format!("GET / HTTP/1.1\r\nHost: yard\r\n{}\r\n", "A: b\r\n".repeat(limits::HTTP_HEADERS + 1)), 431),
        (format!("POST / HTTP/1.1\r\nHost: yard\r\nContent-Length: {}\r\n\r\n", limits::HTTP_BODY + 1), 413),
        ("POST / HTTP/1.1\r\nHost: yard\r\nContent-Length: 99999999999999999999\r\n\r\n".to_owned(), 413),
        ("GET / HTTP/2.0\r\nHost: yard\r\n\r\n".to_owned(), 505),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: yard\r\nExpect: cake\r\n\r\n".to_owned(), 417),
        ("GET / HTTP/1.1\nHost: yard\n\n".to_owned(), 400),
        ("\u{16}\u{3}\u{1}".to_owned(), 400),
    ] {
        let mut plain = Plain::open(server.addr);
        let answer = plain.send(&request).answer();
        let shown = request.chars().take(60).collect::<String>();
        assert_eq!(answer.status, status, "{shown}");
        assert_eq!(answer.header("connection"), "close", "{shown}");
        assert!(answer.json()["error"]["code"].is_string(), "{shown}");
        assert!(plain.ends(), "{shown}");
    }
}

#[test]
fn a_body_that_is_asked_to_wait_is_waited_for() {
    let server = start(|_| {});
    let mut plain = Plain::open(server.addr);
    plain.send("POST / HTTP/1.1\r\nHost: yard\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(plain.head().status, 100);
    plain.send("body");
    assert_eq!(plain.answer().status, 405);
    plain.send("POST / HTTP/1.1\r\nHost: yard\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
    assert_eq!(plain.answer().status, 405, "the connection goes on");
}

#[test]
fn the_api_may_be_called_from_other_pages() {
    let server = start(|_| {});
    let fields = "Origin: https://play.example\r\nAccess-Control-Request-Method: GET\r\n";
    let preflight = ask(server.addr, "OPTIONS", "/api/status", fields);
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert!(preflight.header("access-control-allow-methods").contains("GET"));
    assert_eq!(preflight.header("access-control-allow-headers"), "authorization, content-type");
    assert_eq!(preflight.header("access-control-allow-credentials"), "");
    let answer = ask(server.addr, "GET", "/api/status", "Origin: https://play.example\r\n");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(answer.header("access-control-expose-headers").to_lowercase().contains("retry-after"));
}

#[test]
fn listed_origins_are_named_and_others_are_not() {
    let server = start(|s| {
        s.engine.allowed_origins =
            evertick::http::cors::Origins::read(&["https://play.example".to_owned()]).unwrap();
    });
    let ours = ask(server.addr, "GET", "/api/status", "Origin: https://play.example\r\n");
    assert_eq!(ours.header("access-control-allow-origin"), "https://play.example");
    assert!(ours.header("vary").contains("Origin"));
    let other = ask(server.addr, "GET", "/api/status", "Origin: https://evil.example\r\n");
    assert_eq!(other.header("access-control-allow-origin"), "");
}

#[test]
fn requests_of_many_connections_are_counted() {
    let server = start(|_| {});
    let before = get(server.addr, "/api/status").json()["traffic"]["bytes_in"].as_u64().unwrap();
    for _ in 0..5 {
        get(server.addr, "/healthz");
    }
    let after = get(server.addr, "/api/status").json()["traffic"]["bytes_in"].as_u64().unwrap();
    assert!(after > before + 5 * 30, "{before} {after}");
}

#[test]
fn a_request_cut_anywhere_disturbs_nobody() {
    let server = start(|_| {});
    let whole = b"POST / HTTP/1.1\r\nHost: yard\r\nContent-Length: 3\r\n\r\nabc";
    for cut in 0..whole.len() {
        let mut plain = Plain::open(server.addr);
        plain.stream.write_all(&whole[..cut]).unwrap();
        plain.stream.shutdown(Shutdown::Write).unwrap();
        assert!(plain.ends(), "a request that never came whole is not answered (cut at {cut})");
    }
    assert_eq!(get(server.addr, "/healthz").status, 200);
}

/// A reader that is slower than its own requests lost what stood behind the first quarter megabyte of answers.
#[test]
fn pipelined_requests_wait_for_a_reader_that_is_slow() {
    const REQUESTS: usize = 20_000;
    let server = start(|_| {});
    let mut plain = Plain::open(server.addr);
    let one = "GET /healthz HTTP/1.1\r\nHost: yard\r\n\r\n";
    let mut writer = plain.writer();
    let sender = std::thread::spawn(move || {
        for _ in 0..REQUESTS / 100 {
            writer.write_all(one.repeat(100).as_bytes()).unwrap();
        }
    });
    // Nothing is read until the server has stopped reading: then its answers fill what the kernel holds.
    let mut counted = 0;
    while get(server.addr, "/healthz").status == 200 && counted < 20 {
        counted += 1;
    }
    for n in 0..REQUESTS {
        assert_eq!(plain.answer().status, 200, "answer {n}");
    }
    sender.join().unwrap();
}
