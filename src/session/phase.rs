//! The life of a peer in one table.
//!
//! | phase | what the peer may send | ends by |
//! | --- | --- | --- |
//! | [`Phase::Http`] | requests, one of which may be the upgrade | upgrade, head deadline, `Connection: close` |
//! | [`Phase::Auth`] | `auth_request` first | auth, `auth_timeout_ms` |
//! | [`Phase::Playing`] | packets | `disconnect`, Close, silence, refusals |
//! | [`Phase::Closing`] | anything; it is discarded | everything written |
//!
//! The upgrade is decided in the turn in which its head is complete, so that there is no phase between the first two.

/// Where a peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It speaks HTTP.
    Http,
    /// It speaks WebSocket and has not said who it is.
    Auth,
    /// It is a player.
    Playing,
    /// It has been told why it is closed, or left by itself; what is left to write is written.
    Closing,
}

/// What moves a peer on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The handshake was accepted.
    Upgraded,
    /// It said who it is, and it may come in.
    Authenticated,
    /// It leaves, or is made to.
    Finish,
}

impl Phase {
    /// Every phase, in the order of a life.
    pub const ALL: [Phase; 4] = [Phase::Http, Phase::Auth, Phase::Playing, Phase::Closing];

    /// The phase that follows; `None` where the step has no place there. Nothing leads out of [`Phase::Closing`].
    pub const fn after(self, step: Step) -> Option<Phase> {
        match (self, step) {
            (Phase::Http, Step::Upgraded) => Some(Phase::Auth),
            (Phase::Auth, Step::Authenticated) => Some(Phase::Playing),
            (Phase::Http | Phase::Auth | Phase::Playing, Step::Finish) => Some(Phase::Closing),
            _ => None,
        }
    }

    /// Whether what goes to the peer are WebSocket frames.
    pub const fn is_websocket(self) -> bool {
        matches!(self, Phase::Auth | Phase::Playing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        use Phase::*;
        let row = |step| Phase::ALL.map(|phase| phase.after(step));
        assert_eq!(row(Step::Upgraded), [Some(Auth), None, None, None]);
        assert_eq!(row(Step::Authenticated), [None, Some(Playing), None, None]);
        assert_eq!(row(Step::Finish), [Some(Closing), Some(Closing), Some(Closing), None]);
    }
}
