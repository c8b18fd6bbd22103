//! Requests over HTTP that games answer.
//!
//! A game declares its [`Route`]s; the engine sees to everything that is not the game's business (methods, preflights,
//! who is asking, sizes) and hands the rest over as [`Input::Called`](super::Input::Called), in the tick, like all that a game
//! learns. The answer comes from the game, in that tick or a later one, and waits in the session until then.

use super::Engine;
use super::game::Refusal;
use super::rest;
use super::routes::{self, Outcome};
use crate::http::{Method, Request, Response, cors};
use crate::ids::{AccountId, ConnId, GameId};
use crate::limits;
use crate::packet::Code;
use crate::time::Time;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A path over HTTP at which a game answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// With which method. GET is HEAD too.
    pub method: Method,
    /// Where, below `/api/`: `/api/things/{id}`, where what stands in braces is any one segment. Where a path is that of a
    /// route without braces, those with braces do not have it.
    pub path: &'static str,
    /// Who may ask.
    pub access: Access,
}

/// Who may use a [`Route`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Whoever is logged in: others get 401.
    Account,
}

impl Route {
    /// A route for anybody.
    pub const fn public(method: Method, path: &'static str) -> Route {
        Route { method, path, access: Access::Public }
    }

    /// A route for those who are logged in.
    pub const fn account(method: Method, path: &'static str) -> Route {
        Route { method, path, access: Access::Account }
    }

    /// Whether a path is one of this route's.
    fn has(&self, path: &str) -> bool {
        let fits = |(pattern, segment): (&str, &str)| match pattern.starts_with('{') {
            true => !segment.is_empty(),
            false => pattern == segment,
        };
        let (patterns, segments) = (self.path.split('/'), path.split('/'));
        self.path.split('/').count() == path.split('/').count() && patterns.zip(segments).all(fits)
    }

    fn is_exact(&self) -> bool {
        !self.path.contains('{')
    }
}

/// A request over HTTP, for a game to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Who is asking; `None` where the route is for anybody.
    pub account: Option<AccountId>,
    /// What for: the route's method.
    pub method: Method,
    /// Where: percent-decoded, begins with `/`.
    pub path: String,
    /// The query as it came, without the `?`.
    pub query: String,
    /// The body, at most [`CALL_BODY`](limits::CALL_BODY) bytes.
    pub body: Vec<u8>,
}

impl Call {
    /// What stands between the slashes of the path.
    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').skip(1).collect()
    }

    /// The body's JSON.
    ///
    /// # Errors
    /// `malformed`: it is no JSON. `invalid`: it is not what `T` expects.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let code = if error.is_data() { Code::Invalid } else { Code::Malformed };
            Refusal::new(code, format!("the body: {error}"))
        })
    }

    /// The value of the query's pair of that name.
    ///
    /// # Errors
    /// `invalid`: the name is there twice.
    pub fn query(&self, name: &str) -> Result<Option<String>, Refusal> {
        let mut values = crate::http::query_pairs(&self.query).filter(|(have, _)| have == name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value.map(|(_, value)| value.into_owned())),
            (_, Some(_)) => Err(Refusal::new(Code::Invalid, format!("{name} is there twice"))),
        }
    }
}

impl Engine {
    /// What is answered over HTTP beside pages and the ways into games: the engine's own and its games', as [`Route::path`]
    /// writes them. HEAD is not among them.
    pub fn routes(&self) -> Vec<(Method, &'static str)> {
        let own =
            routes::OWN.iter().flat_map(|(path, methods)| methods.iter().map(|method| (*method, *path)));
        let games = self.routes.iter().map(|(_, route)| (route.method, route.path));
        own.chain(games).filter(|(method, _)| *method != Method::Head).collect()
    }

    /// Hands a request to the game that answers at its path; `None` where none does.
    pub(super) fn call(&mut self, conn: ConnId, request: &Request, now: Time) -> Option<Outcome> {
        let routes = self.routes_at(&request.path);
        if routes.is_empty() {
            return None;
        }
        if cors::is_preflight(request) {
            return Some(Outcome::Answer(self.origins.preflight(request, &methods_of(&routes))));
        }
        Some(match self.hand_over(conn, &routes, request, now) {
            Ok(()) => Outcome::Later,
            Err(response) => Outcome::Answer(self.origins.share(request, response)),
        })
    }

