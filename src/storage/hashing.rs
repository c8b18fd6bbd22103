//! Argon2id: slow on purpose, so that guessing is.

use crate::account::{HashError, Hashed, Hasher, Password, PasswordHash, Work};
use argon2::password_hash::phc;
use argon2::password_hash::{Error, PasswordHasher, PasswordVerifier};
use argon2::{Argon2, Params};
use std::fmt;

/// What one hash costs. Stored hashes carry what they cost: a change is for passwords hashed from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
}

impl Default for Cost {
    /// 19 MiB, 2 passes, 1 lane: the least that OWASP's Password Storage Cheat Sheet asks of Argon2id.
    fn default() -> Cost {
        Cost { memory_kib: 19_456, passes: 2 }
    }
}

/// A cost that Argon2 does not have: the host's to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadCost(String);

impl fmt::Display for BadCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "passwords cannot be hashed at that cost: {}", self.0)
    }
}

impl std::error::Error for BadCost {}

/// A [`Hasher`] of one lane (RFC 9106). Its memory is taken for each hash and given back.
pub struct Argon2id {
    argon2: Argon2<'static>,
    /// What nobody's password is compared with, where there is no account: so that it takes as long.
    decoy: PasswordHash,
}

impl Argon2id {
    /// Makes ready, which takes as long as one hash.
    ///
    /// # Errors
    /// Argon2 has no such cost: at least 8 KiB and 1 pass; or the memory is not there.
    pub fn new(cost: Cost) -> Result<Argon2id, BadCost> {
        let params = Params::new(cost.memory_kib, cost.passes, 1, None);
        let argon2 = Argon2::from(params.map_err(|error| BadCost(error.to_string()))?);
        let decoy = hash(&argon2, b"no account has this hash", [0; 16]);
        let decoy = decoy.map_err(|error| BadCost(error.to_string()))?;
        Ok(Argon2id { argon2, decoy })
    }

    fn verify(&self, password: &Password, against: &PasswordHash) -> Result<bool, HashError> {
        let stored = phc::PasswordHash::new(against.expose()).map_err(|_| HashError::Unreadable)?;
        // Without these two there is nothing to compare, which the verifier would call a wrong password.
        if stored.salt.is_none() || stored.hash.is_none() {
            return Err(HashError::Unreadable);
        }
        match self.argon2.verify_password(password.expose(), &stored) {
            Ok(()) => Ok(true),
            Err(Error::PasswordInvalid) => Ok(false),
            Err(Error::OutOfMemory) => Err(HashError::Failed(Error::OutOfMemory.to_string())),
            Err(_) => Err(HashError::Unreadable),
        }
    }
}

impl Hasher for Argon2id {
    fn work(&mut self, work: &Work) -> Result<Hashed, HashError> {
        match work {
            Work::Hash { password, salt } => hash(&self.argon2, password.expose(), *salt).map(Hashed::Hash),
            Work::Verify { password, against: Some(hash) } => {
                self.verify(password, hash).map(Hashed::Verified)
            }
            Work::Verify { password, against: None } => {
                self.verify(password, &self.decoy).map(|_| Hashed::Verified(false))
            }
        }
    }
}

impl fmt::Debug for Argon2id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argon2id").field("params", self.argon2.params()).finish_non_exhaustive()
    }
}

fn hash(argon2: &Argon2<'_>, password: &[u8], salt: [u8; 16]) -> Result<PasswordHash, HashError> {
    let hash: Result<phc::PasswordHash, Error> = argon2.hash_password_with_salt(password, &salt);
    let hash = hash.map_err(|error| HashError::Failed(error.to_string()))?;
    Ok(PasswordHash::new(hash.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything of a hash but its salt and its output: what it cost.
    fn cost_of(hash: &PasswordHash) -> String {
        let fields: Vec<&str> = hash.expose().split('$').collect();
        fields[..4].join("$")
    }

    #[test]
    fn nobody_s_password_costs_as_much_as_somebody_s() {
        let mut hasher = Argon2id::new(Cost { memory_kib: 64, passes: 3 }).expect("a cost");
        let password = Password::new("correct horse").expect("long enough");
        let Ok(Hashed::Hash(hash)) = hasher.work(&Work::Hash { password, salt: [1; 16] }) else {
            panic!("there is memory")
        };
        assert_eq!(cost_of(&hash), "$argon2id$v=19$m=64,t=3,p=1");
        assert_eq!(cost_of(&hasher.decoy), cost_of(&hash));
    }

    #[test]
    fn secrets_are_not_printed() {
        let hasher = Argon2id::new(Cost { memory_kib: 8, passes: 1 }).expect("a cost");
        assert!(!format!("{hasher:?}").contains("argon2id$"), "{hasher:?}");
    }
}
