/**
 * The line at the top of both pages that says how the connection is, and the plug beside it that can be pulled. It shows
 * what the client tells and decides nothing; what a page has to say of a loss in its own place is the page's.
 */

import { EvertickError } from './evertick.js';
import { byId, setText } from './page.js';

/** Round trips up to here are good, up to the second fair, milliseconds. */
const GOOD_MS = 90;
const FAIR_MS = 220;
/** How long it is said that one is back. */
const BACK_MS = 4000;

const WORDS = {
  idle: 'Not connected',
  connecting: 'Connecting',
  connected: 'Connected',
  lost: 'Connection lost',
  resumed: 'Back again',
  ended: 'Not connected',
};

/** Keeps the line as the connection of `server` is, and lets its plug be pulled. @param {import('./evertick.js').Evertick} server */
export function showLink(server) {
  let back = null;
  const show = (state, words = WORDS[state]) => {
    clearTimeout(back);
    byId('link').dataset.state = state;
    byId('plug-button').disabled = state !== 'connected' && state !== 'resumed';
    setText(byId('link-words'), words);
    if (state !== 'connected') showLatency(null);
  };
  server.on('client:state', ({ state }) => show(state));
  server.on('client:lost', ({ attempt, attempts }) => show('lost', `Resuming, ${attempt} of ${attempts}`));
  server.on('client:resumed', () => {
    show('resumed');
    back = setTimeout(show, BACK_MS, 'connected');
  });
  server.on('client:latency', ({ ms }) => server.state === 'connected' && showLatency(ms));
  byId('plug-button').addEventListener('click', () => server.pullPlug());
}

/** The latency is null where none is known; a page need not have a place for the figure. */
function showLatency(ms) {
  byId('link').dataset.quality = ms === null ? '' : ms <= GOOD_MS ? 'good' : ms <= FAIR_MS ? 'fair' : 'poor';
  const figure = byId('link-ping');
  if (figure) setText(figure, ms === null ? '' : `${Math.max(1, Math.round(ms))} ms`);
}

/** Why it ended, for the door: a place that was given up is no login that has expired. */
export function whyItEnded(reason, wasLost) {
  if (!wasLost || reason.code !== 'session_expired') return reason;
  return new EvertickError('gone', 'you were away for too long, and your place was given up');
}
