/**
 * The three things that every part of both pages does with its elements. It keeps nothing and decides nothing.
 */

/** The element of that id, which the page has. */
export function byId(id) {
  return document.getElementById(id);
}

/** A new element with its class and its words. */
export function node(tag, className, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** Writes only what changes: much of it runs several times a second. */
export function setText(target, words) {
  if (target.textContent !== words) target.textContent = words;
}
