//! Making, choosing and deleting characters, over packets and over HTTP.
//!
//! Each of the three is a durable operation: it is checked and reserved when it is asked for, and applied and answered
//! only when its commit is reported. Until then, and where the commit fails, nothing has happened. The world's founding
//! goes the same way.

use super::characters::{Claim, Wish};
use super::effects::Effects;
use super::kept::{self, KeptAccount, KeptCharacter, KeptIds, KeptWorld};
use super::naming;
use super::packets::{Out, Sheet};
use super::play::Play;
use crate::engine::{Asker, Commit, CommitId, NotKept, Refusal};
use crate::ids::{AccountId, PlayerId};
use crate::packet::Code;

/// A commit under way, and what is to be done when it is reported.
#[derive(Debug)]
pub(super) enum Operation {
    /// The world begins.
    Found(KeptWorld),
    /// A character is made.
    Create { asker: Asker, id: u32, character: KeptCharacter },
    /// An account chooses who enters the world: on the asking player's connection where it asks with a packet.
    Select { asker: Asker, account: AccountId, id: u32, on: Option<PlayerId> },
    /// A character goes for good.
    Delete { asker: Asker, id: u32 },
}

/// After how long what could not be founded is tried again, seconds.
const FOUND_AGAIN_S: f32 = 10.0;

impl Play {
    /// Somebody would like another character.
    pub(super) fn create(
        &mut self,
        fx: &mut impl Effects,
        account: AccountId,
        wish: &Wish,
    ) -> Result<(), Refusal> {
        let (id, character) = self.characters.reserve(account, wish, &self.world)?;
        let name = naming::folded(&character.name);
        let ids = KeptIds { last_character: id };
        let commit = Commit::new().put_named(kept::CHARACTER, id, &name, kept::VERSION, &character).put(
            kept::WORLD,
            kept::WORLD_IDS,
            kept::VERSION,
            &ids,
        );
        let asker = fx.asker();
        self.begin(fx, commit, Operation::Create { asker, id, character });
        Ok(())
    }

    /// An account would like that character to enter the world.
    pub(super) fn select(
        &mut self,
        fx: &mut impl Effects,
        account: AccountId,
        id: u32,
        on: Option<PlayerId>,
    ) -> Result<(), Refusal> {
        self.characters.owned(account, id)?;
        self.characters.claim(id, Claim::Selecting)?;
        let choice = KeptAccount { selected: Some(id) };
        let commit = Commit::new().put(kept::ACCOUNT, account.0, kept::VERSION, &choice);
        let asker = fx.asker();
        self.begin(fx, commit, Operation::Select { asker, account, id, on });
        Ok(())
    }

    /// An account would like to be rid of a character.
    pub(super) fn delete(
        &mut self,
        fx: &mut impl Effects,
        account: AccountId,
        id: u32,
    ) -> Result<(), Refusal> {
        self.characters.owned(account, id)?;
        if self.players.slot(PlayerId(id)).is_some() {
            return Err(Refusal::new(Code::Conflict, "this character is in the world"));
        }
        self.characters.claim(id, Claim::Deleting)?;
        let asker = fx.asker();
        self.begin(fx, Commit::new().delete(kept::CHARACTER, id), Operation::Delete { asker, id });
        Ok(())
    }

    /// Has the world begin, where it has not.
    pub(super) fn found(&mut self, fx: &mut impl Effects) {
        if let Some((world, commit)) = self.state.founding(fx.wall()) {
            self.begin(fx, commit, Operation::Found(world));
        }
    }

    fn begin(&mut self, fx: &mut impl Effects, commit: Commit, operation: Operation) {
        let id = fx.commit(commit);
        self.operations.insert(id, operation);
    }

    /// A commit is reported.
    pub(super) fn committed(
        &mut self,
        fx: &mut impl Effects,
        commit: CommitId,
        outcome: Result<Vec<u64>, NotKept>,
    ) {
        match (self.operations.remove(&commit), outcome) {
            (Some(operation), Ok(_)) => self.apply(fx, operation),
            (Some(operation), Err(why)) => self.drop_reservation(fx, operation, why.refusal()),
            (None, _) => debug_assert!(false, "{commit:?} is nobody's"),
        }
    }

    fn apply(&mut self, fx: &mut impl Effects, operation: Operation) {
        match operation {
            Operation::Found(world) => self.state.found(world),
            Operation::Create { asker, id, character } => {
                self.characters.made(id, character);
                self.answer_character(fx, asker, 201, id);
            }
            Operation::Select { asker, account, id, on } => {
                self.characters.release(id);
                self.characters.select(account, id);
                self.answer_character(fx, asker, 200, id);
                self.bring_in(fx, account, id, on);
            }
            Operation::Delete { asker, id } => {
                self.characters.release(id);
                self.characters.delete(id);
                fx.done(asker);
            }
        }
    }

    fn drop_reservation(&mut self, fx: &mut impl Effects, operation: Operation, refusal: Refusal) {
        let asker = match operation {
            Operation::Found(_) => {
                self.found_again = Some(fx.clock().tick.0 + fx.clock().ticks(FOUND_AGAIN_S));
                return;
            }
            Operation::Create { asker, character, .. } => {
                self.characters.unmade(&character);
                asker
            }
            Operation::Select { asker, id, .. } | Operation::Delete { asker, id } => {
                self.characters.release(id);
                asker
            }
        };
        fx.refuse(asker, refusal);
    }

    /// Has the chosen character enter the world: on the connection that asked, or, where that was over HTTP, on the newest
    /// of the account's that waits in the lobby, unless the character is in the world already.
    fn bring_in(&mut self, fx: &mut impl Effects, account: AccountId, id: u32, on: Option<PlayerId>) {
        let player = PlayerId(id);
        let waiting = || {
            let absent = self.players.slot(player).is_none();
            self.lobby
                .iter()
                .rev()
                .find(|&(_, &whose)| absent && whose == account)
                .map(|(&waiting, _)| waiting)
        };
        let Some(from) = on.or_else(waiting).filter(|&from| from != player) else { return };
        if let Some(character) = self.characters.get(id) {
            fx.become_player(from, player, &character.name);
        }
    }

    /// Somebody of an account comes into the lobby. Where the account has chosen since it was let in, over HTTP and while
    /// this connection stood in the line of arrivals, its character enters now.
    pub(super) fn wait_in_lobby(&mut self, fx: &mut impl Effects, player: PlayerId, account: AccountId) {
        self.lobby.insert(player, account);
        if let Some(id) = self.characters.selected(account) {
            self.bring_in(fx, account, id, None);
        }
    }

    /// Answers with a character: in full to a packet, as lists have it to a request.
    fn answer_character(&mut self, fx: &mut impl Effects, asker: Asker, status: u16, id: u32) {
        // Where it is in the world, what the table has of it is as old as its last saving.
        self.remember(PlayerId(id));
        if asker.is_call() {
            match self.characters.told(id, &self.world) {
                Some(told) => fx.answer(asker, status, &told),
                None => fx.done(asker),
            }
        } else if let Some(sheet) = self.sheet(id) {
            fx.reply_to(asker, &Out::CharacterUpdate(Box::new(sheet)));
        }
    }

    fn sheet(&self, id: u32) -> Option<Sheet> {
        let character = self.characters.get(id)?;
        let selected = self.characters.selected(character.account) == Some(id);
        let life = character.life(&self.world);
        let location = character.location(&self.world);
        Some(Sheet::new(PlayerId(id), &character.character(), life, location, selected))
    }
}
