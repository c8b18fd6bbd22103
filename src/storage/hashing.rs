//! Argon2id: slow on purpose, so that guessing is.

use crate::account::{HashError, Hashed, Hasher, Password, PasswordHash, Work};
use argon2::password_hash::phc::{self, Output};
use argon2::{Algorithm, Argon2, Block, Params, Version};
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

/// A [`Hasher`] of one lane (RFC 9106). Its memory is kept from one hash to the next and given back when there has been none for a
/// while: to map, zero and unmap 19 MiB for each of fifty logins a second would keep the kernel from the tick's core.
pub struct Argon2id {
    argon2: Argon2<'static>,
    memory: Vec<Block>,
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
        let mut memory = Vec::new();
        let decoy = hash(&argon2, &mut memory, b"no account has this hash", [0; 16]);
        let decoy = decoy.map_err(|error| BadCost(error.to_string()))?;
        Ok(Argon2id { argon2, memory, decoy })
    }

    fn verify(&mut self, password: &Password, against: &PasswordHash) -> Result<bool, HashError> {
        let stored = phc::PasswordHash::new(against.expose()).map_err(|_| HashError::Unreadable)?;
        // Without these two there is nothing to compare, which the verifier would call a wrong password.
        let (Some(salt), Some(right)) = (stored.salt, stored.hash) else { return Err(HashError::Unreadable) };
        let argon2 = as_stored(&stored).ok_or(HashError::Unreadable)?;
        let mut output = [0; Output::MAX_LENGTH];
        let output = &mut output[..right.len()];
        compute(&argon2, &mut self.memory, password.expose(), &salt, output)?;
        // Outputs compare in constant time.
        Ok(Output::new(output).is_ok_and(|output| output == right))
    }
}

impl Hasher for Argon2id {
    fn work(&mut self, work: &Work) -> Result<Hashed, HashError> {
        match work {
            Work::Hash { password, salt } => {
                hash(&self.argon2, &mut self.memory, password.expose(), *salt).map(Hashed::Hash)
            }
            Work::Verify { password, against: Some(hash) } => {
                self.verify(password, hash).map(Hashed::Verified)
            }
            Work::Verify { password, against: None } => {
                let decoy = self.decoy.clone();
                self.verify(password, &decoy).map(|_| Hashed::Verified(false))
            }
        }
    }

    fn rest(&mut self) {
        self.memory = Vec::new();
    }
}

impl fmt::Debug for Argon2id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argon2id").field("params", self.argon2.params()).finish_non_exhaustive()
    }
}

/// What a stored hash was made with; `None` where it says nothing that there is.
fn as_stored(stored: &phc::PasswordHash) -> Option<Argon2<'static>> {
    let algorithm = Algorithm::try_from(stored.algorithm.as_str()).ok()?;
    let version = stored.version.map_or(Some(Version::default()), |number| Version::try_from(number).ok())?;
    Some(Argon2::new(algorithm, version, Params::try_from(stored).ok()?))
}

fn hash(
    argon2: &Argon2<'_>,
    memory: &mut Vec<Block>,
    password: &[u8],
    salt: [u8; 16],
) -> Result<PasswordHash, HashError> {
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    compute(argon2, memory, password, &salt, &mut output)?;
    let failed = |error: String| HashError::Failed(error);
    let hash = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::default().into()),
        params: phc::ParamsString::try_from(argon2.params()).map_err(|error| failed(error.to_string()))?,
        salt: Some(phc::Salt::new(&salt).map_err(|error| failed(error.to_string()))?),
        hash: Some(Output::new(&output).map_err(|error| failed(error.to_string()))?),
    };
    Ok(PasswordHash::new(hash.to_string()))
}

/// Blocks that room is asked for at least, one more than 32 MiB; what is not touched of them costs nothing. glibc takes what a
/// program maps and gives back, up to 32 MiB, for a size that it had better keep: from then on nothing smaller is mapped, and
/// what the whole process frees, up to twice as much, is no longer given back (mallopt(3), M_MMAP_THRESHOLD).
const UNNOTICED: usize = (32 << 20) / Block::SIZE + 1;

/// One hash, in memory that grows to what it takes.
fn compute(
    argon2: &Argon2<'_>,
    memory: &mut Vec<Block>,
    password: &[u8],
    salt: &[u8],
    output: &mut [u8],
) -> Result<(), HashError> {
    let failed = |error: String| HashError::Failed(error);
    let blocks = argon2.params().block_count();
    if blocks > memory.len() {
        let more = blocks.max(UNNOTICED) - memory.len();
        memory.try_reserve_exact(more).map_err(|error| failed(error.to_string()))?;
        memory.resize(blocks, Block::new());
    }
    argon2
        .hash_password_into_with_memory(password, salt, output, &mut memory[..blocks])
        .map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::PasswordHasher;

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

    /// What is kept of the hash before must not show in the next.
    #[test]
    fn memory_that_is_kept_changes_nothing() {
        let password = |text| Password::new(text).expect("long enough");
        let hash_of = |hasher: &mut Argon2id, text| {
            let work = Work::Hash { password: password(text), salt: [9; 16] };
            let Ok(Hashed::Hash(hash)) = hasher.work(&work) else { panic!("there is memory") };
            hash
        };
        let cost = Cost { memory_kib: 64, passes: 2 };
        let mut hasher = Argon2id::new(cost).expect("a cost");
        let first = hash_of(&mut hasher, "correct horse");
        let mut dearer = Argon2id::new(Cost { memory_kib: 128, passes: 1 }).expect("a cost");
        let other = hash_of(&mut dearer, "battery staple");
        let verify = |text, against: &PasswordHash| Work::Verify {
            password: password(text),
            against: Some(against.clone()),
        };
        for _ in 0..2 {
            assert_eq!(
                hasher.work(&verify("battery staple", &other)),
                Ok(Hashed::Verified(true)),
                "of more memory"
            );
            assert_eq!(hasher.work(&verify("correct horse", &other)), Ok(Hashed::Verified(false)));
            assert_eq!(hasher.work(&verify("correct horse", &first)), Ok(Hashed::Verified(true)));
            assert_eq!(hash_of(&mut hasher, "correct horse"), first);
            hasher.rest();
            assert!(hasher.memory.is_empty());
        }
        // What the crate itself makes of it is the same.
        let argon2 = Argon2::from(Params::new(64, 2, 1, None).expect("a cost"));
        let theirs: phc::PasswordHash =
            PasswordHasher::hash_password_with_salt(&argon2, b"correct horse", &[9; 16]).expect("memory");
        assert_eq!(theirs.to_string(), first.expose());
    }

    #[test]
    fn secrets_are_not_printed() {
        let hasher = Argon2id::new(Cost { memory_kib: 8, passes: 1 }).expect("a cost");
        assert!(!format!("{hasher:?}").contains("argon2id$"), "{hasher:?}");
    }
}
