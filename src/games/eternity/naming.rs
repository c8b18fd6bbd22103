//! What characters may be called: 3 to 20 letters, digits, spaces, apostrophes and hyphens, no two of them the same but
//! for case.

use crate::engine::{Refusal, is_in_names};
use crate::packet::Code;

/// The fewest and the most characters of a name.
const LENGTH: std::ops::RangeInclusive<usize> = 3..=20;

/// The name as it is shown: without spaces around it.
///
/// # Errors
/// `invalid`.
pub(super) fn name(wanted: &str) -> Result<&str, Refusal> {
    let name = wanted.trim_matches(' ');
    if LENGTH.contains(&name.chars().count()) && name.chars().all(is_in_names) {
        return Ok(name);
    }
    let message = "a character's name has 3 to 20 letters, digits, spaces, apostrophes or hyphens";
    Err(Refusal::new(Code::Invalid, message))
}

/// The same for all spellings of one name.
pub(super) fn folded(name: &str) -> String {
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_characters() {
        for (wanted, shown) in [(" Ann O'Neill-3 ", "Ann O'Neill-3"), ("Zoë", "Zoë"), ("---", "---")] {
            assert_eq!(name(wanted), Ok(shown));
        }
        assert!(name(&"x".repeat(20)).is_ok());
        for bad in
            ["", "ab", "  ab ", "a#2", "<b>", "tab\there", "new\nline", "\u{3164}\u{3164}ab", &"x".repeat(21)]
        {
            assert_eq!(name(bad).map_err(|r| r.code), Err(Code::Invalid), "{bad:?}");
        }
        assert_eq!(folded("Zoë O'NEILL"), folded("zoË o'Neill"));
    }
}
