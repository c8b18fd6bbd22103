//! Memory that is free inside the process, given back to the system.
//!
//! glibc gives back by itself only what is free at the end of its heap, and keeps up to seven freed pieces of each small
//! size wherever they lie. Where a burst of newcomers was, a few hundred such pieces stand between what is free: of 7.1 MB
//! that 10,000 guests who stand still had left in the heap, 5.7 MB were free, and none of it went back. Asked for it, glibc
//! returns every whole page: 1,100 bytes of resident memory for each guest in place of 1,580 (`benches/rows.py joined`).
//!
//! There is `unsafe` for one foreign function that is given a number and touches nothing of ours.

/// Gives whole free pages back to the system. It takes about a millisecond for each megabyte where they lie singly, a tenth of
/// that where most of the heap is free (25 ms for 256 MB), and other threads wait with what they allocate meanwhile. Whether
/// anything went back: never where the C library is not glibc.
pub fn give_back_memory() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "no crate wraps it; see the module's documentation for what it gains")]
        // SAFETY: malloc_trim(3) takes no pointer, is MT-Safe, and frees no memory that is in use.
        let gave = unsafe { libc::malloc_trim(0) };
        gave == 1
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;
    use crate::net::resident_bytes;

    #[test]
    fn what_is_free_between_what_is_not_goes_back() {
        // 64 MiB in pieces of less than a page, of which one in 256 stays: one in each MiB.
        let pieces: Vec<Vec<u8>> = (0..1 << 14).map(|_| vec![1; 4000]).collect();
        let kept: Vec<Vec<u8>> = pieces
            .into_iter()
            .enumerate()
            .filter_map(|(at, piece)| (at % 256 == 0).then_some(piece))
            .collect();
        let before = resident_bytes().unwrap();
        assert!(give_back_memory());
        let after = resident_bytes().unwrap();
        assert!(before.saturating_sub(after) > 32 << 20, "{before} bytes became {after}");
        assert!(kept.iter().all(|piece| piece.iter().all(|&byte| byte == 1)));
    }
}
