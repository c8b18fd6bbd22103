//! The life of a peer in one table.
//!
//! | phase | what the peer may send | ends by |
//! | --- | --- | --- |
//! | [`Phase::Http`] | requests, one of which may be the upgrade | upgrade, head deadline, `Connection: close` |
//! | [`Phase::Auth`] | `auth_request` first | auth, `auth_timeout_ms` |
//! | [`Phase::Playing`] | packets | `disconnect`, Close, silence, refusals |
//! | [`Phase::Lingering`] | nothing: its connection is lost | resume, `resume_grace_ms` |
//! | [`Phase::Closing`] | anything; it is discarded | everything written |
//!
//! Who lingers is a player without a connection: what it came by has gone on to [`Phase::Closing`] by itself, and what
//! it comes back by is another, in [`Phase::Auth`].
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
    /// Its connection is lost, and the player is expected back.
    Lingering,
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
    /// Its connection is lost.
    Lost,
    /// It leaves, or is made to.
    Finish,
}

impl Phase {
    /// Every phase, in the order of a life.
    pub const ALL: [Phase; 5] = [Phase::Http, Phase::Auth, Phase::Playing, Phase::Lingering, Phase::Closing];

    /// The phase that follows; `None` where the step has no place there. Nothing leads out of [`Phase::Closing`], and who
    /// lingers comes back as another session.
    pub const fn after(self, step: Step) -> Option<Phase> {
        match (self, step) {
            (Phase::Http, Step::Upgraded) => Some(Phase::Auth),
            (Phase::Auth, Step::Authenticated) => Some(Phase::Playing),
            (Phase::Playing, Step::Lost) => Some(Phase::Lingering),
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
        assert_eq!(row(Step::Upgraded), [Some(Auth), None, None, None, None]);
        assert_eq!(row(Step::Authenticated), [None, Some(Playing), None, None, None]);
        assert_eq!(row(Step::Lost), [None, None, Some(Lingering), None, None]);
        assert_eq!(row(Step::Finish), [Some(Closing), Some(Closing), Some(Closing), None, None]);
    }
}
