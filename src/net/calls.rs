//! How often the loop has asked the system for something: the figure that says what a message costs.

/// System calls of an [`EventLoop`](super::EventLoop) since it was bound. What is asked once for each connection
/// (accept, options, close) is not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Waits for events, those that did not wait included.
    pub polls: u64,
    /// Reads from sockets, whatever they found.
    pub reads: u64,
    /// Writes to sockets, whatever was taken.
    pub writes: u64,
    /// Changes of what is waited for: one for each connection.
    pub registrations: u64,
}
