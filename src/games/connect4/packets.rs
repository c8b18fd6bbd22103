//! The packets of Connect 4, both ways, as they stand on the wire.
//!
//! Both enums are plainly derived, so that one definition is the JSON and the compact form. **Variants are only ever
//! appended and never change their fields**: the number in each variant's comment is what clients have compiled in.
//! The order is that of a visit: find a match, play it, look on, leave.
//!
//! Rows count from 0 at the top, columns from 0 at the left.

use super::board::{COLUMNS, Cell, Disc, ROWS};
use super::number;
use crate::ids::PlayerId;
use crate::packet::Priority;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The id under which the server's own player sits.
pub const BOT: PlayerId = PlayerId(0);

/// What a client may send. Who sits in a match that is being played cannot enter another one: `conflict`. A match that
/// has not begun, is over, or was only watched is left by entering another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum In {
    /// 0: opens a match and waits in it for somebody; answered by [`Out::MatchState`].
    MatchCreate {
        /// True: it is in no list, and joined by its id only.
        private: Option<bool>,
    },
    /// 1: sits down opposite somebody who waits; answered by [`Out::MatchState`].
    MatchJoin {
        /// Whose match; none: that of who has waited longest, and where nobody waits, an open one of one's own.
        match_id: Option<String>,
    },
    /// 2: begins a match with the server's own player; answered by [`Out::MatchState`].
    MatchBot {
        /// How well it plays, 1 to 5; any other number, or none, is `invalid`.
        #[serde(default = "number::no_such", deserialize_with = "number::read")]
        level: u32,
    },
    /// 3: drops a disc; answered by [`Out::MatchState`]. `forbidden` for who is not on turn or only watches, `invalid`
    /// for a column that is full or not there, `conflict` once the match is over.
    MatchDrop {
        /// Where, 0 to 6; any other number, or none, is a column that is not there.
        #[serde(default = "number::no_such", deserialize_with = "number::read")]
        column: u32,
    },
    /// 4: watches a match; answered by [`Out::MatchState`].
    MatchSpectate {
        /// Which.
        match_id: String,
    },
    /// 5: gets up, which loses a match that is being played; answered by `ok` where it carries an id.
    MatchLeave,
    /// 6: wants to play the match again; it begins when both do and both are there. Answered by [`Out::MatchState`].
    MatchRematch,
    /// 7: asks for [`Out::MatchList`].
    MatchList,
}

/// What the server may send.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Out {
    /// 0: a match as it stands, to all who sit at it or watch it, after each change.
    MatchState(Box<MatchState>),
    /// 1: matches that one can join or watch.
    MatchList {
        /// Those that wait for somebody, the longest first, then those that two are playing, then those that are played
        /// with the server's own player, both the newest first; at most [`LISTED`](super::LISTED).
        matches: Vec<Listed>,
    },
    /// 2: a match is no more: told to those who watched it, and to who has closed it by entering another.
    MatchClosed {
        /// Which.
        match_id: MatchId,
        /// Why.
        reason: Closing,
    },
}

impl Out {
    /// What becomes of the packet when its recipient cannot keep up. What a game is played by is never dropped.
    pub fn priority(&self) -> Priority {
        match self {
            Out::MatchList { .. } => Priority::Normal,
            Out::MatchState(_) | Out::MatchClosed { .. } => Priority::High,
        }
    }
}

/// A match as everybody in it sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MatchState {
    /// Which.
    pub match_id: MatchId,
    /// Who sits there, one or two; who has the red discs stands first, and begins.
    pub players: Vec<Player>,
    /// The discs, a string for each row from the top.
    pub board: [Row; ROWS],
    /// Whose turn it is; null before it begins and when it is over.
    pub turn: Option<PlayerId>,
    /// Who has won.
    pub winner: Option<PlayerId>,
    /// Whether it is over and nobody has won.
    pub draw: bool,
    /// The four that won; null also where somebody won in another way.
    pub line: Option<[Cell; 4]>,
    /// Discs that were dropped.
    pub moves: u32,
    /// How many watch.
    pub spectators: u32,
    /// How long the one on turn may take from now, milliseconds; null where nobody is on turn.
    pub deadline_ms: Option<u32>,
    /// How it ended; null while it waits or goes on.
    pub reason: Option<Ending>,
}

