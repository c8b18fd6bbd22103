// One's own steps and how those of others are seen, without a page.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { REPORT_MS, Walker } from '../../src/web/eternity/walker.js';
import { DELAY_MS, World, placeAt } from '../../src/web/eternity/world.js';

const SPEED = 8;
const FRAME_MS = 1000 / 60;
const PLACE = { id: 1, name: 'Dawnhaven', width: 192, height: 192, exit_reach: 3, exits: [] };

function standing(x = 96, y = 96) {
  const walker = new Walker();
  walker.place({ x, y }, PLACE, SPEED);
  return walker;
}

/** Steps through a stretch of time and collects what the server is told. */
function walk(walker, ms, from = 0) {
  const told = [];
  for (let now = from; now < from + ms; now += FRAME_MS) {
    walker.step(FRAME_MS);
    const report = walker.report(now);
    if (report) told.push(report);
  }
  return told;
}

describe('one\'s own steps', () => {
  it('are as fast in every direction, and no faster than the rules allow', () => {
    for (const [x, y] of [[1, 0], [0, -1], [1, 1], [-1, 1]]) {
      const walker = standing();
      walker.steer(x, y);
      walk(walker, 1000);
      assert(Math.abs(Math.hypot(walker.position.x - 96, walker.position.y - 96) - SPEED) < 0.2);
      assert(Math.abs(Math.hypot(walker.velocity.x, walker.velocity.y) - SPEED) < 1e-9);
    }
  });

  it('are told ten times a second and once at the stop', () => {
    const walker = standing();
    walker.steer(1, 0);
    const told = walk(walker, 1000);
    assert(told.length >= 9 && told.length <= 10, `${told.length} reports`);
    walker.steer(0, 0);
    const after = walk(walker, 1000, 1000);
    assert.equal(after.length, 1);
    assert.deepEqual(after[0], { position: { x: Number(walker.position.x.toFixed(3)), y: 96 }, velocity: { x: 0, y: 0 } });
  });

  it('are not told while one stands', () => {
    assert.deepEqual(walk(standing(), 1000), []);
  });

  it('end where the click was', () => {
    const walker = standing();
    walker.walkTo({ x: 99, y: 100 });
    const told = walk(walker, 1000);
    assert.deepEqual([walker.position, walker.isMoving, walker.target], [{ x: 99, y: 100 }, false, null]);
    assert.deepEqual(told.at(-1), { position: { x: 99, y: 100 }, velocity: { x: 0, y: 0 } });
  });

  it('end at the edge of the place, along which one can walk on', () => {
    const walker = standing(1, 96);
    walker.steer(-1, 1);
    walk(walker, 1000);
    assert.equal(walker.position.x, 0);
    assert.equal(walker.velocity.x, 0);
    assert(walker.position.y > 100);
    walker.walkTo({ x: -50, y: 500 });
    assert.deepEqual(walker.target, { x: 0, y: 192 });
  });

  it('do not leap after the page slept', () => {
    const walker = standing();
    walker.steer(1, 0);
    walker.step(60_000);
    assert(walker.position.x - 96 <= SPEED / 10 + 1e-9);
  });

  it('go by the keys where both keys and a click lead', () => {
    const walker = standing();
    walker.walkTo({ x: 150, y: 96 });
    walker.steer(-1, 0);
    walk(walker, 500);
    assert(walker.position.x < 96);
    assert.equal(walker.target, null);
  });

  it('that were refused are taken back at once, while the figure glides', () => {
    const walker = standing(100, 96);
    walker.correct({ x: 98, y: 96 });
    assert.deepEqual(walker.position, { x: 98, y: 96 });
    assert.deepEqual(walker.shown, { x: 100, y: 96 });
    walker.step(FRAME_MS);
    assert(walker.shown.x < 100 && walker.shown.x > 98);
    walk(walker, 1000);
    assert(Math.abs(walker.shown.x - 98) < 0.01);
  });
});

