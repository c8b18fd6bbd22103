/**
 * What the page knows of the world: the place, oneself, and everybody in sight with where they are seen now. Packets
 * go in with the server's time, positions come out for the page's. It knows no page and reads no clock.
 *
 * Others are shown a little in the past: between two packets that are known, not where the last one might have led.
 * So they walk evenly though packets come unevenly.
 */

/** How far in the past others are shown, milliseconds: one report of a walker, and a little for the tick. */
export const DELAY_MS = 130;
/** How far the last known step is drawn out when the next packet is late. */
const DRAW_OUT_MS = 250;
/** Reports of one walk are at most this far apart; before a longer pause somebody stood still. */
const WALK_GAP_MS = 220;
/** A step longer than this between two reports is not a walk: show it as the jump it is. */
const JUMP = 14;
/** How fast the shown figure follows its computed place, which hides the change from drawn out to known. */
const FOLLOW_MS = 45;
/** Positions kept of each: more than DELAY_MS holds. */
const TRACK = 8;

/**
 * @typedef {object} Figure somebody in sight
 * @property {number} id
 * @property {string} name
 * @property {string} faction
 * @property {string} class
 * @property {number} level
 * @property {{x: number, y: number}} shown where to draw it
 * @property {boolean} isMoving
 * @property {-1|1} facing left or right
 */

export class World {
  /** @type {?object} the place one is in, as the server describes it */
  location = null;
  /** @type {?object} oneself, as the server describes it */
  you = null;
  /** @type {object[]} all shards of the world */
  shards = [];
  /** @type {Map<number, Figure>} */
  others = new Map();

  #offset = null;

  /** A batch of the server's `time` came at the page's `now`: keeps the offset between the two clocks. */
  hear(time, now) {
    const offset = now - time;
    // The quickest packet is the truest; the slow creep upwards follows clocks that drift apart.
    this.#offset = this.#offset === null || offset < this.#offset ? offset : this.#offset + (offset - this.#offset) * 0.01;
  }

  /** Everything anew: `game_state`. */
  enter({ you, location, players, shards }, time) {
    this.you = you;
    this.shards = shards;
    this.arrive(location);
    this.join(players, time);
  }

  /** Another place: nobody from the last one is in sight. */
  arrive(location) {
    this.location = location;
    this.others.clear();
  }

  /** Forgets everything, clocks too. */
  leave() {
    this.location = this.you = this.#offset = null;
    this.others.clear();
  }

  /** The shard of this place, if it has one. */
  get shard() {
    return this.shards.find(({ location_id: id }) => id === this.location?.id);
  }

  /** The way out within reach of a point, the nearest, or null. */
  exitAt({ x, y }) {
    if (!this.location) return null;
    const { exits, exit_reach: reach } = this.location;
    const byDistance = exits
      .map((exit) => ({ exit, distance: Math.hypot(exit.position.x - x, exit.position.y - y) }))
      .sort((a, b) => a.distance - b.distance);
    return byDistance[0]?.distance <= reach ? byDistance[0].exit : null;
  }

  /** `player_joined_area` */
  join(players, time) {
    for (const player of players) {
      if (player.id === this.you?.id) continue;
      const { position } = player;
      this.others.set(player.id, {
        ...player,
        shown: { ...position },
        facing: 1,
        isMoving: false,
        track: [{ at: time, x: position.x, y: position.y, vx: 0, vy: 0 }],
      });
    }
  }

  /** `player_left_area` */
  part(ids) {
    for (const id of ids) this.others.delete(id);
  }

  /** `positions`: moves of those in sight, and one's own, which the page knows better. */
  move(moves, time) {
    for (const [id, x, y, vx, vy] of moves) {
      const track = this.others.get(id)?.track;
      if (!track) continue;
      track.push({ at: time, x, y, vx, vy });
      if (track.length > TRACK) track.shift();
    }
  }

  /** Brings everybody to where they are seen at the page's `now`, after `elapsedMs` since the last time. */
  advance(now, elapsedMs) {
    if (this.#offset === null) return;
    const at = now - this.#offset - DELAY_MS;
    const follow = 1 - Math.exp(-elapsedMs / FOLLOW_MS);
    for (const figure of this.others.values()) {
      const { x, y, vx, vy } = placeAt(figure.track, at);
      const far = Math.hypot(x - figure.shown.x, y - figure.shown.y) > JUMP;
      const share = far ? 1 : follow;
      figure.shown.x += (x - figure.shown.x) * share;
      figure.shown.y += (y - figure.shown.y) * share;
      figure.isMoving = vx !== 0 || vy !== 0;
      if (Math.abs(vx) > 0.1) figure.facing = vx < 0 ? -1 : 1;
    }
  }
}

/** Where a track leads at a time: between two known places, or drawn out a little from the last. */
export function placeAt(track, at) {
  let next = track.length;
  while (next > 0 && track[next - 1].at > at) next -= 1;
  if (next === 0) return still(track[0]);
  const from = track[next - 1];
  if (next === track.length) return drawnOut(from, at);
  return between(from, track[next], at);
}

function drawnOut(from, at) {
  const late = at - from.at;
  if (late > DRAW_OUT_MS) return still(from);
  return { x: from.x + (from.vx * late) / 1000, y: from.y + (from.vy * late) / 1000, vx: from.vx, vy: from.vy };
}

function between(from, to, at) {
  if (Math.hypot(to.x - from.x, to.y - from.y) > JUMP) return still(from);
  const start = Math.max(from.at, to.at - WALK_GAP_MS);
  if (at <= start) return still(from);
  const share = (at - start) / (to.at - start);
  const seconds = (to.at - start) / 1000;
  const way = { x: to.x - from.x, y: to.y - from.y };
  return { x: from.x + way.x * share, y: from.y + way.y * share, vx: way.x / seconds, vy: way.y / seconds };
}

function still({ x, y }) {
  return { x, y, vx: 0, vy: 0 };
}
