// What the scripts see of a match of Connect 4.

/** Waits until it is the turn of this page's player, `mine`, or of the `other`. */
export async function turns(page, whose) {
  await page.waitForSelector(`#match[data-turn="${whose}"]`);
}

/** Waits until so many discs have been dropped. */
export async function moves(page, count) {
  await page.waitForSelector(`#match[data-moves="${count}"]`);
}

/** Goes through the door, into the `hall` or, by a link, to a `match`. */
export async function enterHall(page, name, phase = 'hall') {
  await page.waitForSelector('body[data-phase="door"]');
  await page.fill('#door-name', name);
  await page.click('#door-enter');
  await page.waitForSelector(`body[data-phase="${phase}"]`);
}