describe('others', () => {
  /** A world with one walker in it, whose clock is an hour ahead of the page's. */
  const AHEAD = 3_600_000;
  function withOne() {
    const world = new World();
    const other = { id: 2, name: 'Bram', faction: 'solari', class: 'mage', level: 1, position: { x: 10, y: 10 } };
    world.hear(AHEAD, 0);
    world.enter({ you: { id: 1 }, location: PLACE, players: [other], shards: [] }, AHEAD);
    return world;
  }

  it('are seen to walk evenly though their packets come unevenly', () => {
    const world = withOne();
    // Reports each 100 ms, told with the tick of 50 ms that took them, 5 to 45 ms under way.
    const arrivals = [];
    for (let i = 0; i < 30; i += 1) {
      const at = i * REPORT_MS;
      const tick = Math.ceil((at + (i * 17) % 50) / 50) * 50;
      arrivals.push({ now: tick + 5 + ((i * 29) % 40), time: tick, x: 10 + (at * SPEED) / 1000 });
    }
    const speeds = [];
    let before = null;
    for (let now = 0; now < 3000; now += FRAME_MS) {
      for (; arrivals.length && arrivals[0].now <= now; arrivals.shift()) {
        const { time, x } = arrivals[0];
        world.hear(AHEAD + time, arrivals[0].now);
        world.move([[2, x, 10, SPEED, 0]], AHEAD + time);
      }
      world.advance(now, FRAME_MS);
      const { x } = world.others.get(2).shown;
      if (now > 600) speeds.push(((x - before) / FRAME_MS) * 1000);
      before = x;
    }
    const [slowest, fastest] = [Math.min(...speeds), Math.max(...speeds)];
    assert(slowest > SPEED * 0.3 && fastest < SPEED * 2, `between ${slowest.toFixed(1)} and ${fastest.toFixed(1)} units a second`);
  });

  it('come to rest where they stopped', () => {
    const world = withOne();
    world.move([[2, 10, 10, SPEED, 0]], AHEAD + 100);
    world.move([[2, 10.8, 10, SPEED, 0]], AHEAD + 200);
    world.move([[2, 11.2, 10, 0, 0]], AHEAD + 250);
    for (let now = 0; now < 1500; now += FRAME_MS) world.advance(now, FRAME_MS);
    const { shown, isMoving } = world.others.get(2);
    assert(Math.abs(shown.x - 11.2) < 0.01);
    assert.equal(isMoving, false);
  });

  it('who stood for long do not slide when they start', () => {
    const track = [{ at: 0, x: 10, y: 10, vx: 0, vy: 0 }, { at: 10_000, x: 10.8, y: 10, vx: SPEED, vy: 0 }];
    assert.equal(placeAt(track, 9000).x, 10);
    assert.equal(placeAt(track, 9780).vx, 0);
    assert(placeAt(track, 9990).x > 10.7);
  });

  it('are drawn out a little when packets are late, and no farther', () => {
    const track = [{ at: 0, x: 10, y: 10, vx: SPEED, vy: 0 }];
    assert.equal(placeAt(track, 100).x, 10.8);
    assert.deepEqual(placeAt(track, 5000), { x: 10, y: 10, vx: 0, vy: 0 });
  });

  it('jump where a step is no walk', () => {
    const world = withOne();
    world.move([[2, 90, 10, 0, 0]], AHEAD + 50);
    world.advance(50 + DELAY_MS, FRAME_MS);
    assert.equal(world.others.get(2).shown.x, 90);
  });

  it('are forgotten when they leave or one goes elsewhere; unknown ones are passed over', () => {
    const world = withOne();
    world.move([[3, 1, 1, 0, 0], [1, 1, 1, 0, 0]], AHEAD);
    assert.deepEqual([...world.others.keys()], [2]);
    world.part([2]);
    assert.equal(world.others.size, 0);
    world.join([{ id: 4, position: { x: 1, y: 1 } }, { id: 1, position: { x: 1, y: 1 } }], AHEAD);
    assert.deepEqual([...world.others.keys()], [4]);
    world.arrive({ ...PLACE, id: 2 });
    assert.equal(world.others.size, 0);
  });
});

it('a way out is at hand within its reach, the nearest of several', () => {
  const world = new World();
  const exits = [{ to_location_id: 2, position: { x: 10, y: 10 } }, { to_location_id: 3, position: { x: 14, y: 10 } }];
  world.arrive({ ...PLACE, exits });
  assert.equal(world.exitAt({ x: 10, y: 13 }).to_location_id, 2);
  assert.equal(world.exitAt({ x: 12.5, y: 10 }).to_location_id, 3);
  assert.equal(world.exitAt({ x: 50, y: 50 }), null);
});
