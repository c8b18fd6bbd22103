//! Why something was not done, by whose fault, and what a client is told about it.

use crate::packet::Code;
use std::fmt;

/// Why a request was not carried out. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It cannot be done as things stand: the asker's business.
    Refused(Refused),
    /// The disk would not: ours.
    Store(StoreError),
}

impl Failure {
    /// What the client is told.
    pub fn code(&self) -> Code {
        match self {
            Failure::Refused(Refused::NameTaken | Refused::RecordNameTaken { .. }) => Code::Conflict,
            Failure::Refused(Refused::NoAccount) => Code::SessionExpired,
            Failure::Refused(Refused::TooManyBans) => Code::Busy,
            Failure::Store(error) => error.code(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(refused) => refused.fmt(f),
            Failure::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        Failure::Refused(refused)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Store(error)
    }
}

/// What cannot be done as things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// An account has that name.
    NameTaken,
    /// Another record of its collection has that name.
    RecordNameTaken {
        /// Which of the request's changes would have taken it.
        change: usize,
    },
    /// There is no such account.
    NoAccount,
    /// `limits::BANS` are held already.
    TooManyBans,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::NameTaken | Refused::RecordNameTaken { .. } => "that name is taken",
            Refused::NoAccount => "there is no such account",
            Refused::TooManyBans => "too many bans are held",
        })
    }
}

/// What our own disk would not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// No space is left.
    DiskFull,
    /// The file or its folder cannot be written.
    ReadOnly,
    /// Another process holds the file.
    Locked,
    /// The file is damaged; what is in it that cannot be.
    Corrupt(String),
    /// Anything else that the disk or SQLite says.
    Io(String),
    /// More is under way than storage takes.
    Busy,
    /// The storage thread is gone.
    Gone,
}

impl StoreError {
    /// What it is counted as.
    pub fn name(&self) -> &'static str {
        match self {
            StoreError::DiskFull => "disk_full",
            StoreError::ReadOnly => "read_only",
            StoreError::Locked => "locked",
            StoreError::Corrupt(_) => "corrupt",
            StoreError::Io(_) => "io",
            StoreError::Busy => "busy",
            StoreError::Gone => "gone",
        }
    }

    /// What the client is told: `busy` where another moment may do, else `internal`.
    pub fn code(&self) -> Code {
        match self {
            StoreError::DiskFull | StoreError::Locked | StoreError::Busy => Code::Busy,
            StoreError::ReadOnly | StoreError::Corrupt(_) | StoreError::Io(_) | StoreError::Gone => {
                Code::Internal
            }
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::DiskFull => f.write_str("no space is left on the disk"),
            StoreError::ReadOnly => f.write_str("the database cannot be written"),
            StoreError::Locked => f.write_str("another process has locked the database"),
            StoreError::Corrupt(what) => write!(f, "the database is damaged: {what}"),
            StoreError::Io(what) => write!(f, "the database cannot be used: {what}"),
            StoreError::Busy => f.write_str("storage has too much to do"),
            StoreError::Gone => f.write_str("storage has ended"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Why a password was neither hashed nor compared: our own environment's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashError {
    /// What is stored is no hash: somebody has edited the file.
    Unreadable,
    /// No memory, or parameters that cannot be.
    Failed(String),
    /// More passwords wait than can be hashed in time.
    Busy,
    /// The hashing thread is gone.
    Gone,
}

impl HashError {
    /// What the client is told.
    pub fn code(&self) -> Code {
        match self {
            HashError::Busy => Code::Busy,
            HashError::Unreadable | HashError::Failed(_) | HashError::Gone => Code::Internal,
        }
    }
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HashError::Unreadable => f.write_str("a stored password hash cannot be read"),
            HashError::Failed(what) => write!(f, "hashing failed: {what}"),
            HashError::Busy => f.write_str("too many passwords wait to be hashed"),
            HashError::Gone => f.write_str("hashing has ended"),
        }
    }
}

impl std::error::Error for HashError {}
