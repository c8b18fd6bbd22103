//! What a client sends again after a resume, and the filter for messages that come twice: what was taken is done once, what was
//! not is taken, whatever else looks like it.

use crate::driven::Driven;
use crate::resume::Client;
use evertick::limits;
use serde_json::json;
use std::time::Duration;

const HERE: &str = "192.0.2.1";
const TICK: Duration = Duration::from_millis(10);

fn one() -> (Driven, Client) {
    let mut driven = Driven::new(|s| s.session.resume_grace = Duration::from_secs(60));
    let mut ann = Client::join(&mut driven, HERE, "Ann");
    driven.pass(2 * TICK);
    ann.read(&mut driven);
    (driven, ann)
}

/// What it has heard itself say, once the server has done with it.
fn heard<'c>(driven: &mut Driven, ann: &'c mut Client) -> &'c [String] {
    driven.pass(2 * TICK);
    ann.read(driven);
    &ann.heard
}

#[test]
fn equal_messages_that_were_said_far_apart_are_both_taken_when_they_come_together() {
    let (mut driven, mut ann) = one();
    // Said twice in 10 s over a connection that brings neither.
    driven.pass(Duration::from_secs(10));
    ann.cut(&mut driven);
    assert_eq!(ann.resume(&mut driven)["received"], 0);
    ann.say(&mut driven, "hello?");
    ann.say(&mut driven, "hello?");
    assert_eq!(heard(&mut driven, &mut ann), ["hello?", "hello?"]);
    ann.cut(&mut driven);
    assert_eq!(ann.resume(&mut driven)["received"], 2);
}

#[test]
fn of_two_equal_messages_the_one_that_was_not_taken_is() {
    for away in [Duration::ZERO, Duration::from_secs(5)] {
        let (mut driven, mut ann) = one();
        ann.say(&mut driven, "hit");
        ann.cut(&mut driven);
        driven.pass(away);
        assert_eq!(ann.resume(&mut driven)["received"], 1, "the second is on its way for ever");
        ann.say(&mut driven, "hit");
        assert_eq!(heard(&mut driven, &mut ann), ["hit", "hit"], "{away:?}");
        ann.cut(&mut driven);
        assert_eq!(ann.resume(&mut driven)["received"], 2, "and is not asked for again");
        assert_eq!(heard(&mut driven, &mut ann).len(), 2);
    }
}

#[test]
fn once_everything_may_have_been_sent_again_the_filter_is_back() {
    let twice = |driven: &mut Driven, ann: &mut Client, text: &str| {
        ann.say(driven, text);
        ann.say(driven, text);
        heard(driven, ann).iter().filter(|heard| *heard == text).count()
    };
    let (mut driven, mut ann) = one();
    assert_eq!(twice(&mut driven, &mut ann, "before"), 1);
    ann.cut(&mut driven);
    ann.resume(&mut driven);
    assert_eq!(twice(&mut driven, &mut ann, "again"), 2);
    driven.pass(limits::RESEND_TIME);
    assert_eq!(twice(&mut driven, &mut ann, "later"), 1, "by its time");
    ann.cut(&mut driven);
    ann.resume(&mut driven);
    for n in 0..limits::RESEND_MESSAGES {
        driven.pass(2 * TICK);
        driven.say(ann.conn, &json!({"type": "ping", "id": n, "data": {"time": n}}).to_string());
    }
    ann.read(&mut driven);
    assert_eq!(twice(&mut driven, &mut ann, "after that many"), 1);
}
