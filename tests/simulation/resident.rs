//! Accounts that are there before a run begins, and how those come in who have one: with the token of a login session, or with a
//! name and a password, which storage and hashing have to look at.

use evertick::account::{
    Change, Json, LoginSession, PasswordHash, RecordId, Request, Store, Token, Username,
};
use evertick::ids::AccountId;
use evertick::random::Secrets;
use evertick::sim::Who;
use evertick::time::WallMs;
use serde_json::json;

/// As many as clients come in any run.
const RESIDENTS: u32 = 60;
const PASSWORD: &str = "a resident's";
/// Runs are over long before.
const EXPIRES: WallMs = WallMs(4_000_000_000_000);

/// Who a client comes in as: one in four with a token, one in four with a password, the others as guests.
pub(crate) fn who(number: usize) -> Who {
    let account = number as u32;
    match number % 4 {
        _ if account > RESIDENTS => Who::Guest,
        0 => Who::Token(token(account).expose()),
        1 => Who::Password { username: name(account), password: PASSWORD.to_owned() },
        _ => Who::Guest,
    }
}

/// Puts all of them into a store that is empty.
pub(crate) fn settle(store: &mut dyn Store) {
    // The hasher of these runs keeps passwords as they are.
    let register = |account| Request::Register {
        name: Username::new(&name(account)).expect("a proper name"),
        password: PasswordHash::new(PASSWORD.to_owned()),
        now: WallMs(0),
    };
    let open = |account| {
        let (digest, account, created) = (token(account).digest(), AccountId(account), WallMs(0));
        let session = LoginSession { digest, account, created, expires: EXPIRES, seen: created };
        Request::OpenSession { session, ending: Vec::new() }
    };
    commit(store, (1..=RESIDENTS).map(register).collect());
    commit(store, (1..=RESIDENTS).map(open).collect());
}

/// Gives each of them a character of Eternity's, of the account's own number, and has it chosen, but for those who are to come
/// into the lobby.
pub(crate) fn people(store: &mut dyn Store, game: &'static str, in_lobby: impl Fn(u32) -> bool) {
    let put = |collection: &str, key: String, name: Option<String>, value: serde_json::Value| Change::Put {
        id: RecordId::new(game, collection, key),
        name,
        version: 1,
        value: Json::of(&value).expect("it is JSON"),
    };
    let mut changes = vec![put("world", "ids".to_owned(), None, json!({ "last_character": RESIDENTS }))];
    for account in 1..=RESIDENTS {
        let name = format!("Resident {account}");
        let character = json!({
            "account": account, "name": name, "faction": "solari", "class": "mage", "level": 1, "experience": 0,
            "hp": 50, "mana": 50, "gold": 0, "inventory": {}, "place": null,
        });
        changes.push(put("character", account.to_string(), Some(name.to_lowercase()), character));
        if !in_lobby(account) {
            changes.push(put("account", account.to_string(), None, json!({ "selected": account })));
        }
    }
    commit(store, vec![Request::Write { changes, events: Vec::new() }]);
}

fn name(account: u32) -> String {
    format!("resident{account}")
}

fn token(account: u32) -> Token {
    Token::new(&mut Secrets::new([account as u8; 32]))
}

fn commit(store: &mut dyn Store, group: Vec<Request>) {
    let replies = store.commit(&group).expect("there is memory");
    assert!(replies.iter().all(Result::is_ok), "{replies:?}");
}
