//! Storage as the server has it: opened before anybody may come, then errands out and answers back, once a turn.
//!
//! Without the feature `storage`, or without a folder for it, nothing is kept: whoever wants an account is told `not_ready`,
//! and games run on.

#[cfg(feature = "storage")]
pub(super) use with_storage::Keeping;
#[cfg(not(feature = "storage"))]
pub(super) use without_storage::Keeping;

#[cfg(feature = "storage")]
mod with_storage {
    use crate::account::{self, Reply, Request};
    use crate::engine::Engine;
    use crate::net::Waker;
    use crate::server::{Settings, StartError};
    use crate::storage::{Argon2id, Database, OpenError, Storage};
    use crate::time::{Time, WallMs};
    use std::collections::BTreeMap;

    /// What was opened, and later its threads.
    #[derive(Default)]
    pub(in crate::server) struct Keeping {
        opened: Option<(Database, Argon2id)>,
        storage: Option<Storage>,
    }

    impl Keeping {
        /// Opens the database where one is wanted, and has the engine take what it has to know before anybody comes.
        ///
        /// # Errors
        /// What keeps it from being opened or read, or passwords from being hashed.
        pub(in crate::server) fn open(
            settings: &Settings,
            engine: &mut Engine,
            now: Time,
            wall: WallMs,
        ) -> Result<Keeping, StartError> {
            let Some(folder) = &settings.data_dir else { return Ok(Keeping::default()) };
            let hasher = Argon2id::new(settings.hashing).map_err(StartError::storage)?;
            let mut database = Database::open(folder).map_err(|error| match error {
                OpenError::InUse(_) => StartError::InUse(error.to_string()),
                error => StartError::storage(error),
            })?;
            let requests = Engine::account_requests(wall);
            let replies: Result<Vec<Reply>, _> =
                account::commit(&mut database, &requests).into_iter().collect();
            if !engine.load_accounts(replies.map_err(StartError::storage)?, now, wall) {
                return Err(StartError::TooManyBans);
            }
            load_games(&mut database, engine)?;
            load_tokens(&mut database, engine)?;
            engine.use_storage();
            Ok(Keeping { opened: Some((database, hasher)), storage: None })
        }

        /// Starts the threads, which wake the loop when they have answered.
        ///
        /// # Errors
        /// The system has no thread for it.
        pub(in crate::server) fn start(&mut self, waker: Waker) -> Result<(), StartError> {
            let Some((database, hasher)) = self.opened.take() else { return Ok(()) };
            // Where the loop cannot be woken, its next tick finds the answer.
            let wake = move || drop(waker.wake());
            self.storage = Some(Storage::start(database, hasher, wake).map_err(StartError::storage)?);
            Ok(())
        }

        /// Carries answers to the engine and its errands out, until there are none of either.
        pub(in crate::server) fn carry(&mut self, engine: &mut Engine, now: Time) {
            let Some(storage) = &mut self.storage else { return };
            loop {
                while let Some((ticket, answer)) = storage.completed() {
                    engine.complete(ticket, answer, now);
                }
                if !send(storage, engine) {
                    return;
                }
            }
        }

        /// Carries errands out: those of a call that was just made need not wait for the next turn.
        pub(in crate::server) fn send(&mut self, engine: &mut Engine) {
            if let Some(storage) = &mut self.storage {
                send(storage, engine);
            }
        }

        /// How long 99 of 100 commits took at the most, microseconds.
        pub(in crate::server) fn commit_p99_us(&self) -> u32 {
            self.storage.as_ref().map_or(0, |s| u32::try_from(s.commit_p99().as_micros()).unwrap_or(u32::MAX))
        }

        /// Waits for everything that was handed in to be on disk, and closes the file.
        pub(in crate::server) fn finish(&mut self, engine: &mut Engine, now: Time) {
            let Some(storage) = self.storage.take() else { return };
            for (ticket, answer) in storage.finish() {
                engine.complete(ticket, answer, now);
            }
        }
    }

    /// Hands every game what it has kept.
    fn load_games(database: &mut Database, engine: &mut Engine) -> Result<(), StartError> {
        let mut kept = BTreeMap::new();
        for (game, name, collection) in engine.collections() {
            let request =
                Request::Records { game: name, collection: collection.to_owned(), prefix: String::new() };
            let reply = account::commit(database, &[request]).remove(0).map_err(StartError::storage)?;
            if let Reply::Records(records) = reply {
                kept.entry(game).or_insert_with(Vec::new).push((collection, records));
            }
        }
        for game in engine.games() {
            let records = kept.remove(&game).unwrap_or_default();
            engine.load_game(game, records).map_err(StartError::storage)?;
        }
        Ok(())
    }

    /// Hands the engine the tokens that outlived the last stop, and deletes them: they are good for this start.
    fn load_tokens(database: &mut Database, engine: &mut Engine) -> Result<(), StartError> {
        let mut ask = |request| account::commit(database, &[request]).remove(0).map_err(StartError::storage);
        let reply = ask(Engine::token_request())?;
        match engine.load_tokens(reply) {
            Some(deletion) => ask(deletion).map(drop),
            None => Ok(()),
        }
    }

    /// Whether there were any.
    fn send(storage: &mut Storage, engine: &mut Engine) -> bool {
        let mut sent = false;
        while let Some((ticket, errand)) = engine.errand() {
            storage.submit(ticket, errand);
            sent = true;
        }
        sent
    }
}

#[cfg(not(feature = "storage"))]
mod without_storage {
    use crate::engine::Engine;
    use crate::net::Waker;
    use crate::server::{Settings, StartError};
    use crate::time::{Time, WallMs};

    /// Nothing.
    #[derive(Default)]
    pub(in crate::server) struct Keeping;

    impl Keeping {
        pub(in crate::server) fn open(
            settings: &Settings,
            _: &mut Engine,
            _: Time,
            _: WallMs,
        ) -> Result<Keeping, StartError> {
            match settings.data_dir {
                None => Ok(Keeping),
                Some(_) => {
                    Err(StartError::storage("data_dir is set, and this program is built without storage"))
                }
            }
        }

        pub(in crate::server) fn start(&mut self, _: Waker) -> Result<(), StartError> {
            Ok(())
        }

        pub(in crate::server) fn carry(&mut self, _: &mut Engine, _: Time) {}

        pub(in crate::server) fn send(&mut self, _: &mut Engine) {}

        pub(in crate::server) fn commit_p99_us(&self) -> u32 {
            0
        }

        pub(in crate::server) fn finish(&mut self, _: &mut Engine, _: Time) {}
    }
}
