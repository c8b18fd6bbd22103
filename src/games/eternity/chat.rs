//! What may be said, and how often.

use super::effects::Clock;
use super::recent::{Limit, Recent};
use super::world::Rules;
use crate::engine::Refusal;
use crate::packet::Code;

/// The message as it is passed on, without the white space around it.
///
/// # Errors
/// `invalid`: nothing is left, it is too long, or it holds a control character.
pub(super) fn text<'a>(message: &'a str, rules: &Rules) -> Result<&'a str, Refusal> {
    let text = message.trim();
    let most = rules.chat_characters;
    if text.is_empty() {
        return Err(Refusal::new(Code::Invalid, "a message says something"));
    }
    // No more characters than bytes: the count is needed for long messages only.
    if text.len() > most && text.chars().count() > most {
        return Err(Refusal::new(Code::Invalid, format!("a message has at most {most} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Refusal::new(Code::Invalid, "a message holds no control characters"));
    }
    Ok(text)
}

/// Counts a message of somebody who said these lately.
///
/// # Errors
/// `rate_limited`: it was too much; the message is not counted.
pub(super) fn admit(said: &mut Recent, rules: &Rules, clock: Clock) -> Result<(), Refusal> {
    let limit = Limit { count: rules.chat_messages, seconds: rules.chat_window_s };
    said.admit(limit, clock).map_err(|free| {
        Refusal::new(Code::RateLimited, "you talk too fast").retry_after(clock.ms_until(free))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::games::eternity::world::World;
    use crate::time::{Tick, TickRate};

    #[test]
    fn a_message_is_trimmed_and_has_one_to_five_hundred_characters() {
        let rules = World::built_in().rules;
        assert_eq!(text("\t  hello, world \n", &rules).unwrap(), "hello, world");
        let long = "é".repeat(500);
        assert_eq!(text(&format!("  {long}  "), &rules).unwrap(), long);
        let refused = |message: &str| text(message, &rules).expect_err(message).code == Code::Invalid;
        assert!(refused("") && refused(" \n\t\u{a0} "));
        assert!(refused(&"x".repeat(501)) && refused(&"é".repeat(501)));
        for control in ["a\nb", "a\0b", "a\x1b[31mb", "a\x7fb", "a\u{85}b"] {
            assert!(refused(control), "{control:?}");
        }
    }

    #[test]
    fn the_sixth_message_in_five_seconds_waits() {
        let rules = World::built_in().rules;
        let clock = |tick| Clock { tick: Tick(tick), rate: TickRate::new(20).unwrap() };
        let mut said = Recent::default();
        for tick in 0..5 {
            assert_eq!(admit(&mut said, &rules, clock(tick)), Ok(()));
        }
        let refused = admit(&mut said, &rules, clock(40)).expect_err("too fast");
        assert_eq!((refused.code, refused.retry_after_ms), (Code::RateLimited, Some(3000)));
        assert_eq!(admit(&mut said, &rules, clock(100)), Ok(()));
        assert!(admit(&mut said, &rules, clock(100)).is_err(), "the second of the five is a tick younger");
    }
}
