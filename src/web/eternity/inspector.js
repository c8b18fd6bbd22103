/**
 * The packets panel: what the page and the server say to each other, in order, to be filtered, stopped and opened.
 * It only listens. Packets are kept while the panel is closed; rows are made only while it is open, once a frame.
 */

/** Packets kept; the oldest goes first. */
const KEPT = 400;
/** Characters of a packet shown in its closed row. */
const PREVIEW = 90;
/** Within so many pixels of the end the list follows what comes. */
const FOLLOWS_WITHIN = 40;

/** @typedef {{isIn: boolean, type: string, label: string, at: number, data: object, text: string, search: string}} Entry */

export class Inspector {
  #panel = document.getElementById('packets');
  #list = document.getElementById('packets-log');
  #none = document.getElementById('packets-none');
  #rate = document.getElementById('packets-rate');
  #filter = document.getElementById('packets-filter');
  #showIn = document.getElementById('packets-in');
  #showOut = document.getElementById('packets-out');
  #pause = document.getElementById('packets-pause');
  /** @type {Entry[]} */
  #kept = [];
  /** @type {Entry[]} */
  #waiting = [];
  #held = null;
  #frame = null;
  #counts = { in: 0, out: 0 };

  constructor() {
    for (const control of [this.#filter, this.#showIn, this.#showOut]) control.addEventListener('input', () => this.#rebuild());
    document.getElementById('packets-clear').addEventListener('click', () => this.#clear());
    this.#pause.addEventListener('click', () => this.#setPaused(this.#held === null));
    setInterval(() => this.#tellRate(), 1000);
  }

  get isOpen() {
    return !this.#panel.hidden;
  }

  set isOpen(isOpen) {
    this.#panel.hidden = !isOpen;
    if (isOpen) this.#rebuild();
  }

  /** A packet came: its number in the batch and the request it answers are its label. */
  received(type, data, { re, seq }, at) {
    this.#counts.in += 1;
    this.#keep(entry(true, type, re === undefined || re === null ? `#${seq}` : `#${seq} re ${re}`, data, at));
  }

  /** A packet went out. */
  sent(type, data, id, at) {
    this.#counts.out += 1;
    this.#keep(entry(false, type, id === undefined ? '' : `id ${id}`, data, at));
  }

  #keep(packet) {
    if (this.#held !== null) {
      this.#held += 1;
      return this.#showPaused();
    }
    this.#kept.push(packet);
    if (this.#kept.length > KEPT) this.#kept.shift();
    if (!this.isOpen) return;
    this.#waiting.push(packet);
    this.#frame ??= requestAnimationFrame(() => this.#flush());
  }

  #flush() {
    this.#frame = null;
    const { scrollTop, scrollHeight, clientHeight } = this.#list;
    const follows = scrollHeight - clientHeight - scrollTop < FOLLOWS_WITHIN;
    const fits = this.#condition();
    this.#list.append(...this.#waiting.filter(fits).map(row));
    this.#waiting = [];
    while (this.#list.childElementCount > KEPT) this.#list.firstElementChild.remove();
    this.#none.hidden = this.#list.childElementCount > 0;
    if (follows) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #rebuild() {
    this.#list.replaceChildren();
    this.#waiting = [...this.#kept];
    this.#flush();
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  #clear() {
    this.#kept = [];
    if (this.#held !== null) this.#held = 0;
    this.#rebuild();
  }

  /** Every word of the filter must be in the packet, a word after a minus must not. */
  #condition() {
    const words = this.#filter.value.toLowerCase().split(/\s+/).filter((word) => word && word !== '-');
    const wanted = words.filter((word) => !word.startsWith('-'));
    const unwanted = words.filter((word) => word.startsWith('-')).map((word) => word.slice(1));
    const [ins, outs] = [this.#showIn.checked, this.#showOut.checked];
    return ({ isIn, search }) => (isIn ? ins : outs)
      && wanted.every((word) => search.includes(word)) && !unwanted.some((word) => search.includes(word));
  }

  #setPaused(isPaused) {
    this.#held = isPaused ? 0 : null;
    this.#pause.setAttribute('aria-pressed', String(isPaused));
    this.#showPaused();
  }

  #showPaused() {
    this.#pause.textContent = this.#held === null ? 'Pause' : this.#held === 0 ? 'Go on' : `Go on (${this.#held} missed)`;
  }

  #tellRate() {
    this.#rate.textContent = `${this.#counts.in} in, ${this.#counts.out} out a second`;
    this.#counts = { in: 0, out: 0 };
  }
}

/** @returns {Entry} */
function entry(isIn, type, label, data, at) {
  const text = JSON.stringify(data);
  return { isIn, type, label, at, data, text, search: `${type} ${text}`.toLowerCase() };
}

function row({ isIn, type, label, at, data, text }) {
  const time = new Date(at).toISOString().slice(14, 23);
  const summary = document.createElement('summary');
  summary.append(
    span('packet-way', isIn ? '↓' : '↑', isIn ? 'in' : 'out'), span('packet-time', time), span('packet-type', type),
    span('packet-label', label), span('packet-preview', text.length > PREVIEW ? `${text.slice(0, PREVIEW)}…` : text),
  );
  const details = document.createElement('details');
  details.append(summary);
  // The long form is made when somebody opens it: most rows nobody does.
  details.addEventListener('toggle', () => {
    if (details.childElementCount > 1) return;
    const pre = document.createElement('pre');
    pre.textContent = JSON.stringify(data, null, 2);
    details.append(pre);
  });
  const item = document.createElement('li');
  item.className = isIn ? 'packet is-in' : 'packet is-out';
  item.append(details);
  return item;
}

function span(className, text, label) {
  const node = document.createElement('span');
  node.className = className;
  node.textContent = text;
  if (label) {
    node.setAttribute('role', 'img');
    node.setAttribute('aria-label', label);
  }
  return node;
}
