//! Names, passwords and tokens: read once into types that cannot hold nonsense, and that never print a secret.

use crate::random::Secrets;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;
use std::ops::RangeInclusive;

/// An account's name: 3 to 20 of `A-Z a-z 0-9 _ -`, as it was registered.
///
/// Two names that differ in case only are one account's: [`Username::folded`] is what is compared. `Eq` compares
/// the spelling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Username(String);

impl Username {
    /// How many characters a name may have.
    pub const LENGTH: RangeInclusive<usize> = 3..=20;

    /// The name that `text` is.
    ///
    /// # Errors
    /// It is too short, too long, or has another character.
    pub fn new(text: &str) -> Result<Username, BadUsername> {
        let fits = Username::LENGTH.contains(&text.len());
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if fits && text.bytes().all(allowed) { Ok(Username(text.to_owned())) } else { Err(BadUsername) }
    }

    /// As it was registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In lower case: the same for all spellings of one account's name.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that no account can have: the asker's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadUsername;

impl fmt::Display for BadUsername {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (Username::LENGTH.start(), Username::LENGTH.end());
        write!(f, "a name has {least} to {most} of A-Z, a-z, 0-9, _ and -")
    }
}

impl std::error::Error for BadUsername {}

/// A password as somebody typed it: 8 to 128 characters, whatever they are. Never printed, never stored.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// How many characters (Unicode scalar values) a password may have.
    pub const LENGTH: RangeInclusive<usize> = 8..=128;

    /// The password that `text` is.
    ///
    /// # Errors
    /// It is too short or too long. At a login that is a wrong password: no account has it.
    pub fn new(text: &str) -> Result<Password, BadPassword> {
        // Counting stops soon for what is far too long.
        let characters = text.chars().take(Password::LENGTH.end() + 1).count();
        if Password::LENGTH.contains(&characters) { Ok(Password(text.to_owned())) } else { Err(BadPassword) }
    }

    /// The bytes to hash: for a [`Hasher`](super::Hasher) only.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    /// Never shows it, nor how long it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// A password that no account may have: the asker's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPassword;

impl fmt::Display for BadPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (Password::LENGTH.start(), Password::LENGTH.end());
        write!(f, "a password has {least} to {most} characters")
    }
}

impl std::error::Error for BadPassword {}

/// What is kept of a password: a PHC string with algorithm, parameters, salt and hash. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes a PHC string, unread: whether it is one is found out when it is verified against.
    pub fn new(phc: String) -> PasswordHash {
        PasswordHash(phc)
    }

    /// The PHC string: for storage and a [`Hasher`](super::Hasher) only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// What opens a login session: 32 bytes that nobody can guess, base64url without padding. Only its
/// [`Token::digest`] is kept, so that whoever reads the database logs in as nobody.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// A new one.
    pub fn new(secrets: &mut Secrets) -> Token {
        Token(secrets.bytes())
    }

    /// Reads one as a client sends it.
    ///
    /// # Errors
    /// It is not 43 characters of base64url.
    pub fn parse(text: &str) -> Result<Token, NotAToken> {
        // The decoder never sees more than a token's length.
        if text.len() != 43 {
            return Err(NotAToken);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotAToken)?;
        bytes.try_into().map(Token).map_err(|_| NotAToken)
    }

    /// What a client is told, once.
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Its SHA-256: by this it is looked up, in memory and on disk.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// A text that is no token: the asker's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAToken;

impl fmt::Display for NotAToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a token")
    }
}

impl std::error::Error for NotAToken {}

/// SHA-256 of a [`Token`]: names a login session and opens none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenDigest(pub [u8; 32]);

impl fmt::Debug for TokenDigest {
    /// The first bytes: enough to tell two apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "{a:02x}{b:02x}{c:02x}{d:02x}..")
    }
}
