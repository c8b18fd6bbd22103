//! What SQLite says, as whose fault it is.

use crate::account::StoreError;
use rusqlite::{Error, ErrorCode};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a database was not opened: the host's to mend. One line each, with the file's name.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no database in that folder.
    Missing(PathBuf),
    /// The folder cannot be made, or nothing can be written in it.
    Folder(PathBuf, io::Error),
    /// Another server has that folder.
    InUse(PathBuf),
    /// The file is a database of some other program.
    Foreign(PathBuf),
    /// A newer version of this program has written it.
    Newer {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The file is damaged, locked, or cannot be read or written.
    Store(PathBuf, StoreError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Missing(file) => write!(f, "{}: there is no database", file.display()),
            OpenError::Folder(folder, error) => write!(f, "data_dir {}: {error}", folder.display()),
            OpenError::InUse(folder) => {
                write!(f, "data_dir {}: another server has it in use", folder.display())
            }
            OpenError::Foreign(file) => write!(f, "{}: not a database of Evertick", file.display()),
            OpenError::Newer { file, version, known } => write!(
                f,
                "{}: written by a newer Evertick (version {version}; this one knows versions up to {known})",
                file.display()
            ),
            OpenError::Store(file, error) => write!(f, "{}: {error}", file.display()),
        }
    }
}

impl std::error::Error for OpenError {}

/// Our own name for what SQLite says.
pub(super) fn store_error(error: &Error) -> StoreError {
    let Some(code) = error.sqlite_error_code() else {
        return match error {
            // A column holds what its type or its reader cannot be: the file is not as we wrote it.
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..) => StoreError::Corrupt(error.to_string()),
            _ => StoreError::Io(error.to_string()),
        };
    };
    match code {
        ErrorCode::DiskFull => StoreError::DiskFull,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::ReadOnly,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            StoreError::Locked
        }
        ErrorCode::DatabaseCorrupt => StoreError::Corrupt(error.to_string()),
        ErrorCode::NotADatabase => StoreError::Corrupt("it is not a SQLite database".to_owned()),
        _ => StoreError::Io(error.to_string()),
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> StoreError {
        store_error(&error)
    }
}

/// Whether a name or a key was there already.
pub(super) fn is_unique_conflict(error: &Error) -> bool {
    const UNIQUE: i32 = rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE;
    matches!(error, Error::SqliteFailure(failure, _) if failure.extended_code == UNIQUE)
}
