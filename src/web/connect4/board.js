/**
 * The board on the page: seven columns to click, tap or choose by key, and the discs in them. It shows the board it is
 * given, lets new discs fall, and says which column was chosen; what may be dropped where is the server's business.
 */

export const COLUMNS = 7;
export const ROWS = 6;

/** How long a disc falls for each row, milliseconds. */
const FALL_MS = 75;

/** What clicks a button by key. Held down it would do so again and again. */
const CLICKS = new Set(['Enter', ' ']);

const COLOURS = { R: 'red', Y: 'yellow' };

export class Board {
  #columns = [];
  /** By row from the top, then column. */
  #cells = [];
  #shown = emptyBoard();
  #chosen = 3;

  /**
   * @param {HTMLElement} root
   * @param {(column: number) => void} drop called with the column that was chosen
   */
  constructor(root, drop) {
    this.#cells = Array.from({ length: ROWS }, () => []);
    for (let column = 0; column < COLUMNS; column += 1) {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'column';
      button.dataset.column = column;
      for (let row = 0; row < ROWS; row += 1) {
        const cell = document.createElement('span');
        cell.className = 'cell';
        const disc = document.createElement('span');
        disc.className = 'disc';
        cell.append(disc);
        button.append(cell);
        this.#cells[row].push(cell);
      }
      button.addEventListener('click', () => drop(column));
      button.addEventListener('focus', () => this.#choose(column));
      this.#columns.push(button);
    }
    root.replaceChildren(...this.#columns);
    root.addEventListener('keydown', (event) => this.#key(event, drop));
    this.#choose(3);
  }

  /**
   * Shows a board.
   *
   * @param {string[]} rows six strings of seven, the top row first
   * @param {{line: ?number[][], mine: ?string}} how the four that won, the letter of one's own disc where it is one's turn
   */
  show(rows, { line, mine }) {
    const isMine = (mine ?? null) !== null;
    for (let row = 0; row < ROWS; row += 1) {
      for (let column = 0; column < COLUMNS; column += 1) {
        const letter = rows[row][column];
        const cell = this.#cells[row][column];
        const isNew = letter !== '.' && this.#shown[row][column] !== letter;
        cell.dataset.disc = letter === '.' ? '' : letter;
        cell.classList.toggle('is-won', (line ?? []).some(([r, c]) => r === row && c === column));
        if (isNew) fall(cell.firstElementChild, row);
      }
    }
    this.#columns.forEach((button, column) => {
      const discs = rows.map((row) => row[column]).filter((letter) => letter !== '.');
      const top = discs.length === 0 ? 'empty' : `${discs.length} discs, ${COLOURS[discs[0]]} on top`;
      button.setAttribute('aria-label', `Column ${column + 1}, ${top}`);
      button.dataset.mine = isMine && discs.length < ROWS ? mine : '';
      button.setAttribute('aria-disabled', String(!isMine || discs.length === ROWS));
    });
    this.#shown = rows;
  }

  /** Takes all discs off. */
  clear() {
    this.show(emptyBoard(), { line: null, mine: null });
  }

  /** Puts the keys where they choose columns. */
  focus() {
    this.#columns[this.#chosen].focus({ preventScroll: true });
  }

  #choose(column) {
    this.#chosen = column;
    // One stop for the Tab key, as a toolbar has it.
    this.#columns.forEach((button, at) => { button.tabIndex = at === column ? 0 : -1; });
  }

  #key(event, drop) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const step = { ArrowLeft: COLUMNS - 1, ArrowRight: 1 }[event.key];
    if (step !== undefined) {
      this.#choose((this.#chosen + step) % COLUMNS);
      this.focus();
    } else if (event.key === 'ArrowDown') {
      if (!event.repeat) drop(this.#chosen);
    } else if (!event.repeat || !CLICKS.has(event.key)) {
      return;
    }
    event.preventDefault();
  }
}

function fall(disc, row) {
  disc.animate(
    [{ transform: `translateY(-${(row + 1) * 112}%)` }, { transform: 'none', offset: 0.82, easing: 'ease-out' }, { transform: 'translateY(-7%)', offset: 0.92 }, { transform: 'none' }],
    { duration: isStill() ? 0 : FALL_MS * (row + 3), easing: 'ease-in' },
  );
}

function isStill() {
  return window.matchMedia('(prefers-reduced-motion: reduce)').matches;
}

function emptyBoard() {
  return Array.from({ length: ROWS }, () => '.'.repeat(COLUMNS));
}
