//! `docs/openapi.yaml`: it has every route and no other, each of them answers as it says, and what it refers to is there.

use super::markdown::read;
use super::own_game::Running;
use evertick::engine::{AdminToken, Engine, Settings as EngineSettings};
use evertick::games::eternity::{Eternity, Settings};
use evertick::server::Server;
use evertick::storage::Cost;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A method and a path as the document writes them.
type Operation = (String, String);

const ADMIN: &str = "the administrator's";

/// One request, and how it must be answered. `TOKEN` and `ID` in it are what the last login and the last answer with an id
/// gave.
struct Asked {
    method: &'static str,
    path: &'static str,
    sent_to: &'static str,
    token: Option<&'static str>,
    body: &'static str,
    status: u16,
}

const fn ask(
    (method, path, sent_to): (&'static str, &'static str, &'static str),
    token: Option<&'static str>,
    body: &'static str,
    status: u16,
) -> Asked {
    Asked { method, path, sent_to, token, body, status }
}

const TOKEN: Option<&str> = Some("TOKEN");
const ANN: &str = r#"{"username":"ann","password":"correct horse"}"#;
const CHARACTER: &str = r#"{"name":"Ann O'Neill","faction":"umbral","class":"mage"}"#;

/// Everything that can be asked for, so that each goes well once, and what goes wrong on the way.
const WALK: &[Asked] = &[
    ask(("POST", "/api/auth/register", ""), None, ANN, 201),
    ask(("POST", "/api/auth/register", ""), None, ANN, 409),
    ask(("POST", "/api/auth/register", ""), None, r#"{"username":"a","password":"b"}"#, 400),
    ask(("POST", "/api/auth/register", ""), None, "{", 400),
    ask(("POST", "/api/auth/login", ""), None, r#"{"username":"ann","password":"wrong horse"}"#, 401),
    ask(("POST", "/api/auth/login", ""), None, ANN, 200),
    ask(("GET", "/api/characters", ""), None, "", 401),
    ask(("POST", "/api/characters", ""), TOKEN, r#"{"name":"?","faction":"umbral","class":"mage"}"#, 400),
    ask(("POST", "/api/characters", ""), TOKEN, CHARACTER, 201),
    ask(("POST", "/api/characters", ""), TOKEN, CHARACTER, 409),
    ask(("GET", "/api/characters", ""), TOKEN, "", 200),
    ask(("POST", "/api/characters/select", ""), TOKEN, r#"{"character_id":999}"#, 404),
    ask(("POST", "/api/characters/select", ""), TOKEN, r#"{"character_id":ID}"#, 200),
    ask(("DELETE", "/api/characters/{id}", "/api/characters/999"), TOKEN, "", 404),
    ask(("DELETE", "/api/characters/{id}", "/api/characters/ID"), TOKEN, "", 204),
    ask(("GET", "/api/world/state", ""), None, "", 200),
    ask(("GET", "/api/world/shards", ""), None, "", 200),
    ask(("GET", "/api/world/events", ""), None, "", 200),
    ask(("GET", "/api/world/events", "/api/world/events?limit=0"), None, "", 400),
    ask(("GET", "/api/status", ""), None, "", 200),
    ask(("GET", "/healthz", ""), None, "", 200),
    ask(("GET", "/metrics", ""), None, "", 200),
    ask(("GET", "/api/admin/bans", ""), TOKEN, "", 401),
    ask(("POST", "/api/admin/bans", ""), Some(ADMIN), r#"{"target":"no such thing"}"#, 400),
    ask(("POST", "/api/admin/bans", ""), Some(ADMIN), r#"{"target":"203.0.113.0/24","seconds":60}"#, 201),
    ask(("GET", "/api/admin/bans", ""), Some(ADMIN), "", 200),
    ask(("DELETE", "/api/admin/bans/{id}", "/api/admin/bans/ID"), Some(ADMIN), "", 204),
    ask(("DELETE", "/api/admin/bans/{id}", "/api/admin/bans/ID"), Some(ADMIN), "", 404),
    ask(("GET", "/api/admin/sessions", ""), None, "", 401),
    ask(("GET", "/api/admin/sessions", "/api/admin/sessions?limit=0"), Some(ADMIN), "", 400),
    ask(("GET", "/api/admin/sessions", ""), Some(ADMIN), "", 200),
    ask(("POST", "/api/admin/bans", ""), Some(ADMIN), r#"{"target":"ann","reason":"rude"}"#, 201),
    ask(("POST", "/api/auth/login", ""), None, ANN, 403),
    ask(("GET", "/api/characters", ""), TOKEN, "", 403),
    ask(("DELETE", "/api/admin/bans/{id}", "/api/admin/bans/ID"), Some(ADMIN), "", 204),
    ask(("POST", "/api/auth/logout", ""), TOKEN, "", 204),
    ask(("POST", "/api/auth/logout", ""), TOKEN, "", 401),
];

/// The document.
fn document() -> Value {
    serde_saphyr::from_str(&read("docs/openapi.yaml")).expect("docs/openapi.yaml is YAML")
}

fn operations(document: &Value) -> BTreeSet<Operation> {
    let paths = document["paths"].as_object().expect("paths").iter();
    paths
        .flat_map(|(path, of)| {
            let methods = of.as_object().expect("operations").keys();
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect()
}

/// What is at a place, or where that refers to.
fn follow<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(place) => {
            let pointer = place.strip_prefix('#').expect("it is in this document");
            document.pointer(pointer).unwrap_or_else(|| panic!("{place} is not there"))
        }
        None => value,
    }
}

/// Follows every reference there is.
fn follow_all(document: &Value, value: &Value) {
    match value {
        Value::Object(members) => {
            follow(document, value);
            members.values().for_each(|value| follow_all(document, value));
        }
        Value::Array(items) => items.iter().for_each(|value| follow_all(document, value)),
        _ => {}
    }
}

/// Objects have the members that a schema names, the required ones always, and the items of lists likewise.
fn compare(document: &Value, schema: &Value, answer: &Value, at: &str) {
    let schema = follow(document, schema);
    if let (Some(properties), Some(members)) = (schema["properties"].as_object(), answer.as_object()) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(members.contains_key(name), "{at} has no {name}: {answer}");
        }
        for (name, value) in members {
            match properties.get(name) {
                Some(of) => compare(document, of, value, &format!("{at}.{name}")),
                // Kinds of events have members of their own.
                None => assert!(at.ends_with(".events"), "{at}.{name} is not documented"),
            }
        }
    }
    for item in answer.as_array().into_iter().flatten() {
        compare(document, &schema["items"], item, at);
    }
}

/// A connection that is asked again and again.
struct Client {
    address: SocketAddr,
    token: String,
    id: String,
}

impl Client {
    /// Asks, and returns the status and the body.
    fn ask(&mut self, asked: &Asked) -> (u16, String) {
        let target = if asked.sent_to.is_empty() { asked.path } else { asked.sent_to };
        let (target, body) = (target.replace("ID", &self.id), asked.body.replace("ID", &self.id));
        let token = asked.token.map(|token| token.replace("TOKEN", &self.token));
        let bearer = token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        let (method, length) = (asked.method, body.len());
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        write!(
            stream,
            "{method} {target} HTTP/1.1\r\nHost: a\r\n{bearer}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, answer.split_once("\r\n\r\n").expect("a head").1.to_owned())
    }

    fn note(&mut self, answer: &Value) {
        if let Some(token) = answer["token"].as_str() {
            self.token = token.to_owned();
        }
        if let Some(id) = answer["id"].as_u64() {
            self.id = id.to_string();
        }
    }
}

fn world() -> Eternity {
    Eternity::new(Settings::default())
}

#[test]
fn it_has_every_route_and_no_other() {
    let mut engine = Engine::new(EngineSettings::default(), 1, [1; 32]);
    engine.add_game("/ws", world()).expect("the path is free");
    let routes = engine.routes().into_iter();
    let routes: BTreeSet<Operation> =
        routes.map(|(m, path)| (m.name().to_owned(), path.to_owned())).collect();
    assert_eq!(operations(&document()), routes);
}

#[test]
fn what_it_refers_to_is_there() {
    let document = document();
    follow_all(&document, &document);
}

#[test]
fn everything_answers_as_it_says() {
    let document = document();
    let folder = tempfile::tempdir().expect("a folder");
    let running = Running::start(|mut settings| {
        settings.data_dir = Some(folder.path().to_owned());
        settings.hashing = Cost { memory_kib: 8, passes: 1 };
        settings.engine.admin_token = AdminToken::new(ADMIN);
        settings.engine.registry.connect_rate = 0;
        Server::new(settings).game("/ws", world())
    });
    let mut client = Client { address: running.address, token: String::new(), id: String::new() };
    let mut went_well = BTreeSet::new();
    for asked in WALK {
        let (status, body) = client.ask(asked);
        let what = format!("{} {} with {}", asked.method, asked.path, asked.body);
        assert_eq!(status, asked.status, "{what}: {body}");
        let operation = &document["paths"][asked.path][asked.method.to_lowercase()];
        let response = follow(&document, &operation["responses"][status.to_string()]);
        assert!(response.is_object(), "{what} is answered {status}, which is not documented");
        let schema = &response["content"]["application/json"]["schema"];
        if schema.is_object() {
            let answer: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{what}: {e}: {body}"));
            compare(&document, schema, &answer, &what);
            client.note(&answer);
        }
        if status < 300 {
            went_well.insert((asked.method.to_owned(), asked.path.to_owned()));
        }
    }
    assert_eq!(went_well, operations(&document), "each of them goes well once");
}
