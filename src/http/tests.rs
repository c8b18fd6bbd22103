//! The module as a whole: what is accepted, what is refused and how, and that cutting the input changes
//! nothing.

use super::*;
use crate::limits;
use crate::time::WallMs;
use proptest::prelude::*;

/// All events of `input`, fed in pieces that end at `cuts`.
fn events(input: &[u8], cuts: impl IntoIterator<Item = usize>) -> Vec<Event> {
    let mut connection = Connection::new();
    let mut events = Vec::new();
    let mut start = 0;
    for end in cuts.into_iter().chain([input.len()]) {
        let mut piece = &input[start..end];
        while let Some(event) = connection.next(&mut piece) {
            events.push(event);
        }
        assert!(piece.is_empty(), "None means used up");
        assert!(
            connection.phase() != Phase::Idle || connection.buffered() == 0,
            "an idle connection owns nothing"
        );
        start = end;
    }
    events
}

fn whole(input: impl AsRef<[u8]>) -> Vec<Event> {
    events(input.as_ref(), [])
}

/// The one request that `input` is.
fn request(input: impl AsRef<[u8]>) -> Request {
    let mut events = whole(input);
    match (events.pop(), events.is_empty()) {
        (Some(Event::Request(request)), true) => request,
        (last, _) => panic!("one request, not {last:?} behind {events:?}"),
    }
}

/// How `input` ends: 200 for a request read whole, 0 for none yet, otherwise the status of the error.
fn verdict(input: impl AsRef<[u8]>) -> u16 {
    match whole(input).last() {
        Some(Event::Error(error)) => error.status(),
        Some(Event::Request(_)) => 200,
        Some(Event::Continue) => 100,
        None => 0,
    }
}

fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

#[test]
fn a_request_is_read_whole() {
    let got = request(
        "PATCH /api/w%C3%B6rld?a=1&b=%20 HTTP/1.1\r\nHost: game.example:8080\r\nX-Two:  spaced out \t\r\n\
         authorization: bearer abc\r\nx-two: again\r\nEmpty:\r\nContent-Length: 4\r\n\r\nbody",
    );
    assert_eq!((got.method, &*got.path, &*got.query), (Method::Patch, "/api/wörld", "a=1&b=%20"));
    assert_eq!((&*got.host, &*got.body), ("game.example:8080", &b"body"[..]));
    assert!(got.version_1_1 && got.keep_alive && got.announces_body);
    assert_eq!(got.header("X-TWO"), Some(&b"spaced out"[..]));
    assert_eq!(got.headers_named("x-two").collect::<Vec<_>>(), [&b"spaced out"[..], b"again"]);
    assert_eq!((got.header("empty"), got.header("absent")), (Some(&b""[..]), None));
    assert_eq!(got.headers().count(), 6);
    assert_eq!(got.bearer(), Some("abc"));
    assert_eq!(got.query_value("b").as_deref(), Some(" "));
}

#[test]
fn an_absolute_target_names_the_host() {
    let got = request("GET http://game.example/x HTTP/1.1\r\nHost: other\r\n\r\n");
    assert_eq!((&*got.host, &*got.path), ("game.example", "/x"));
}

#[test]
fn bearer_wants_exactly_one_field_of_that_scheme() {
    for (fields, token) in [
        ("Authorization: Bearer abc", Some("abc")),
        ("Authorization: BEARER   abc", Some("abc")),
        ("Authorization: Bearer", None),
        ("Authorization: Basic abc", None),
        ("Authorization: Bearer\u{e9} abc", None),
        ("Authorization: Bearer a\r\nAuthorization: Bearer b", None),
        ("X: y", None),
    ] {
        assert_eq!(request(get(&format!("{fields}\r\n"))).bearer(), token, "{fields:?}");
    }
}

