/**
 * What the page of Connect 4 says about a match, in words. Plain functions of a `match_state` and of whose page it is:
 * no page is needed to try them.
 */

/** The id of the server's own player. */
export const BOT = 0;

/** One line about how the match stands. */
export function verdict(state, me) {
  const { players, winner, draw, turn } = state;
  const mine = players.some(({ id }) => id === me);
  const name = (id) => players.find((player) => player.id === id)?.name ?? '';
  if (draw) return 'The board is full: a draw.';
  if (winner !== null) {
    const who = mine && winner === me ? 'You have won' : mine ? `${name(winner)} has won, you have lost` : `${name(winner)} has won`;
    return `${who}: ${how(state, me)}.`;
  }
  if (turn === null) return players.length < 2 && mine ? 'Waiting for somebody to sit down.' : 'Waiting for a second player.';
  if (turn === me) return 'Your turn.';
  return turn === BOT ? 'The bot thinks.' : `${name(turn)} is on turn.`;
}

/** In which way somebody has won. */
function how({ players, winner, reason }, me) {
  const loser = players.find(({ id }) => id !== winner);
  const who = loser?.id === me ? 'you' : (loser?.name ?? 'the other');
  switch (reason) {
    case 'four': return 'four in a row';
    case 'time': return 'the time was up';
    case 'lost': return `${who} lost the connection`;
    case 'left': return `${who} left`;
    default: return 'the match is over';
  }
}

/** Why a match is no more, to who watched it; or to who sat there and has gone to another. */
export function farewell(reason, wasMine) {
  if (wasMine) return 'Your own match is closed: you have gone to another one.';
  switch (reason) {
    case 'lost': return 'The match is closed: its last player lost the connection.';
    case 'elsewhere': return 'The match is closed: its last player has gone to another one.';
    default: return 'The match is closed: its last player has left.';
  }
}

/** What stands under a name. */
export function standing(state, player, me, secondsLeft) {
  const { turn, winner, reason } = state;
  if (!player.present) return reason === null || (reason === 'lost' && winner !== player.id) ? 'connection lost' : 'has left';
  if (turn === player.id) return player.id === BOT ? 'thinks' : `on turn, ${secondsLeft} s`;
  if (player.rematch) return player.id === me ? 'you, ready to play again' : 'wants to play again';
  if (winner === player.id) return 'has won';
  return player.id === me ? 'you' : '';
}

/** Whether this page may ask for another match at the same table. */
export function canPlayAgain(state, me) {
  return state.reason !== null && state.players.length === 2 && state.players.some(({ id, present }) => id === me && present)
    && state.players.every(({ id, present }) => present || id === me);
}

/** Whether this page watches a match in which there is a seat for it. */
export function canSitDown(state, me) {
  const [first, second] = state.players;
  return !second && Boolean(first?.present) && first.id !== me;
}

/** The link under which others find a match: to sit down while there is room, else to watch. */
export function linkTo(state, location) {
  return new URL(`/connect4#${state.match_id}`, location).href;
}

/** The id in a link; null where there is none. */
export function idIn(hash) {
  return /^#[0-9A-Za-z]{10}$/.test(hash) ? hash.slice(1) : null;
}
