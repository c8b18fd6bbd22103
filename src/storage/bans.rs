//! Bans in SQL.

use super::column::{damage, millis, number, wall};
use super::database::Outcome;
use crate::account::{BanRecord, BanTarget, Refused, Reply};
use crate::limits;
use crate::time::WallMs;
use rusqlite::{Connection, params};

pub(super) fn add(
    db: &Connection,
    target: &BanTarget,
    reason: &str,
    created: WallMs,
    expires: Option<WallMs>,
) -> Outcome {
    let held: i64 = db.prepare_cached("SELECT count(*) FROM ban")?.query_row([], |row| row.get(0))?;
    if held >= limits::BANS as i64 {
        return Ok(Err(Refused::TooManyBans));
    }
    let sql = "INSERT INTO ban (target, reason, created, expires) VALUES (?1, ?2, ?3, ?4)";
    let values = params![target.to_string(), reason, millis(created), expires.map(millis)];
    let id = db.prepare_cached(sql)?.insert(values)?;
    Ok(Ok(Reply::BanAdded(number(id, "ban id")?)))
}

pub(super) fn lift(db: &Connection, id: u32) -> Outcome {
    let lifted = db.prepare_cached("DELETE FROM ban WHERE id = ?1")?.execute(params![id])?;
    Ok(Ok(Reply::BanLifted(lifted > 0)))
}

pub(super) fn all(db: &Connection) -> Outcome {
    let mut select = db.prepare_cached("SELECT id, target, reason, created, expires FROM ban ORDER BY id")?;
    let mut rows = select.query([])?;
    let mut bans = Vec::new();
    while let Some(row) = rows.next()? {
        let target: String = row.get(1)?;
        bans.push(BanRecord {
            id: number(row.get(0)?, "ban id")?,
            target: BanTarget::parse(&target)
                .ok_or_else(|| damage(format_args!("nobody can be banned as {target:?}")))?,
            reason: row.get(2)?,
            created: wall(row.get(3)?),
            expires: row.get::<_, Option<i64>>(4)?.map(wall),
        });
    }
    Ok(Ok(Reply::Bans(bans)))
}