#[test]
fn connections_persist_as_rfc_9112_section_9_3_lists_it() {
    for (version, fields, keep_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Upgrade, CLOSE\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.1", "Connection: Upgrade\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let got = request(format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!(got.keep_alive, keep_alive, "{version} {fields:?}");
    }
}

#[test]
fn pipelined_requests_come_one_by_one_and_what_follows_stays() {
    let text = [post("Content-Length: 2\r\n", "hi\r\n"), get(""), "\x01rest".into()].concat();
    let mut input = text.as_bytes();
    let mut connection = Connection::new();
    assert!(matches!(connection.next(&mut input), Some(Event::Request(first)) if first.body == b"hi"));
    assert!(input.starts_with(b"\r\nGET"), "the empty line behind a body, as old clients send it");
    assert!(matches!(connection.next(&mut input), Some(Event::Request(second)) if second.body.is_empty()));
    assert_eq!(input, b"\x01rest", "may be a WebSocket frame");
    assert!(connection.is_idle());
}

#[test]
fn nothing_is_read_behind_the_last_request() {
    let text = [get("Connection: close\r\n"), get("")].concat();
    assert_eq!(whole(&text).len(), 1);
    let mut connection = Connection::new();
    let mut input = text.as_bytes();
    assert!(connection.next(&mut input).is_some());
    assert_eq!(connection.phase(), Phase::Ended);
    let mut junk = &b"\0\0\0"[..];
    assert_eq!((connection.next(&mut junk), junk.len()), (None, 0));
}

#[test]
fn nothing_is_read_behind_an_error() {
    let mut connection = Connection::new();
    let mut input = &b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"[..];
    assert!(matches!(connection.next(&mut input), Some(Event::Error(_))));
    assert_eq!((connection.next(&mut input), input.len(), connection.phase()), (None, 0, Phase::Ended));
}

#[test]
fn chunks_are_joined() {
    let body = "4\r\nWiki\r\n005;name=\"v;\u{e9}\" ; x\r\npedia\r\n6 \t;a\r\n in\r\n\r\r\n\
        0\r\nTrailer: x\r\nA:\r\n\r\n";
    let got = request(post("Transfer-Encoding: Chunked\r\n", body));
    assert_eq!(got.body, b"Wikipedia in\r\n\r");
    assert!(got.announces_body);
    assert_eq!(got.header("trailer"), None, "a trailer is no header");
    assert_eq!(request(post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n")).body, b"");
}

#[test]
fn a_client_that_waits_for_100_gets_it_before_its_body() {
    let text = post("Expect: 100-Continue\r\nContent-Length: 2\r\n", "hi");
    let [Event::Continue, Event::Request(got)] = &whole(&text)[..] else { panic!("a 100, then the request") };
    assert_eq!(got.body, b"hi");
    let chunked = post("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n");
    assert_eq!(whole(chunked)[0], Event::Continue);
    // Nothing to wait for, nobody who understands it, and one who will not be listened to.
    assert_eq!(whole(get("Expect: 100-continue\r\n")).len(), 1);
    assert_eq!(whole(post("Expect: 100-continue\r\nContent-Length: 0\r\n", "")).len(), 1);
    let old = "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(request(old).body, b"hi");
    assert_eq!(
        whole(post("Expect: 100-continue\r\nContent-Length: 99999\r\n", "")),
        [Event::Error(Error::BodyTooLarge)]
    );
}

#[test]
fn the_phase_says_which_deadline_runs() {
    let mut connection = Connection::new();
    let mut phase = |mut piece: &[u8]| {
        while connection.next(&mut piece).is_some() {}
        connection.phase()
    };
    assert_eq!(phase(b""), Phase::Idle);
    assert_eq!(phase(b"\r"), Phase::Head);
    assert_eq!(phase(b"\n"), Phase::Idle);
    assert_eq!(phase(b"P"), Phase::Head);
    assert_eq!(phase(b"OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r"), Phase::Head);
    assert_eq!(phase(b"\n"), Phase::Body);
    assert_eq!(phase(b"h"), Phase::Body);
    assert_eq!(phase(b"iG"), Phase::Head);
    assert_eq!(phase(b"\n"), Phase::Ended);
}

#[test]
fn memory_follows_what_came_and_not_what_was_announced() {
    let mut connection = Connection::new();
    let mut head = &post("Content-Length: 65536\r\n", "x").into_bytes()[..];
    assert_eq!(connection.next(&mut head), None);
    assert!((1..1024).contains(&connection.buffered()), "{}", connection.buffered());
}

/// Requests that two readers may read differently, or that are not HTTP at all.
#[test]
fn smuggling_is_refused() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    let table: Vec<(&str, u16, String)> = vec![
        ("both lengths", 400, post(&format!("{chunked}Content-Length: 5\r\n"), "0\r\n\r\n")),
        ("both lengths, the other way", 400, post(&format!("Content-Length: 5\r\n{chunked}"), "0\r\n\r\n")),
        ("both lengths, one of them 0", 400, post(&format!("Content-Length: 0\r\n{chunked}"), "0\r\n\r\n")),
        ("different lengths", 400, post("Content-Length: 2\r\nContent-Length: 3\r\n", "abc")),
        ("lengths that differ in writing", 400, post("Content-Length: 2\r\nContent-Length: 02\r\n", "ab")),
        ("identical lengths", 200, post("Content-Length: 2\r\nContent-Length: 2\r\n", "ab")),
        ("a list of lengths", 400, post("Content-Length: 2, 2\r\n", "ab")),
        ("a signed length", 400, post("Content-Length: +2\r\n", "ab")),
        ("a negative length", 400, post("Content-Length: -2\r\n", "ab")),
        ("a hexadecimal length", 400, post("Content-Length: 0x2\r\n", "ab")),
        ("a length with a blank", 400, post("Content-Length: 1 0\r\n", "ab")),
        ("an empty length", 400, post("Content-Length:\r\n", "")),
        ("a length that overflows", 413, post("Content-Length: 18446744073709551618\r\n", "ab")),
        ("no length", 200, post("", "")),
        ("chunked", 200, post(chunked, "0\r\n\r\n")),
        ("another coding", 400, post("Transfer-Encoding: gzip\r\n", "")),
        ("identity", 400, post("Transfer-Encoding: identity\r\n", "")),
        ("no coding", 400, post("Transfer-Encoding:\r\n", "")),
        ("a coding before chunked", 501, post("Transfer-Encoding: gzip, chunked\r\n", "")),
        ("the same in two fields", 501, post(&format!("Transfer-Encoding: gzip\r\n{chunked}"), "")),
        ("a coding behind chunked", 400, post("Transfer-Encoding: chunked, gzip\r\n", "")),
        ("chunked twice", 400, post("Transfer-Encoding: chunked, chunked\r\n", "")),
        ("chunked in two fields", 400, post(&format!("{chunked}{chunked}"), "")),
        ("chunked with a parameter", 400, post("Transfer-Encoding: chunked;q=1\r\n", "")),
        ("chunked in quotes", 400, post("Transfer-Encoding: \"chunked\"\r\n", "")),
        ("a look-alike", 400, post("Transfer-Encoding: xchunked\r\n", "")),
        ("chunked behind a vertical tab", 400, post("Transfer-Encoding: \x0bchunked\r\n", "")),
        ("chunked in 1.0", 400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into()),
        ("a blank before the colon", 400, post("Transfer-Encoding : chunked\r\n", "")),
        ("a tab before the colon", 400, post("Content-Length\t: 2\r\n", "ab")),
        ("an underscore for a dash", 200, post("Transfer_Encoding: chunked\r\n", "")),
        ("obs-fold", 400, post("Transfer-Encoding:\r\n chunked\r\n", "")),
        ("obs-fold behind a value", 400, get("X: y\r\n\tz\r\n")),
        ("a blank before the first field", 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n".into()),
        ("a bare LF in a field", 400, post("X: y\nTransfer-Encoding: chunked\r\n", "")),
        ("a bare LF behind the request line", 400, "GET / HTTP/1.1\nHost: a\r\n\r\n".into()),
        ("bare LFs for the end", 400, "GET / HTTP/1.1\r\nHost: a\n\n".into()),
        ("a bare CR in a value", 400, post("X: y\rTransfer-Encoding: chunked\r\n", "")),
        ("two CRs before an LF", 400, get("X: y\r\r\n")),
        ("a NUL in a value", 400, get("X: a\0b\r\n")),
        ("a NUL in a name", 400, get("X\0: b\r\n")),
        ("a DEL in a value", 400, get("X: a\x7fb\r\n")),
        ("a field without a colon", 400, get("Transfer-Encoding\r\n")),
        ("a field without a name", 400, get(": chunked\r\n")),
        ("a name that is no token", 400, get("X(y): z\r\n")),
        ("a name that is not ASCII", 400, get("X\u{e9}: z\r\n")),
        ("a value that is not ASCII", 200, get("X: \u{e9}\r\n")),
        ("no Host", 400, "GET / HTTP/1.1\r\n\r\n".into()),
        ("no Host in 1.0", 200, "GET / HTTP/1.0\r\n\r\n".into()),
        ("two Hosts", 400, get("Host: a\r\n")),
        ("two Hosts in 1.0", 400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n".into()),
        ("an empty Host", 200, "GET / HTTP/1.1\r\nHost:\r\n\r\n".into()),
        ("a Host with a path", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".into()),
        ("a Host with userinfo", 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n".into()),
        ("a list of Hosts", 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".into()),
        ("two blanks behind the method", 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("two blanks behind the target", 400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("a tab behind the method", 400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("a blank behind the version", 400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n".into()),
        ("a version in small letters", 400, "GET / http/1.1\r\nHost: a\r\n\r\n".into()),
        ("a version with more digits", 400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n".into()),
        ("no version", 400, "GET /\r\n\r\n".into()),
        ("only a method", 400, "GET\r\n\r\n".into()),
        ("two empty lines first", 400, format!("\r\n\r\n{}", get(""))),
        ("one empty line first", 200, format!("\r\n{}", get(""))),
        ("a bare LF first", 400, format!("\n{}", get(""))),
    ];
    for (what, status, input) in table {
        assert_eq!(verdict(&input), status, "{what}: {input:?}");
    }
}

#[test]
fn chunks_have_one_reading() {
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(limits::HTTP_CHUNK_EXTENSIONS));
    for (what, status, body) in [
        ("no digits", 400, "\r\n"),
        ("a sign", 400, "+5\r\nhello\r\n0\r\n\r\n"),
        ("a prefix", 400, "0x5\r\nhello\r\n0\r\n\r\n"),
        ("a blank first", 400, " 5\r\nhello\r\n0\r\n\r\n"),
        ("a blank behind the size", 400, "5 \r\nhello\r\n0\r\n\r\n"),
        ("a blank within the size", 400, "1 0;x\r\n"),
        ("no digit", 400, "g\r\n"),
        ("too many digits", 400, "000000005\r\nhello\r\n0\r\n\r\n"),
        ("a size that overflows", 413, "ffffffff\r\n"),
        ("a bare LF behind the size", 400, "5\nhello\r\n0\r\n\r\n"),
        ("a bare LF behind an extension", 400, "5;x\nhello\r\n0\r\n\r\n"),
        ("a bare CR behind the size", 400, "5\rxhello\r\n0\r\n\r\n"),
        ("a control in an extension", 400, "5;\0\r\nhello\r\n0\r\n\r\n"),
        ("many extensions", 413, &long),
        ("data that is too long", 400, "5\r\nhello!\r\n0\r\n\r\n"),
        ("data that is too short", 400, "5\r\nhell\r\n0\r\n\r\n"),
        ("a bare LF behind the data", 400, "5\r\nhello\n0\r\n\r\n"),
        ("a bare LF for the end", 400, "0\r\n\n"),
        ("a bare CR for the end", 400, "0\r\n\rx"),
        ("a trailer without a name", 400, "0\r\n: x\r\n\r\n"),
        ("a trailer without a colon", 400, "0\r\nX\r\n\r\n"),
        ("a blank before a trailer's colon", 400, "0\r\nX : y\r\n\r\n"),
        ("a folded trailer", 400, "0\r\nX: y\r\n z\r\n\r\n"),
        ("a bare LF in a trailer", 400, "0\r\nX: y\n\r\n"),
        ("no end yet", 0, "5\r\nhello\r\n0\r\n"),
    ] {
        assert_eq!(verdict(post("Transfer-Encoding: chunked\r\n", body)), status, "{what}: {body:?}");
    }
}

/// Each limit at its last good value and one beyond.
#[test]
fn limits_and_their_statuses() {
    let target = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "t".repeat(n - 1));
    let head = |n: usize| get(&format!("X: {}\r\n", "x".repeat(n - get("X: \r\n").len())));
    let fields = |n: usize| get(&"X: y\r\n".repeat(n - 1));
    let length = |n: usize| post(&format!("Content-Length: {n}\r\n"), &"b".repeat(n));
    let chunk = |n: usize| {
        post("Transfer-Encoding: chunked\r\n", &format!("{n:x}\r\n{}\r\n0\r\n\r\n", "b".repeat(n)))
    };
    let chunks = |n: usize| {
        let each = "8\r\n12345678\r\n".repeat(n / 8);
        post(
            "Transfer-Encoding: chunked\r\n",
            &format!("{each}{:x}\r\n{}0\r\n\r\n", n % 8, "b\r\n".repeat(n % 8)),
        )
    };
    let trailer =
        |n: usize| post("Transfer-Encoding: chunked\r\n", &format!("0\r\nX:{}\r\n\r\n", "x".repeat(n - 6)));
    type Sized<'a> = &'a dyn Fn(usize) -> String;
    for (what, limit, status, build) in [
        ("target", limits::HTTP_TARGET, 414, &target as Sized<'_>),
        ("head", limits::HTTP_HEAD, 431, &head),
        ("fields", limits::HTTP_HEADERS, 431, &fields),
        ("body by length", limits::HTTP_BODY, 413, &length),
        ("body in one chunk", limits::HTTP_BODY, 413, &chunk),
        ("trailer section", limits::HTTP_HEAD, 431, &trailer),
    ] {
        assert_eq!((verdict(build(limit)), verdict(build(limit + 1))), (200, status), "{what}");
    }
    assert_eq!(verdict(chunks(limits::HTTP_BODY + 1)), 413, "body in many chunks");
    for (status, input) in [
        (501, "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (501, "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
        (501, "get / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (501, "PROPFIND"),
        (505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
        (505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
        (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (417, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n"),
        (400, "\x16\x03\x01\x02\x00\x01"),
    ] {
        assert_eq!(verdict(input), status, "{input:?}");
    }
    assert_eq!(
        verdict(format!("GET /{}", "t".repeat(limits::HTTP_TARGET))),
        414,
        "told before the head is whole"
    );
    assert_eq!(verdict(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(limits::HTTP_HEAD))), 431);
}

#[test]
fn every_method_passes() {
    for method in Method::ALL {
        assert!(method.name().len() <= Method::LONGEST);
        assert_eq!(request(format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", method.name())).method, method);
    }
    assert_eq!(request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").path, "*");
}

/// Lines and bytes that requests are made of, good and bad, to be strung together.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        8 => prop::sample::select(vec![
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /p?q HTTP/1.1\r\nHost: a\r\n",
            "HEAD /%41 HTTP/1.0\r\n\r\n",
            "Content-Length: 5\r\n\r\nhello",
            "Transfer-Encoding: chunked\r\n\r\n",
            "5\r\nhello\r\n",
            "1;x=y\r\n\n\r\n",
            "0\r\n\r\n",
            "0\r\nX: y\r\n\r\n",
            "Expect: 100-continue\r\n",
            "Connection: close\r\n",
            "\r\n",
            "X: y\r\n",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::sample::select(b"\r\n :;0aG/%\0\t\xff".to_vec()).prop_map(|byte| vec![byte]),
        1 => (1usize..9000, any::<u8>()).prop_map(|(n, byte)| vec![byte; n]),
    ];
    prop::collection::vec(fragment, 0..12).prop_map(|fragments| fragments.concat())
}

fn cuts(length: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..=length, 0..24).prop_map(|mut cuts| {
        cuts.sort_unstable();
        cuts
    })
}

proptest! {
    #[test]
    fn any_input_gives_the_same_events_however_it_is_cut(
        (input, cuts) in fragments().prop_flat_map(|input| (Just(input.clone()), cuts(input.len()))),
    ) {
        let want = events(&input, []);
        prop_assert_eq!(&want, &events(&input, cuts));
        prop_assert_eq!(&want, &events(&input, 0..input.len()));
    }

    #[test]
    fn what_was_sent_is_what_is_read(
        path in "/[a-z0-9._~-]{0,20}",
        query in "[a-z0-9=&%+]{0,20}",
        fields in prop::collection::vec(("x-[a-z]{1,10}", "[!-~]([ -~\t]{0,20}[!-~])?"), 0..8),
        body in prop::collection::vec(any::<u8>(), 0..300),
        pieces in prop::option::of(1usize..100),
    ) {
        let mut text = format!("PUT {path}?{query} HTTP/1.1\r\nhost: a\r\n").into_bytes();
        for (name, value) in &fields {
            text.extend(format!("{name}:\t{value} \r\n").bytes());
        }
        match pieces {
            None => {
                text.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
                text.extend(&body);
            }
            Some(size) => {
                text.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in body.chunks(size) {
                    text.extend([format!("{:X}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
                }
                text.extend(b"0\r\n\r\n");
            }
        }
        let got = request(&text);
        prop_assert_eq!((&got.path, &got.query, &got.body), (&path, &query, &body));
        let read: Vec<_> = got.headers().filter(|(name, _)| name.starts_with("x-")).collect();
        let sent: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        prop_assert_eq!(read, sent);
    }

    #[test]
    fn no_answer_can_be_made_to_hold_more_fields_than_were_set(
        value in any::<String>(),
        body in any::<String>(),
    ) {
        let response = Response::new(200).header("X-Echo", value).text(body.clone());
        let mut out = Vec::new();
        response.write(Exchange::last(WallMs(0)), &mut out);
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Response::new(&mut fields);
        let head = parsed.parse(&out).expect("well formed").unwrap();
        prop_assert_eq!(parsed.headers.len(), 6);
        prop_assert_eq!(&out[head..], body.as_bytes());
    }
}

const NOON: WallMs = WallMs(784_111_777_000);

fn written(response: &Response, exchange: Exchange) -> String {
    let mut out = Vec::new();
    response.write(exchange, &mut out);
    String::from_utf8(out).expect("text").replace("\r\n", "\n")
}

#[test]
fn an_error_goes_out_as_the_contract_has_it() {
    let refusal = Response::error(429, "rate_limited", "slow down").retry_after_ms(1500);
    insta::assert_snapshot!(written(&refusal, Exchange::last(NOON)), @r#"
    HTTP/1.1 429 Too Many Requests
    Date: Sun, 06 Nov 1994 08:49:37 GMT
    Content-Type: application/json
    Cache-Control: no-store
    X-Content-Type-Options: nosniff
    Retry-After: 2
    Content-Length: 77
    Connection: close

    {"error":{"code":"rate_limited","message":"slow down","retry_after_ms":1500}}
    "#);
    let error = Response::from(Error::HeadTooLarge);
    assert_eq!(
        String::from_utf8_lossy(&error.body()),
        r#"{"error":{"code":"too_large","message":"the header fields are too large"}}"#
    );
}

#[test]
fn the_exchange_decides_what_is_said_of_the_connection_and_the_body() {
    let ok = Response::new(200).json(&[1, 2]);
    let kept = Exchange { head_only: false, version_1_1: true, keep_alive: true, wall: NOON };
    let has = |exchange, line: &str| written(&ok, exchange).contains(line);
    assert!(!has(kept, "Connection"));
    assert!(has(Exchange { version_1_1: false, ..kept }, "\nConnection: keep-alive\n"));
    assert!(has(kept.closing(), "\nConnection: close\n"));
    assert!(has(kept, "\nContent-Length: 5\n") && has(kept, "\n\n[1,2]"));
    let head = Exchange { head_only: true, ..kept };
    assert!(has(head, "\nContent-Length: 5\n") && !has(head, "[1,2]"));
    for status in [204, 304] {
        let text = written(&Response::new(status), kept);
        assert!(!text.contains("Content-Length") && text.ends_with("\n\n"), "{text}");
    }
    assert!(written(&Response::new(200), kept).contains("\nContent-Length: 0\n"));
}

#[test]
fn every_status_that_is_sent_has_its_phrase_and_any_date_its_form() {
    let errors = [
        Error::Malformed("x"),
        Error::Timeout,
        Error::BodyTooLarge,
        Error::TargetTooLong,
        Error::ExpectationFailed,
        Error::HeadTooLarge,
        Error::UnknownMethod,
        Error::UnknownCoding,
        Error::UnsupportedVersion,
    ];
    for error in errors {
        let text = written(&Response::from(error), Exchange::last(WallMs(u64::MAX)));
        let line = text.lines().next().unwrap();
        assert!(line.len() > "HTTP/1.1 400 ".len(), "{line}");
        assert!(text.contains("Date: Fri, 31 Dec 9999 23:59:59 GMT"));
        assert!(text.contains(error.message()) && text.contains(error.code()), "{text}");
    }
}

#[test]
fn a_405_lists_what_there_is() {
    let response = Response::method_not_allowed(&[Method::Get, Method::Delete]);
    assert_eq!((response.status(), response.header_value("allow")), (405, Some("GET, DELETE")));
}

#[test]
fn a_401_says_how_to_authenticate() {
    let response = Response::error(401, "unauthenticated", "a token is needed");
    assert_eq!(response.header_value("www-authenticate"), Some("Bearer"));
}

#[test]
fn a_page_is_sent_once_and_then_confirmed() {
    let page = Page::new("/", "text/html; charset=utf-8", b"<!doctype html>");
    let first = page.respond(&request(get("")));
    let etag = first.header_value("etag").expect("a validator").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() == 42, "{etag}");
    assert_ne!(
        Some(&*etag),
        Page::new("/", "text/html", b"<!doctype htm>").respond(&request(get(""))).header_value("etag")
    );
    for (fields, status) in [
        (format!("If-None-Match: {etag}\r\n"), 304),
        (format!("If-None-Match: \"x\", W/{etag}\r\n"), 304),
        (format!("If-None-Match: \"x\"\r\nIf-None-Match: {etag}\r\n"), 304),
        ("If-None-Match: *\r\n".into(), 304),
        ("If-None-Match: \"x\"\r\n".into(), 200),
        ("If-None-Match:\r\n".into(), 200),
    ] {
        let response = page.respond(&request(get(&fields)));
        assert_eq!(response.status(), status, "{fields:?}");
        assert_eq!(response.header_value("etag"), Some(&*etag));
        assert_eq!(response.header_value("cache-control"), Some("no-cache"));
        assert_eq!(response.header_value("content-security-policy"), Some(Page::POLICY));
        assert_eq!(response.body().is_empty(), status == 304);
    }
    assert_eq!(page.respond(&request(post("", ""))).status(), 405);
    assert_eq!(page.respond(&request("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")).status(), 200);
}
