/**
 * Draws what stands on the ground: walkers, gates, shards, names, spoken words. Each function draws one thing at a
 * point of the screen and knows nothing else; `scene.js` says what stands where.
 */

/** A faction is told by its colour and by the sign on the cloak: a sun, a crescent, a leaf. */
const FACTIONS = {
  solari: { cloak: '#d9922e', dark: '#a3641a', sign: sun },
  umbral: { cloak: '#7d62c9', dark: '#55409a', sign: crescent },
  verdant: { cloak: '#3f9b63', dark: '#2a7047', sign: leaf },
};
const NOBODY = { cloak: '#7f8796', dark: '#5b6270', sign: () => {} };
const INK = '#1d1730';
const SKIN = ['#f3d3b5', '#dcae86', '#b98258', '#8a5a3c'];

/** The colour of a faction, for dots and lists. */
export function factionColour(faction) {
  return (FACTIONS[faction] ?? NOBODY).cloak;
}

/**
 * A walker standing on (x, y), `size` pixels tall. `stride` is the phase of the walk in radians, null to stand.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {{id: number, faction: string, class: string, facing: number}} who
 */
export function drawWalker(context, who, x, y, size, stride) {
  const { cloak, dark, sign } = FACTIONS[who.faction] ?? NOBODY;
  const lift = stride === null ? 0 : Math.abs(Math.sin(stride)) * size * 0.07;
  const lean = stride === null ? 0 : 0.06;
  ground(context, x, y, size * 0.34);
  context.save();
  context.translate(x, y - lift);
  context.scale((size / 100) * who.facing, size / 100);
  context.rotate(lean);
  context.lineWidth = 5;
  context.lineJoin = 'round';
  context.strokeStyle = INK;
  if (stride !== null) feet(context, stride);
  robe(context, cloak, dark);
  context.save();
  context.translate(2, -30);
  // The sign is not mirrored with the walker, a crescent would change its meaning.
  context.scale(who.facing, 1);
  sign(context);
  context.restore();
  head(context, SKIN[who.id % SKIN.length]);
  (HEADGEAR[who.class] ?? HEADGEAR.rogue)(context, cloak, dark);
  context.restore();
}

/** The ring under oneself. */
export function drawSelfRing(context, x, y, size, colour) {
  context.beginPath();
  context.ellipse(x, y, size * 0.5, size * 0.22, 0, 0, Math.PI * 2);
  context.strokeStyle = colour;
  context.lineWidth = 2.5;
  context.stroke();
}

/** A name under its walker, readable on any ground. */
export function drawName(context, name, x, y, { text, halo, weight = 600 }) {
  context.font = `${weight} 13px ${FONT}`;
  context.textAlign = 'center';
  context.textBaseline = 'top';
  context.lineJoin = 'round';
  context.lineWidth = 4;
  context.strokeStyle = halo;
  context.strokeText(name, x, y);
  context.fillStyle = text;
  context.fillText(name, x, y);
}

/** A gate standing on (x, y). `glow` 0 to 1 is how near one is to taking it. */
export function drawGate(context, x, y, size, glow, { stone, ink, light }) {
  const half = size * 0.42;
  ground(context, x, y, half * 1.25);
  context.save();
  context.translate(x, y);
  context.lineJoin = 'round';
  const shine = context.createRadialGradient(0, -size * 0.4, 0, 0, -size * 0.4, size * 0.7);
  shine.addColorStop(0, light);
  shine.addColorStop(1, 'rgb(255 255 255 / 0)');
  context.globalAlpha = 0.35 + glow * 0.6;
  context.fillStyle = shine;
  context.fillRect(-size, -size * 1.2, size * 2, size * 1.5);
  context.globalAlpha = 1;
  arch(context, half, size);
  context.fillStyle = stone;
  context.fill();
  context.strokeStyle = ink;
  context.lineWidth = 2;
  context.stroke();
  arch(context, half * 0.62, size * 0.8);
  context.fillStyle = light;
  context.fill();
  context.stroke();
  context.restore();
}

/** A Crystal Shard floating over (x, y); `sway` in pixels. */
export function drawShard(context, x, y, size, sway, colour) {
  ground(context, x, y, size * 0.22);
  context.save();
  context.translate(x, y - size * 0.25 + sway);
  const [top, left, right, bottom] = [[0, -size], [-size * 0.28, -size * 0.6], [size * 0.28, -size * 0.6], [0, 0]];
  polygon(context, [top, right, bottom, left]);
  context.fillStyle = colour;
  context.fill();
  polygon(context, [top, right, left]);
  context.fillStyle = 'rgb(255 255 255 / 0.45)';
  context.fill();
  polygon(context, [top, [size * 0.09, -size * 0.6], bottom, left]);
  context.fillStyle = 'rgb(255 255 255 / 0.22)';
  context.fill();
  polygon(context, [top, right, bottom, left]);
  context.lineWidth = 1.8;
  context.lineJoin = 'round';
  context.strokeStyle = INK;
  context.stroke();
  context.restore();
}

/** A label on a plate, its middle at (x, y); gives back the box it covers. */
export function drawPlate(context, words, x, y, { plate, text, line }) {
  context.font = `600 13px ${FONT}`;
  const width = context.measureText(words).width + 18;
  const box = { left: x - width / 2, top: y - 12, width, height: 24 };
  context.beginPath();
  context.roundRect(box.left, box.top, box.width, box.height, 12);
  context.fillStyle = plate;
  context.fill();
  context.strokeStyle = line;
  context.lineWidth = 1;
  context.stroke();
  context.fillStyle = text;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillText(words, x, y + 0.5);
  return box;
}

