//! Memory that will be read soon, asked for before it is needed.
//!
//! What is said to one player lies in a dozen places, and thousands of players do not fit into the caches: at each place the
//! processor waits for memory, unless it was asked before. It is a hint: where a processor (or the language, for that
//! processor) knows none, nothing happens, and nothing else is different.

/// Bytes of a cache line; where they are others, as many hints more or fewer are given than need be.
pub const LINE: usize = 64;

/// Has the cache lines fetched that `value` itself lies in, as many as it would fill from the start of the first; where it
/// begins in the midst of one its end may be left out. What it points to is not fetched.
#[inline]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = std::ptr::from_ref(value).cast::<i8>();
        for at in (0..size_of::<T>()).step_by(LINE) {
            #[expect(unsafe_code, reason = "the standard library has no other way to ask for it yet")]
            // SAFETY: PREFETCHT0 reads nothing and faults at no address.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at));
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
