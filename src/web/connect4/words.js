/**
 * What the page of Connect 4 says about a match, in words. Plain functions of a `match_state` and of whose page it is:
 * no page is needed to try them.
 */

/** The id of the server's own player. */
export const BOT = 0;

/** One line about how the match stands. */
export function verdict(state, me) {
  const { players, winner, draw, turn, line } = state;
  const mine = players.some(({ id }) => id === me);
  const name = (id) => players.find((player) => player.id === id)?.name ?? '';
  if (draw) return 'The board is full: a draw.';
  if (winner !== null) {
    const other = players.find(({ id }) => id !== winner);
    const how = line ? 'four in a row' : other?.present === false ? `${own(other.id, me) ?? other.name} left` : 'the time was up';
    const who = mine && winner === me ? 'You have won' : mine ? `${name(winner)} has won, you have lost` : `${name(winner)} has won`;
    return `${who}: ${how}.`;
  }
  if (turn === null) return players.length < 2 && mine ? 'Waiting for somebody to sit down.' : 'Waiting for a second player.';
  if (turn === me) return 'Your turn.';
  return turn === BOT ? 'The bot thinks.' : `${name(turn)} is on turn.`;
}

function own(id, me) {
  return id === me ? 'you' : null;
}

/** What stands under a name. */
export function standing(state, player, me, secondsLeft) {
  const { turn, winner } = state;
  if (!player.present) return winner === null && !state.draw ? 'connection lost' : 'has left';
  if (turn === player.id) return player.id === BOT ? 'thinks' : `on turn, ${secondsLeft} s`;
  if (player.rematch) return player.id === me ? 'you, ready to play again' : 'wants to play again';
  if (winner === player.id) return 'has won';
  return player.id === me ? 'you' : '';
}

/** Whether this page may ask for another match at the same table. */
export function canPlayAgain(state, me) {
  const isOver = state.winner !== null || state.draw;
  return isOver && state.players.length === 2 && state.players.some(({ id, present }) => id === me && present)
    && state.players.every(({ id, present }) => present || id === me);
}

/** The link under which others find a match: to sit down while there is room, else to watch. */
export function linkTo(state, location) {
  return new URL(`/connect4#${state.match_id}`, location).href;
}

/** The id in a link; null where there is none. */
export function idIn(hash) {
  return /^#[0-9A-Za-z]{10}$/.test(hash) ? hash.slice(1) : null;
}
