/**
 * The chat: what was said, and by whom, and the line to say something. On a narrow page it is a sheet that opens over
 * the map. It sends through the function it is given and keeps the words in the line until the server took them.
 */

/** Lines kept; the oldest goes first. */
const LINES_KEPT = 200;
/** Within so many pixels of the end the log follows what comes. */
const FOLLOWS_WITHIN = 40;

const CHANNELS = { local: 'Near', global: 'All' };

export class Chat {
  #sheet = document.getElementById('chat');
  #log = document.getElementById('chat-log');
  #form = document.getElementById('chat-form');
  #input = document.getElementById('chat-input');
  #trouble = document.getElementById('chat-trouble');
  #opener = document.getElementById('chat-open');
  #unread = document.getElementById('chat-unread');
  #last = document.getElementById('chat-open-last');
  #unreadCount = 0;
  #narrow = window.matchMedia('(max-width: 760px)');
  #send;
  #describe;

  /**
   * @param {(channel: string, message: string) => Promise<void>} send
   * @param {(error: Error) => string} describe an error in words
   * @param {() => void} onMoved the sheet opened or closed
   */
  constructor(send, describe, onMoved) {
    this.#send = send;
    this.#describe = describe;
    this.onMoved = onMoved;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#say();
    });
    this.#input.addEventListener('input', () => this.#complain(''));
    this.#input.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.close();
    });
    this.#opener.addEventListener('click', () => this.open());
    document.getElementById('chat-close').addEventListener('click', () => this.close());
  }

  /** Pixels of the map that the sheet covers from below. */
  get covers() {
    return this.#narrow.matches && this.#isOpen ? this.#sheet.offsetHeight : 0;
  }

  /** Opens the sheet, where it is one, and puts the cursor into the line. */
  open() {
    this.#setOpen(true);
    this.#input.focus();
  }

  /** Back to the map. */
  close() {
    this.#setOpen(false);
    document.getElementById('map').focus();
  }

  /** Somebody said something. */
  hear({ channel, from, message }, colour, isOwn) {
    const name = element('b', 'chat-name', from.name);
    name.style.setProperty('--faction', colour);
    const line = element('li', isOwn ? 'chat-line is-own' : 'chat-line');
    line.dataset.channel = channel;
    line.append(element('span', 'chat-channel', CHANNELS[channel] ?? channel), name, element('span', 'chat-words', message));
    this.#add(line);
    this.#last.textContent = `${from.name}: ${message}`;
    if (!isOwn) this.#count();
  }

  /** The page itself has something to tell. */
  note(words) {
    this.#add(element('li', 'chat-line is-note', words));
  }

  async #say() {
    const message = this.#input.value.trim();
    if (!message) return this.close();
    const channel = new FormData(this.#form).get('channel');
    try {
      await this.#send(channel, message);
      this.#complain('');
      // Only what was sent goes away: somebody may have written on meanwhile.
      if (this.#input.value.trim() === message) this.#input.value = '';
    } catch (error) {
      this.#complain(`Not said: ${this.#describe(error)}`);
    }
  }

  #complain(words) {
    this.#trouble.textContent = words;
    this.#input.toggleAttribute('aria-invalid', words !== '');
  }

  #add(line) {
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    const follows = scrollHeight - clientHeight - scrollTop < FOLLOWS_WITHIN;
    this.#log.append(line);
    if (this.#log.childElementCount > LINES_KEPT) this.#log.firstElementChild.remove();
    if (follows) this.#log.scrollTop = this.#log.scrollHeight;
  }

  get #isOpen() {
    return this.#opener.getAttribute('aria-expanded') === 'true';
  }

  #setOpen(isOpen) {
    this.#opener.setAttribute('aria-expanded', String(isOpen));
    this.#sheet.classList.toggle('is-open', isOpen);
    if (isOpen) this.#unreadCount = 0;
    this.#showUnread();
    this.#log.scrollTop = this.#log.scrollHeight;
    this.onMoved();
  }

  #count() {
    if (!this.#narrow.matches || this.#isOpen) return;
    this.#unreadCount += 1;
    this.#showUnread();
  }

  #showUnread() {
    this.#unread.hidden = this.#unreadCount === 0;
    this.#unread.textContent = this.#unreadCount > 99 ? '99+' : String(this.#unreadCount);
  }
}

function element(tag, className, text = '') {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}