    fn hand_over(
        &mut self,
        conn: ConnId,
        routes: &[(GameId, Route)],
        request: &Request,
        now: Time,
    ) -> Result<(), Response> {
        let method = if request.method == Method::Head { Method::Get } else { request.method };
        let Some((game, route)) = routes.iter().find(|(_, route)| route.method == method) else {
            return Err(Response::method_not_allowed(&methods_of(routes)));
        };
        let account = match route.access {
            Access::Public => None,
            Access::Account => {
                Some(self.login(request, now).map_err(|refusal| rest::refused(&refusal))?.account)
            }
        };
        if request.body.len() > limits::CALL_BODY {
            let message = format!("the body has at most {} bytes", limits::CALL_BODY);
            return Err(routes::response_of(&Refusal::new(Code::TooLarge, message)));
        }
        let Request { path, query, body, .. } = request.clone();
        let size = path.len() + query.len() + body.len();
        let call = Call { account, method, path, query, body };
        let own = self.core.peers.get(conn).map_or(0, |peer| peer.accounted);
        let has_room = self.core.budget().has_room(own, size);
        if !has_room || !self.hosts[usize::from(game.0)].call(conn, call) {
            let refusal =
                Refusal::new(Code::Busy, "too much waits for this game").retry_after(routes::BUSY_MS);
            return Err(routes::response_of(&refusal));
        }
        self.core.hold(conn, 0, size);
        Ok(())
    }

    /// The routes of games that have a path.
    fn routes_at(&self, path: &str) -> Vec<(GameId, Route)> {
        let mut routes: Vec<_> = self.routes.iter().filter(|(_, route)| route.has(path)).copied().collect();
        if routes.iter().any(|(_, route)| route.is_exact()) {
            routes.retain(|(_, route)| route.is_exact());
        }
        routes
    }

    /// Whether a game's route may be added: below `/api/`, where nothing else answers it.
    pub(super) fn can_route(&self, route: &Route) -> bool {
        let taken = |other: &Route| other.method == route.method && (other.path == route.path);
        route.path.starts_with("/api/")
            && !self.answers(route.path)
            && !self.routes.iter().any(|(_, other)| taken(other))
    }
}

/// The methods of a path.
fn methods_of(routes: &[(GameId, Route)]) -> Vec<Method> {
    let of = |(_, route): &(GameId, Route)| match route.method {
        Method::Get => vec![Method::Get, Method::Head],
        other => vec![other],
    };
    routes.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_stand_for_one_segment() {
        let route = Route::public(Method::Get, "/api/things/{id}");
        for (path, has) in [
            ("/api/things/1", true),
            ("/api/things/a b", true),
            ("/api/things/", false),
            ("/api/things", false),
            ("/api/things/1/2", false),
            ("/api/other/1", false),
        ] {
            assert_eq!(route.has(path), has, "{path}");
        }
    }

    #[test]
    fn a_call_is_read_or_refused() {
        let call = |query: &str, body: &str| Call {
            account: None,
            method: Method::Post,
            path: "/api/things/7".into(),
            query: query.into(),
            body: body.into(),
        };
        assert_eq!(call("", "").segments(), ["api", "things", "7"]);
        assert_eq!(call("", "[1]").json::<Vec<u8>>(), Ok(vec![1]));
        assert_eq!(call("", "[1").json::<Vec<u8>>().map_err(|r| r.code), Err(Code::Malformed));
        assert_eq!(call("", "{}").json::<Vec<u8>>().map_err(|r| r.code), Err(Code::Invalid));
        assert_eq!(call("a=1&b=2%203", "").query("b"), Ok(Some("2 3".into())));
        assert_eq!(call("a=1", "").query("b"), Ok(None));
        assert_eq!(call("a=1&a=1", "").query("a").map_err(|r| r.code), Err(Code::Invalid));
    }
}
