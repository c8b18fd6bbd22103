//! What an embedder may set about sockets.

use crate::limits;

/// The settings of an [`EventLoop`](super::EventLoop).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Length of the kernel's queue of connections that are established but not yet accepted; the system may cut it
    /// to its own bound. Default [`limits::ACCEPT_BACKLOG`].
    pub backlog: i32,
    /// Bytes not yet sent that the kernel may hold for one socket before it says that the socket is full
    /// (`TCP_NOTSENT_LOWAT`, Linux and Android). Low: what a slow peer gets is fresh, and its backlog is visible to
    /// the service instead of aging in the kernel. `None`: as much as the kernel's send buffer takes, which is best
    /// for bulk. Default [`limits::NOTSENT_LOWAT`].
    pub notsent_lowat: Option<u32>,
    /// How many writes are made, one for each connection as a rule, before the loop looks for input again: what a ping's answer
    /// waits for behind a broadcast. Each look is one system call more. Default [`limits::FLUSH_SLICE`]; 0 counts as 1.
    pub flush_slice: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            backlog: limits::ACCEPT_BACKLOG,
            notsent_lowat: Some(limits::NOTSENT_LOWAT),
            flush_slice: limits::FLUSH_SLICE,
        }
    }
}
