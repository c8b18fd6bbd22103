//! Chance, in two kinds that never mix.
//!
//! [`Random`] is for the rules of a game: seeded, so that one seed gives one run. Nothing that grants access may come
//! from it. [`Secrets`] is for tokens, private ids and masks: ChaCha20 under a key of 32 bytes that the shell takes
//! from the operating system (the simulation passes fixed ones). Neither asks the system for anything itself.

use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_chacha::{ChaCha8Rng, ChaCha20Rng};

/// Chance for the rules: the same seed gives the same numbers on every machine.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The run of numbers that `seed` stands for.
    pub fn new(seed: u64) -> Random {
        Random(ChaCha8Rng::seed_from_u64(seed))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A whole number from 0 up to and without `end`; 0 where `end` is 0.
    ///
    /// Lemire's multiply-shift ("Fast Random Integer Generation in an Interval", 2019) without its rejection step: the
    /// bias is below `end / 2^64`, which no game can notice.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// A number from 0 up to and without 1, with 24 random bits.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// A number from `low` up to and without `high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// True with probability `p`; never for `p <= 0`, always for `p >= 1`.
    pub fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }
}

/// Secrets that nobody can guess: the source of everything that grants access.
pub struct Secrets(ChaCha20Rng);

impl Secrets {
    /// A generator under `key`, 32 bytes from the operating system.
    pub fn new(key: [u8; 32]) -> Secrets {
        Secrets(ChaCha20Rng::from_seed(key))
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.0.fill_bytes(&mut out);
        out
    }

    /// A masking key for one frame of a WebSocket client (RFC 6455 section 5.3).
    pub fn mask(&mut self) -> [u8; 4] {
        self.bytes()
    }
}

impl std::fmt::Debug for Secrets {
    /// Never shows the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_one_run() {
        let run = |seed| {
            let mut r = Random::new(seed);
            (0..64).map(|_| r.bits()).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn the_numbers_of_a_seed_never_change() {
        // A recorded run is replayed by a later version: these may not move.
        assert_eq!(Random::new(1).bits(), Random::new(1).bits());
        let mut r = Random::new(1);
        let first: Vec<u64> = (0..3).map(|_| r.below(1000)).collect();
        assert_eq!(first, GOLDEN);
    }
    const GOLDEN: [u64; 3] = [402, 80, 596];

    #[test]
    fn ranges_hold() {
        let mut r = Random::new(3);
        assert_eq!(r.below(0), 0);
        for _ in 0..10_000 {
            assert!(r.below(7) < 7);
            assert!((0.0..1.0).contains(&r.unit()));
            assert!((-2.0..3.0).contains(&r.between(-2.0, 3.0)));
        }
        assert!(!r.chance(0.0));
        assert!(r.chance(1.0));
    }

    #[test]
    fn secrets_differ_and_do_not_print() {
        let mut s = Secrets::new([1; 32]);
        assert_ne!(s.bytes::<32>(), s.bytes::<32>());
        assert_eq!(format!("{s:?}"), "Secrets");
    }
}
