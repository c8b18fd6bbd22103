//! All characters of all accounts, whether they are in the world or not, and what is reserved of them.
//!
//! A table and its rules, nothing else. What changes for good goes through three steps: it is **reserved** here, committed by
//! `choosing.rs`, and then **applied** here or its reservation dropped. So two requests never promise the same name, the
//! same last place of five, or a character that is about to be gone.
//!
//! Invariant: `names` has the folded name of every character, and of every one that is being made, once.

use super::character::{Class, Faction};
use super::kept::{KeptAccount, KeptCharacter};
use super::naming;
use super::world::World;
use crate::engine::Refusal;
use crate::ids::{AccountId, PlayerId};
use crate::packet::{self, Code};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What somebody would like its character to be.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Wish {
    pub(super) name: String,
    pub(super) faction: Faction,
    pub(super) class: Class,
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Characters {
    all: BTreeMap<u32, KeptCharacter>,
    accounts: BTreeMap<AccountId, Account>,
    /// Asked about, never iterated.
    names: HashSet<String>,
    /// Those about which something is under way.
    claimed: BTreeMap<u32, Claim>,
    /// The newest id.
    last: u32,
}

/// An account's characters.
#[derive(Debug, Default)]
struct Account {
    characters: BTreeSet<u32>,
    /// How many are being made.
    making: usize,
    /// The one that enters the world; it may be gone.
    selected: Option<u32>,
}

/// What is under way about a character.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claim {
    /// It is being chosen.
    Selecting,
    /// It is being deleted.
    Deleting,
}

impl Characters {
    /// Takes a character that was kept.
    pub(super) fn load(&mut self, id: u32, character: KeptCharacter) {
        self.last = self.last.max(id);
        self.names.insert(naming::folded(&character.name));
        self.accounts.entry(character.account).or_default().characters.insert(id);
        self.all.insert(id, character);
    }

    /// Takes what an account had chosen.
    pub(super) fn load_account(&mut self, account: AccountId, KeptAccount { selected }: KeptAccount) {
        self.accounts.entry(account).or_default().selected = selected;
    }

    /// No id up to this one is given out again.
    pub(super) fn load_last(&mut self, last: u32) {
        self.last = self.last.max(last);
    }

    // -------------------------------------------------------------------------------------------------- looking

    pub(super) fn get(&self, id: u32) -> Option<&KeptCharacter> {
        self.all.get(&id)
    }

    /// The character, where it is the account's.
    ///
    /// # Errors
    /// `not_found`, whether it is somebody else's or nobody's.
    pub(super) fn owned(&self, account: AccountId, id: u32) -> Result<&KeptCharacter, Refusal> {
        let own = self.all.get(&id).filter(|character| character.account == account);
        own.ok_or_else(|| Refusal::new(Code::NotFound, "you have no such character"))
    }

    /// Which of an account's enters the world: the one that it has chosen, where that is there to stay.
    pub(super) fn selected(&self, account: AccountId) -> Option<u32> {
        let id = self.accounts.get(&account)?.selected?;
        (self.all.contains_key(&id) && !self.is_going(id)).then_some(id)
    }

    /// An account's characters as lists show them, oldest first.
    pub(super) fn list(&self, account: AccountId, world: &World) -> Vec<packet::Character> {
        let ids = self.accounts.get(&account).into_iter().flat_map(|account| &account.characters);
        ids.filter_map(|&id| self.told(id, world)).collect()
    }

    /// A character as lists show it.
    pub(super) fn told(&self, id: u32, world: &World) -> Option<packet::Character> {
        let character = self.all.get(&id)?;
        Some(packet::Character {
            id,
            name: character.name.clone(),
            faction: character.faction.name().to_owned(),
            class: character.class.name().to_owned(),
            level: character.level,
            location_id: character.location(world).0,
            selected: self.selected(character.account) == Some(id),
        })
    }

    /// Whether a character has that name, or will.
    pub(super) fn has_name(&self, name: &str) -> bool {
        self.names.contains(&naming::folded(name))
    }

    /// Whether a character is being deleted.
    pub(super) fn is_going(&self, id: u32) -> bool {
        self.claimed.get(&id) == Some(&Claim::Deleting)
    }

    // ------------------------------------------------------------------------------------------ reserving, applying

    /// Reserves a name, a place among the account's, and an id.
    ///
    /// # Errors
    /// `invalid`: no character can be called that. `conflict`: the name is taken, or the account has as many as it may.
    pub(super) fn reserve(
        &mut self,
        account: AccountId,
        wish: &Wish,
        world: &World,
    ) -> Result<(u32, KeptCharacter), Refusal> {
        let name = naming::name(&wish.name)?;
        if self.has_name(name) {
            return Err(Refusal::new(Code::Conflict, "that name is taken"));
        }
        let next = self.last.checked_add(1).filter(|&id| id < PlayerId::FIRST_GUEST);
        let next = next.ok_or_else(|| Refusal::new(Code::Busy, "this world has no more ids"))?;
        let most = world.rules.characters;
        let owner = self.accounts.entry(account).or_default();
        if owner.characters.len() + owner.making >= most {
            return Err(Refusal::new(Code::Conflict, format!("an account has at most {most} characters")));
        }
        owner.making += 1;
        self.last = next;
        self.names.insert(naming::folded(name));
        Ok((next, KeptCharacter::new(account, name, wish.faction, wish.class, world)))
    }

    /// The reserved character is on disk.
    pub(super) fn made(&mut self, id: u32, character: KeptCharacter) {
        self.unmade(&character);
        self.load(id, character);
    }

    /// The reserved character came to nothing.
    pub(super) fn unmade(&mut self, character: &KeptCharacter) {
        self.names.remove(&naming::folded(&character.name));
        if let Some(owner) = self.accounts.get_mut(&character.account) {
            owner.making = owner.making.saturating_sub(1);
        }
    }

    /// Has nobody else change anything about a character until [`Characters::release`].
    ///
    /// # Errors
    /// `busy`: somebody else does.
    pub(super) fn claim(&mut self, id: u32, claim: Claim) -> Result<(), Refusal> {
        if self.claimed.contains_key(&id) {
            let refusal = Refusal::new(Code::Busy, "this character is being changed already");
            return Err(refusal.retry_after(CLAIMED_MS));
        }
        self.claimed.insert(id, claim);
        Ok(())
    }

    /// Nothing is under way about it any more.
    pub(super) fn release(&mut self, id: u32) {
        self.claimed.remove(&id);
    }

    /// The choice is on disk.
    pub(super) fn select(&mut self, account: AccountId, id: u32) {
        self.accounts.entry(account).or_default().selected = Some(id);
    }

    /// The character is gone from the disk.
    pub(super) fn delete(&mut self, id: u32) {
        let Some(character) = self.all.remove(&id) else { return };
        self.names.remove(&naming::folded(&character.name));
        if let Some(owner) = self.accounts.get_mut(&character.account) {
            owner.characters.remove(&id);
        }
    }

    /// The character is now so; nothing for one that is not there.
    pub(super) fn update(&mut self, id: u32, character: KeptCharacter) {
        if let Some(place) = self.all.get_mut(&id) {
            *place = character;
        }
    }
}

/// After how long it is worth asking again about a character that is being changed, milliseconds: a commit's time.
const CLAIMED_MS: u32 = 200;
