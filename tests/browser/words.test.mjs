// What the page of Connect 4 says about a match.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BOT, canPlayAgain, canSitDown, farewell, idIn, linkTo, standing, verdict } from '../../src/web/connect4/words.js';

const ADA = { id: 1, name: 'Ada', disc: 'R', present: true, rematch: false };
const BRAM = { id: 2, name: 'Bram', disc: 'Y', present: true, rematch: false };
const STRANGER = 3;

function match(changes = {}) {
  return {
    match_id: '0aZ9bY8cX7', players: [ADA, BRAM], turn: 1, winner: null, draw: false, line: null, moves: 0, spectators: 0,
    deadline_ms: 60_000, reason: null, ...changes,
  };
}

describe('the verdict', () => {
  it('says whose turn it is', () => {
    assert.equal(verdict(match(), 1), 'Your turn.');
    assert.equal(verdict(match(), 2), 'Ada is on turn.');
    assert.equal(verdict(match(), STRANGER), 'Ada is on turn.');
    assert.equal(verdict(match({ turn: BOT }), 1), 'The bot thinks.');
    assert.equal(verdict(match({ players: [ADA], turn: null }), 1), 'Waiting for somebody to sit down.');
    assert.equal(verdict(match({ players: [ADA], turn: null }), STRANGER), 'Waiting for a second player.');
  });

  it('says who has won, and how', () => {
    const won = { turn: null, winner: 1, reason: 'four', line: [[5, 0], [5, 1], [5, 2], [5, 3]] };
    assert.equal(verdict(match(won), 1), 'You have won: four in a row.');
    assert.equal(verdict(match(won), 2), 'Ada has won, you have lost: four in a row.');
    assert.equal(verdict(match(won), STRANGER), 'Ada has won: four in a row.');
    const late = { turn: null, winner: 1, reason: 'time' };
    assert.equal(verdict(match(late), 2), 'Ada has won, you have lost: the time was up.');
    const players = [ADA, { ...BRAM, present: false }];
    assert.equal(verdict(match({ ...late, players }), 1), 'You have won: the time was up.', 'though Bram has left since');
    const left = match({ turn: null, winner: 1, reason: 'left', players });
    assert.deepEqual([1, 2, STRANGER].map((me) => verdict(left, me)), ['You have won: Bram left.', 'Ada has won, you have lost: you left.', 'Ada has won: Bram left.']);
    assert.equal(verdict(match({ turn: null, winner: 1, reason: 'lost', players }), 1), 'You have won: Bram lost the connection.');
    assert.equal(verdict(match({ turn: null, draw: true, reason: 'draw' }), 1), 'The board is full: a draw.');
    assert.equal(verdict(match({ turn: null, winner: 1, reason: 'magic' }), 1), 'You have won: the match is over.', 'of a later server');
  });

  it('of a match that is no more tells who watched from who went elsewhere', () => {
    assert.match(farewell('left', false), /last player has left/);
    assert.match(farewell('elsewhere', false), /last player has gone to another one/);
    assert.match(farewell('lost', false), /last player lost the connection/);
    assert.match(farewell('elsewhere', true), /^Your own match is closed/);
  });
});

describe('what stands under a name', () => {
  it('is the turn with its time, an absence, the end, or a wish', () => {
    assert.equal(standing(match(), ADA, 2, 42), 'on turn, 42 s');
    assert.equal(standing(match(), BRAM, 2, 42), 'you');
    assert.equal(standing(match(), { ...BRAM, present: false }, 1, 42), 'connection lost');
    const over = match({ turn: null, winner: 1, reason: 'four' });
    assert.equal(standing(over, ADA, 2, 0), 'has won');
    assert.equal(standing(over, { ...BRAM, present: false }, 1, 0), 'has left');
    const lost = match({ ...over, reason: 'lost' });
    assert.equal(standing(lost, { ...BRAM, present: false }, 1, 0), 'connection lost');
    assert.equal(standing(lost, { ...ADA, present: false }, 2, 0), 'has left', 'the winner, afterwards');
    assert.equal(standing(over, { ...ADA, rematch: true }, 2, 0), 'wants to play again');
    assert.equal(standing(over, { ...ADA, rematch: true }, 1, 0), 'you, ready to play again');
  });
});

describe('playing again', () => {
  it('is offered to who sits there when it is over and the other is there', () => {
    const over = match({ turn: null, winner: 1, reason: 'four' });
    assert.deepEqual([1, 2, STRANGER].map((me) => canPlayAgain(over, me)), [true, true, false]);
    assert.equal(canPlayAgain(match(), 1), false);
    assert.equal(canPlayAgain(match({ ...over, players: [ADA, { ...BRAM, present: false }] }), 1), false);
  });
});

describe('sitting down', () => {
  it('is offered to who watches while there is a seat and somebody opposite', () => {
    const open = match({ players: [ADA], turn: null, deadline_ms: null });
    assert.deepEqual([1, STRANGER].map((me) => canSitDown(open, me)), [false, true]);
    assert.equal(canSitDown(match(), STRANGER), false);
    assert.equal(canSitDown(match({ ...open, players: [{ ...ADA, present: false }] }), STRANGER), false);
  });
});

describe('links', () => {
  it('hold the id of the match behind the number sign', () => {
    const link = new URL(linkTo(match(), 'http://127.0.0.1:8080/connect4?x#y'));
    assert.deepEqual([link.pathname, idIn(link.hash)], ['/connect4', '0aZ9bY8cX7']);
    for (const none of ['', '#', '#short', '#ten chars!', '#elevenchars']) assert.equal(idIn(none), null, none);
  });
});
