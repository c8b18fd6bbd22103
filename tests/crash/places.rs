//! Where somebody was is where it is again: exactly there after a stop, at most ten seconds back after a death.

use crate::client::ask;
use crate::server::{Folder, Served};
use crate::walker::{Walker, now};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How old what is on disk may be (WORLD, "Characters"), and how exactly one can tell from outside.
const LAG: Duration = Duration::from_secs(10);
const TOLERANCE: Duration = Duration::from_millis(500);

/// Registers, makes a character and chooses it; the token.
fn token(address: SocketAddr, name: &str) -> String {
    let credentials = json!({ "username": name, "password": "correct horse" });
    let done = |to, token: Option<&str>, body: &Value| {
        let answer = ask(address, ("POST", to), token, body).unwrap();
        assert!((200..300).contains(&answer.status), "{to}: {answer:?}");
        answer.body
    };
    done("/api/auth/register", None, &credentials);
    let login = done("/api/auth/login", None, &credentials);
    let token = login["token"].as_str().unwrap();
    let wish = json!({ "name": name, "faction": "verdant", "class": "mage" });
    let character = done("/api/characters", Some(token), &wish);
    done("/api/characters/select", Some(token), &json!({ "character_id": character["id"] }));
    token.to_owned()
}

fn enter(served: &Served, token: &str) -> Walker {
    Walker::enter(served.address, &json!({ "token": token })).expect("it is let in")
}

#[test]
fn after_a_stop_everybody_is_where_they_were() {
    let folder = Folder::new();
    let served = Served::start(&folder);
    let token = token(served.address, "steady");
    let mut walker = enter(&served, &token);
    let began = walker.at;
    for _ in 0..10 {
        walker.step(0.25, 0.5).unwrap();
    }
    walker.settle();
    let left = walker.at;
    assert_eq!((left.0 - began.0 > 2.0, left.1 - began.1 > 4.0), (true, true), "{began:?} {left:?}");
    assert_eq!(served.stop(), Some(0));
    let served = Served::start(&folder);
    let again = enter(&served, &token).at;
    // Places are told in hundredths of a unit.
    assert!((again.0 - left.0).abs() < 0.01 && (again.1 - left.1).abs() < 0.01, "{left:?} {again:?}");
}

#[test]
fn after_a_death_nobody_is_further_back_than_ten_seconds() {
    let folder = Folder::new();
    let served = Served::start(&folder);
    let token = token(served.address, "hurried");
    let mut walker = enter(&served, &token);
    let mut was: Vec<(Instant, (f32, f32))> = vec![(now(), walker.at)];
    let dies = now() + LAG + Duration::from_secs(4);
    while now() < dies {
        walker.step(0.02, 0.01).unwrap();
        was.push((now(), walker.at));
    }
    served.kill();
    let died = now();
    let served = Served::start(&folder);
    let back = enter(&served, &token).at;
    // Places are shown in hundredths; a step is longer.
    let is_there = |at: (f32, f32)| (at.0 - back.0).abs() < 0.009 && (at.1 - back.1).abs() < 0.009;
    let when = was.iter().rev().find(|(_, at)| is_there(*at)).map(|(when, _)| *when);
    let age = died - when.unwrap_or_else(|| panic!("it never was at {back:?}"));
    println!("what was on disk was {} ms old", age.as_millis());
    assert!(age <= LAG + TOLERANCE, "{} ms", age.as_millis());
}
