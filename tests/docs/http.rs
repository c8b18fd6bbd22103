//! `docs/protocol.md`, "HTTP": the requests that it lists are answered, and `/api/status` has the members it shows.

use super::markdown::{blocks, read, section, table};
use super::own_game::Running;
use evertick::engine::Game;
use evertick::games::connect4::{self, Connect4};
use evertick::games::eternity::{Eternity, Settings};
use evertick::http::Page;
use evertick::server::Server;
use evertick::web;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// The status and the body of an answer.
fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let body = answer.split_once("\r\n\r\n").expect("a head").1.to_owned();
    (status, body)
}

/// The names of all members, with those around them.
fn members(value: &Value, around: &str, into: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        into.push(format!("{around}.{name}"));
        members(value, &format!("{around}.{name}"), into);
    }
}

#[test]
fn the_calls_of_the_tables_have_their_methods() {
    let running = Running::start(|mut settings| {
        settings.engine.admin_token = evertick::engine::AdminToken::new("token");
        Server::new(settings)
    });
    let page = read("docs/protocol.md");
    for (heading, calls) in [("### Accounts", 3), ("### Bans", 3), ("### Sessions", 1)] {
        let rows = table(section(&page, heading), "call");
        assert_eq!(rows.len(), calls, "{heading}");
        for row in rows {
            let (method, path) = row[0].split_once(' ').expect("a method and a path");
            let allowed = methods(running.address, &path.replace("{id}", "1"));
            assert!(allowed.split(", ").any(|have| have == method), "{}: {allowed}", row[0]);
        }
    }
}

/// What a preflight says of a path's methods.
fn methods(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let fields = "Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\nConnection: close";
    write!(stream, "OPTIONS {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    let line = answer.lines().find_map(|line| line.strip_prefix("Access-Control-Allow-Methods: "));
    line.unwrap_or_else(|| panic!("{path}: {answer}")).to_owned()
}

#[test]
fn the_requests_of_the_table_are_answered() {
    let running = Running::start(|settings| {
        let server = Server::new(settings)
            .game("/ws", Eternity::new(Settings::default()))
            .game("/ws/connect4", Connect4::new(connect4::Settings::default()));
        web::assets()
            .iter()
            .fold(server, |server, asset| server.page(Page::new(asset.path, asset.content_type, asset.body)))
    });
    let page = read("docs/protocol.md");
    let http = section(&page, "## HTTP");
    let requests = table(http, "request");
    assert_eq!(requests.len(), 8);
    for row in requests {
        let path = row[0].strip_prefix("GET ").expect("they are all asked for with GET");
        let expected = if path.starts_with("/ws") { 426 } else { 200 };
        assert_eq!(get(running.address, path).0, expected, "{path}");
    }
    let shown: Value = serde_json::from_str(&blocks(http, "json")[0]).expect("JSON");
    let answered: Value = serde_json::from_str(&get(running.address, "/api/status").1).expect("JSON");
    let (mut in_page, mut in_answer) = (Vec::new(), Vec::new());
    members(&shown, "", &mut in_page);
    members(&answered, "", &mut in_answer);
    assert_eq!(in_page, in_answer);
    let (status, error) = get(running.address, "/nowhere");
    assert_eq!(status, 404);
    assert!(error.starts_with(r#"{"error":{"code":"not_found","message":""#), "{error}");
}

#[test]
fn the_calls_of_eternity_are_those_of_its_table() {
    let running =
        Running::start(|settings| Server::new(settings).game("/ws", Eternity::new(Settings::default())));
    let page = read("docs/protocol.md");
    let calls = table(section(&page, "## Eternity over HTTP"), "call");
    let listed: Vec<String> = calls.iter().map(|row| row[0].clone()).collect();
    let declared =
        <Eternity as Game>::ROUTES.iter().map(|route| format!("{} {}", route.method.name(), route.path));
    assert_eq!(listed, declared.collect::<Vec<_>>());
    for row in calls.iter().filter(|row| row[0].starts_with("GET ")) {
        let expected = if row[1] == "everybody" { 200 } else { 401 };
        assert_eq!(get(running.address, row[0].trim_start_matches("GET ")).0, expected, "{row:?}");
    }
    let shown = blocks(section(&page, "## Eternity over HTTP"), "json");
    let told: Value = serde_json::from_str(&get(running.address, "/api/world/state").1).expect("JSON");
    let state = shown.iter().find(|block| block.contains("reality")).expect("the page shows it");
    let (mut in_page, mut in_answer) = (Vec::new(), Vec::new());
    members(&serde_json::from_str(state).expect("JSON"), "", &mut in_page);
    members(&told, "", &mut in_answer);
    assert_eq!(in_page, in_answer);
}