/// How a match ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Number 0: four in a row.
    Four,
    /// Number 1: the board is full; nobody has won.
    Draw,
    /// Number 2: the loser was on turn and let the time pass.
    Time,
    /// Number 3: the loser's connection was lost, and it did not come back in time.
    Lost,
    /// Number 4: the loser left.
    Left,
}

/// Who sits at a match.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Player {
    /// Its id; [`BOT`] is the server's own player.
    pub id: PlayerId,
    /// Its name.
    pub name: Arc<str>,
    /// The colour of its discs.
    pub disc: Disc,
    /// False while its connection is lost, and once it has left.
    pub present: bool,
    /// Whether it wants to play again.
    pub rematch: bool,
}

/// One row of the board: seven of `.` `R` `Y`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Row(pub [Option<Disc>; COLUMNS]);

impl From<Row> for String {
    fn from(row: Row) -> String {
        row.0.map(|disc| disc.map_or('.', Disc::letter)).iter().collect()
    }
}

impl TryFrom<String> for Row {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Row, &'static str> {
        const WRONG: &str = "a row is seven of . R Y";
        let letters: [u8; COLUMNS] = text.as_bytes().try_into().map_err(|_| WRONG)?;
        let mut row = [None; COLUMNS];
        for (place, letter) in row.iter_mut().zip(letters) {
            *place = match letter {
                b'.' => None,
                b'R' => Some(Disc::Red),
                b'Y' => Some(Disc::Yellow),
                _ => return Err(WRONG),
            };
        }
        Ok(Row(row))
    }
}

/// A match in the list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Listed {
    /// Which.
    pub match_id: MatchId,
    /// Who sits there, one or two; who has the red discs stands first.
    pub players: Vec<Player>,
    /// Whether it waits for somebody; otherwise it is being played.
    pub open: bool,
    /// Discs that were dropped.
    pub moves: u32,
    /// How many watch.
    pub spectators: u32,
}

/// Why a match is no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// Number 0: all who sat there have left.
    Left,
    /// Number 1: the last who sat there was lost and did not come back in time.
    Lost,
    /// Number 2: the last who sat there has entered another match.
    Elsewhere,
}

/// The name of a match: 10 characters of base62 that nobody can guess.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MatchId([u8; MatchId::LENGTH]);

impl MatchId {
    /// Characters of an id.
    pub const LENGTH: usize = 10;
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    /// The id that 16 secret bytes come to. Of 2^128 numbers each id stands for as many as any other, but for one in
    /// 2^68.
    pub fn from_secret(secret: [u8; 16]) -> MatchId {
        let mut number = u128::from_le_bytes(secret);
        MatchId([(); MatchId::LENGTH].map(|()| {
            let digit = (number % 62) as usize;
            number /= 62;
            MatchId::ALPHABET[digit]
        }))
    }

    /// The id as it is written; `None` where it cannot be one.
    pub fn parse(text: &str) -> Option<MatchId> {
        let bytes: [u8; MatchId::LENGTH] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(MatchId(bytes))
    }
}

impl From<MatchId> for String {
    fn from(id: MatchId) -> String {
        id.0.map(char::from).iter().collect()
    }
}

impl TryFrom<String> for MatchId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<MatchId, &'static str> {
        MatchId::parse(&text).ok_or("a match_id is ten letters and digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ten_letters_and_digits_and_differ() {
        let mut secrets = crate::random::Secrets::new([3; 32]);
        let ids: std::collections::BTreeSet<String> =
            (0..2000).map(|_| MatchId::from_secret(secrets.bytes()).into()).collect();
        assert_eq!(ids.len(), 2000);
        for id in &ids {
            assert_eq!(MatchId::parse(id).map(String::from).as_ref(), Some(id));
        }
        let used: std::collections::BTreeSet<char> = ids.iter().flat_map(|id| id.chars()).collect();
        assert_eq!(used.len(), 62, "all digits are used");
        for bad in ["", "short", "elevenchars", "ten chars!", "ümlautumla"] {
            assert_eq!(MatchId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_row_is_seven_letters() {
        let row = Row::try_from("..RY.RY".to_owned()).unwrap();
        assert_eq!(row.0[2..4], [Some(Disc::Red), Some(Disc::Yellow)]);
        assert_eq!(String::from(row), "..RY.RY");
        for bad in ["", "......", "........", "..x....", "…...."] {
            assert!(Row::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