/** What somebody just said, in a bubble whose tip is at (x, y). */
export function drawWords(context, words, x, y, alpha, { plate, text, line }) {
  context.font = `14px ${FONT}`;
  const lines = wrapped(context, words, 210, 4);
  const width = Math.max(...lines.map((words) => context.measureText(words).width)) + 22;
  const height = lines.length * 18 + 14;
  const top = y - height - 8;
  context.save();
  context.globalAlpha = alpha;
  context.beginPath();
  context.roundRect(x - width / 2, top, width, height, 12);
  context.moveTo(x - 7, top + height);
  context.lineTo(x, y);
  context.lineTo(x + 7, top + height);
  context.strokeStyle = line;
  context.lineWidth = 2;
  context.stroke();
  context.fillStyle = plate;
  context.fill();
  context.fillStyle = text;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  lines.forEach((words, i) => context.fillText(words, x, top + 16 + i * 18));
  context.restore();
}

const FONT = 'system-ui, sans-serif';

/** What the classes wear: a shield, a pointed hat, a hood. */
const HEADGEAR = {
  warden(context, cloak, dark) {
    context.fillStyle = '#c9ced8';
    context.beginPath();
    context.arc(0, -74, 20, Math.PI, 0);
    context.closePath();
    outlined(context);
    context.fillStyle = dark;
    context.beginPath();
    context.moveTo(14, -46);
    context.lineTo(42, -46);
    context.quadraticCurveTo(42, -18, 28, -8);
    context.quadraticCurveTo(14, -18, 14, -46);
    outlined(context);
  },
  mage(context, cloak, dark) {
    context.fillStyle = dark;
    context.beginPath();
    context.moveTo(-26, -78);
    context.quadraticCurveTo(0, -68, 26, -78);
    context.quadraticCurveTo(12, -92, 8, -118);
    context.quadraticCurveTo(-12, -96, -26, -78);
    outlined(context);
    context.beginPath();
    context.moveTo(33, 0);
    context.lineTo(33, -82);
    context.stroke();
    context.fillStyle = '#bfeaff';
    context.beginPath();
    context.arc(33, -86, 7, 0, Math.PI * 2);
    outlined(context);
  },
  rogue(context, cloak, dark) {
    context.fillStyle = dark;
    context.beginPath();
    context.moveTo(-21, -56);
    context.bezierCurveTo(-30, -104, 26, -108, 20, -78);
    context.bezierCurveTo(4, -84, -6, -74, -8, -54);
    context.closePath();
    outlined(context);
  },
};

function feet(context, stride) {
  const swing = Math.sin(stride) * 11;
  context.fillStyle = INK;
  for (const [x, y] of [[-9 + swing, 0], [9 - swing, 0]]) {
    context.beginPath();
    context.ellipse(x, y, 9, 5, 0, 0, Math.PI * 2);
    context.fill();
  }
}

function robe(context, cloak, dark) {
  context.beginPath();
  context.moveTo(-12, -58);
  context.bezierCurveTo(-22, -42, -30, -16, -28, -4);
  context.quadraticCurveTo(0, 8, 28, -4);
  context.bezierCurveTo(30, -16, 22, -42, 12, -58);
  context.closePath();
  context.fillStyle = cloak;
  outlined(context);
  context.beginPath();
  context.moveTo(-12, -56);
  context.bezierCurveTo(-20, -40, -26, -18, -26, -5);
  context.quadraticCurveTo(-16, 0, -10, 1);
  context.quadraticCurveTo(-14, -24, -4, -56);
  context.fillStyle = dark;
  context.fill();
}

function head(context, skin) {
  context.fillStyle = skin;
  context.beginPath();
  context.arc(0, -72, 18, 0, Math.PI * 2);
  outlined(context);
  context.fillStyle = INK;
  for (const x of [4, 12]) {
    context.beginPath();
    context.ellipse(x, -70, 2.2, 3.4, 0, 0, Math.PI * 2);
    context.fill();
  }
}

function sun(context) {
  context.fillStyle = '#ffe9b0';
  context.beginPath();
  for (let i = 0; i < 16; i += 1) {
    const radius = i % 2 ? 6 : 11;
    context.lineTo(Math.cos((i * Math.PI) / 8) * radius, Math.sin((i * Math.PI) / 8) * radius);
  }
  context.fill();
}

function crescent(context) {
  context.fillStyle = '#e6dcff';
  context.beginPath();
  context.arc(0, 0, 10, 0.7, 5.6);
  context.arc(4, 0, 8, 5.4, 0.9, true);
  context.fill();
}

function leaf(context) {
  context.fillStyle = '#d5f5c8';
  context.beginPath();
  context.moveTo(0, -12);
  context.quadraticCurveTo(12, 0, 0, 12);
  context.quadraticCurveTo(-12, 0, 0, -12);
  context.fill();
}

function outlined(context) {
  context.fill();
  context.stroke();
}

function ground(context, x, y, across) {
  context.beginPath();
  context.ellipse(x, y, across, across * 0.36, 0, 0, Math.PI * 2);
  context.fillStyle = 'rgb(15 8 35 / 0.28)';
  context.fill();
}

function arch(context, half, size) {
  context.beginPath();
  context.moveTo(-half, 0);
  context.lineTo(-half, -size * 0.55);
  context.arc(0, -size * 0.55, half, Math.PI, 0);
  context.lineTo(half, 0);
  context.closePath();
}

function polygon(context, points) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.closePath();
}

/** Words broken into at most `most` lines of a width; what is left over becomes an ellipsis. */
function wrapped(context, words, width, most) {
  const lines = [''];
  for (const word of words.split(/\s+/).flatMap((word) => word.match(/.{1,24}/gu) ?? [])) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (context.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else if (lines.length < most) lines.push(word);
    else return [...lines.slice(0, -1), `${lines.at(-1)} …`];
  }
  return lines;
}
