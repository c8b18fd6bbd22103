/**
 * One's own steps: where the keys or the target lead, at the speed the rules allow, and when the server is told.
 * It knows no page and reads no clock; `scene.js` draws what it says, `controls.js` tells it what the hands want.
 *
 * Positions are units, origin top left; velocities units a second; times milliseconds.
 */

/** How often the server hears of somebody who walks, milliseconds: 10 Hz. */
export const REPORT_MS = 100;
/** The longest step taken at once: a page that slept does not leap. */
const LONGEST_STEP_MS = 100;
/** How fast a corrected figure glides to where it belongs: what is left of the way after this time is 1/e. */
const GLIDE_MS = 70;
/** A correction farther than this is a jump to be seen as one. */
const GLIDE_MOST = 24;

export class Walker {
  position = { x: 0, y: 0 };
  velocity = { x: 0, y: 0 };
  /** Where the walk leads, or null. */
  target = null;

  /** Units a second, as the server says in `you`. */
  #speed = 0;
  #bounds = { width: 0, height: 0 };
  #keys = { x: 0, y: 0 };
  #glide = { x: 0, y: 0 };
  #told = { velocity: { x: 0, y: 0 }, at: -Infinity };

  /** Stands somewhere, as the server says: entered, or went through an exit. */
  place(position, { width, height }, maxSpeed) {
    this.position = { ...position };
    this.#speed = maxSpeed;
    this.#bounds = { width, height };
    this.#glide = { x: 0, y: 0 };
    this.stop();
    this.#told = { velocity: { x: 0, y: 0 }, at: -Infinity };
  }

  /** The server does not agree with the last steps: stand where it says; the figure glides there. */
  correct(position) {
    const shown = this.shown;
    const glide = { x: shown.x - position.x, y: shown.y - position.y };
    this.position = { ...position };
    this.#glide = Math.hypot(glide.x, glide.y) > GLIDE_MOST ? { x: 0, y: 0 } : glide;
    this.target = null;
  }

  /** The direction the keys hold, each axis -1 to 1; zero for none. Keys win over a target. */
  steer(x, y) {
    this.#keys = { x, y };
    if (x !== 0 || y !== 0) this.target = null;
  }

  /** Walks to a point of the location. */
  walkTo({ x, y }) {
    this.target = this.#clamped(x, y);
  }

  stop() {
    this.target = null;
    this.#keys = { x: 0, y: 0 };
    this.velocity = { x: 0, y: 0 };
  }

  get isMoving() {
    return this.velocity.x !== 0 || this.velocity.y !== 0;
  }

  /** Where the figure is drawn: the position, but for a correction that still glides. */
  get shown() {
    return { x: this.position.x + this.#glide.x, y: this.position.y + this.#glide.y };
  }

  /** Walks for a while. */
  step(elapsedMs) {
    const ms = Math.min(elapsedMs, LONGEST_STEP_MS);
    const fade = Math.exp(-ms / GLIDE_MS);
    this.#glide = { x: this.#glide.x * fade, y: this.#glide.y * fade };
    const way = this.#way();
    const length = Math.hypot(way.x, way.y);
    const reach = (this.#speed * ms) / 1000;
    if (length === 0 || (this.target && length <= reach)) {
      if (this.target) this.position = this.target;
      this.target = null;
      this.velocity = { x: 0, y: 0 };
      return;
    }
    const next = this.#clamped(this.position.x + (way.x / length) * reach, this.position.y + (way.y / length) * reach);
    // An edge takes away the axis that leads over it.
    this.velocity = {
      x: next.x === this.position.x ? 0 : (way.x / length) * this.#speed,
      y: next.y === this.position.y ? 0 : (way.y / length) * this.#speed,
    };
    this.position = next;
  }

  /** The `position_update` that is due now, or null: 10 a second while moving and one at the stop. */
  report(now) {
    const stopped = !this.isMoving && (this.#told.velocity.x !== 0 || this.#told.velocity.y !== 0);
    const due = this.isMoving && now - this.#told.at >= REPORT_MS;
    return stopped || due ? this.reportNow(now) : null;
  }

  /** A `position_update` whether due or not: before what depends on it, as `move` does. */
  reportNow(now) {
    this.#told = { velocity: this.velocity, at: now };
    return { position: rounded(this.position), velocity: rounded(this.velocity) };
  }

  #way() {
    if (!this.target) return this.#keys;
    return { x: this.target.x - this.position.x, y: this.target.y - this.position.y };
  }

  #clamped(x, y) {
    return { x: Math.min(Math.max(x, 0), this.#bounds.width), y: Math.min(Math.max(y, 0), this.#bounds.height) };
  }
}

/** A thousandth of a unit is less than a pixel, and shorter on the wire. */
function rounded({ x, y }) {
  return { x: Math.round(x * 1000) / 1000, y: Math.round(y * 1000) / 1000 };
}
