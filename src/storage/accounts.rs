//! Accounts and login sessions in SQL.

use super::column::{millis, number, username, wall};
use super::database::Outcome;
use super::error::is_unique_conflict;
use crate::account::{
    Account, LoginSession, PasswordHash, Refused, Renewal, Reply, StoreError, TokenDigest, Username,
};
use crate::ids::AccountId;
use crate::limits;
use crate::time::WallMs;
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) fn register(db: &Connection, name: &Username, password: &PasswordHash, now: WallMs) -> Outcome {
    let sql = "INSERT INTO account (name, password, created) VALUES (?1, ?2, ?3)";
    let values = params![name.as_str(), password.expose(), millis(now)];
    match db.prepare_cached(sql)?.insert(values) {
        Ok(id) => Ok(Ok(Reply::Registered(AccountId(number(id, "account id")?)))),
        Err(error) if is_unique_conflict(&error) => Ok(Err(Refused::NameTaken)),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn find(db: &Connection, name: &Username) -> Outcome {
    let sql = "SELECT id, name, password, created FROM account WHERE name = ?1";
    let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let found: Option<(i64, String, String, i64)> =
        db.prepare_cached(sql)?.query_row(params![name.as_str()], columns).optional()?;
    let account = found.map(|(id, name, password, created)| -> Result<Account, StoreError> {
        Ok(Account {
            id: AccountId(number(id, "account id")?),
            name: username(&name)?,
            password: PasswordHash::new(password),
            created: wall(created),
        })
    });
    Ok(Ok(Reply::Account(account.transpose()?)))
}

pub(super) fn open_session(db: &Connection, session: &LoginSession, ending: &[TokenDigest]) -> Outcome {
    let LoginSession { digest, account, created, expires, seen } = session;
    if !db.prepare_cached("SELECT 1 FROM account WHERE id = ?1")?.exists(params![account.0])? {
        return Ok(Err(Refused::NoAccount));
    }
    delete_sessions(db, ending)?;
    let sql = "INSERT OR REPLACE INTO login_session (digest, account, created, expires, seen)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    let [created, expires, seen] = [created, expires, seen].map(|at| millis(*at));
    db.prepare_cached(sql)?.execute(params![digest.0, account.0, created, expires, seen])?;
    Ok(Ok(Reply::Opened))
}

pub(super) fn end_sessions(db: &Connection, digests: &[TokenDigest]) -> Outcome {
    Ok(Ok(Reply::Ended(count(delete_sessions(db, digests)?))))
}

/// How many of them were there.
fn delete_sessions(db: &Connection, digests: &[TokenDigest]) -> Result<usize, StoreError> {
    let mut delete = db.prepare_cached("DELETE FROM login_session WHERE digest = ?1")?;
    let mut ended = 0;
    for digest in digests {
        ended += delete.execute(params![digest.0])?;
    }
    Ok(ended)
}

pub(super) fn live_sessions(db: &Connection, now: WallMs) -> Outcome {
    let sql = "SELECT digest, account, login_session.created, expires, seen, name
        FROM login_session JOIN account ON account.id = account
        WHERE expires > ?1 ORDER BY digest";
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(params![millis(now)])?;
    let mut sessions = Vec::new();
    while let Some(row) = rows.next()? {
        let session = LoginSession {
            digest: TokenDigest(row.get(0)?),
            account: AccountId(number(row.get(1)?, "account id")?),
            created: wall(row.get(2)?),
            expires: wall(row.get(3)?),
            seen: wall(row.get(4)?),
        };
        let name: String = row.get(5)?;
        sessions.push((session, username(&name)?));
    }
    Ok(Ok(Reply::Sessions(sessions)))
}

/// Moves the ends of sessions; those that are gone stay gone.
pub(super) fn renew(db: &Connection, renewals: &[Renewal]) -> Result<(), StoreError> {
    let sql = "UPDATE login_session SET expires = ?2, seen = ?3 WHERE digest = ?1";
    let mut update = db.prepare_cached(sql)?;
    for Renewal { digest, expires, seen } in renewals {
        update.execute(params![digest.0, millis(*expires), millis(*seen)])?;
    }
    Ok(())
}

pub(super) fn sweep(db: &Connection, now: WallMs) -> Outcome {
    let delete = |sql: &str, until: i64| db.prepare_cached(sql)?.execute(params![until]);
    let certainly = millis(now) - limits::SWEEP_LAG.as_millis() as i64;
    let sessions = count(delete("DELETE FROM login_session WHERE expires <= ?1", certainly)?);
    let bans = count(delete("DELETE FROM ban WHERE expires <= ?1", millis(now))?);
    Ok(Ok(Reply::Swept { sessions, bans }))
}

fn count(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}
