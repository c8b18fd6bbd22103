/**
 * What grows and lies on the ground, drawn with a pen: a function each, that draws one thing about a unit or two high,
 * standing on (x, y), in the colours of its kind of ground. `chance()` gives its next number from 0 to 1, always the
 * same ones for the same thing; `terrain.js` says what grows where.
 */

export const GROWTH = {
  tuft(context, x, y, chance, { ink }) {
    stroke(context, ink, 0.1, 0.55, (path) => {
      for (const lean of [-0.3, 0, 0.3]) {
        path.moveTo(x + lean * 0.7, y);
        path.quadraticCurveTo(x + lean, y - 0.3, x + lean * 1.8, y - 0.4 - chance() * 0.3);
      }
    });
  },
  reed(context, x, y, chance, { ink, fill }) {
    stroke(context, ink, 0.1, 0.75, (path) => {
      for (const lean of [-0.35, 0, 0.3]) {
        path.moveTo(x + lean, y);
        path.lineTo(x + lean * 1.4, y - 0.9 - chance() * 0.6);
      }
    });
    blob(context, x + 0.42, y - 1.3, 0.13, 0.3, fill[1], ink);
  },
  flower(context, x, y, chance, { ink, bright }) {
    stroke(context, ink, 0.08, 0.6, (path) => {
      path.moveTo(x, y);
      path.lineTo(x, y - 0.5);
    });
    blob(context, x, y - 0.6, 0.2, 0.2, bright[Math.floor(chance() * bright.length)], ink);
  },
  bush(context, x, y, chance, { ink, fill }) {
    const size = 0.6 + chance() * 0.35;
    shade(context, x, y, size * 1.1);
    blob(context, x - size * 0.45, y - size * 0.4, size * 0.62, size * 0.55, fill[0], ink);
    blob(context, x + size * 0.4, y - size * 0.45, size * 0.66, size * 0.6, fill[1], ink);
  },
  tree(context, x, y, chance, { ink, fill }) {
    const size = 0.85 + chance() * 0.5;
    shade(context, x, y, size);
    stroke(context, ink, 0.2, 0.9, (path) => {
      path.moveTo(x, y);
      path.lineTo(x, y - size);
    });
    if (chance() < 0.5) {
      shape(context, [[x, y - size * 3], [x + size, y - size * 0.7], [x - size, y - size * 0.7]], fill[0], ink);
    } else {
      blob(context, x, y - size * 1.7, size * 0.95, size * 1.05, fill[1], ink);
    }
    stroke(context, ink, 0.08, 0.5, (path) => {
      path.moveTo(x + size * 0.25, y - size * 1.9);
      path.lineTo(x + size * 0.42, y - size * 1.2);
    });
  },
  stone(context, x, y, chance, { ink, fill }) {
    const size = 0.35 + chance() * 0.5;
    shade(context, x, y, size * 1.2);
    shape(context, [[x - size, y], [x - size * 0.7, y - size * 0.8], [x + size * 0.2, y - size * 1.1], [x + size, y - size * 0.35], [x + size * 0.8, y]], fill[0], ink);
  },
  cobble(context, x, y, chance, { ink, fill }) {
    context.globalAlpha = 0.5;
    for (let row = 0; row < 3; row += 1) {
      for (let column = 0; column < 3; column += 1) {
        if (chance() < 0.35) continue;
        const wide = 0.34 + chance() * 0.16;
        context.beginPath();
        context.roundRect(x + (column - 1.5) * 1.05 + (row % 2) * 0.5, y + (row - 1) * 0.72, wide * 2, 0.52, 0.2);
        paint(context, fill[0], ink, 0.06);
      }
    }
    context.globalAlpha = 1;
  },
  peak(context, x, y, chance, { ink, fill }) {
    const size = 1.3 + chance() * 1.1;
    shade(context, x, y, size);
    shape(context, [[x - size, y], [x - size * 0.1, y - size * 1.5], [x + size, y]], fill[0], ink);
    stroke(context, ink, 0.09, 0.6, (path) => {
      path.moveTo(x - size * 0.1, y - size * 1.5);
      path.lineTo(x + size * 0.15, y - size * 0.8);
      path.lineTo(x - size * 0.05, y - size * 0.45);
    });
  },
  house(context, x, y, chance, { ink, fill, bright }) {
    const size = 0.9 + chance() * 0.5;
    const tile = bright[Math.floor(chance() * bright.length)];
    shade(context, x, y, size * 1.2);
    shape(context, [[x - size, y], [x - size, y - size], [x + size, y - size], [x + size, y]], fill[0], ink);
    shape(context, [[x - size * 1.2, y - size * 0.9], [x - size * 0.75, y - size * 1.9], [x + size * 0.75, y - size * 1.9], [x + size * 1.2, y - size * 0.9]], tile, ink);
    shape(context, [[x - size * 0.2, y], [x - size * 0.2, y - size * 0.55], [x + size * 0.2, y - size * 0.55], [x + size * 0.2, y]], ink, ink);
  },
  pine(context, x, y, chance, { ink, fill }) {
    const size = 0.7 + chance() * 0.5;
    shade(context, x, y, size);
    for (const up of [0.3, 1.1, 1.9]) {
      const wide = size * (1 - up * 0.28);
      shape(context, [[x, y - size * (up + 1.3)], [x + wide, y - size * up], [x - wide, y - size * up]], fill[0], ink);
    }
  },
  drift(context, x, y, chance, { ink }) {
    const size = 0.8 + chance();
    stroke(context, ink, 0.09, 0.35, (path) => {
      path.moveTo(x - size, y);
      path.bezierCurveTo(x - size * 0.4, y - 0.45, x + size * 0.3, y - 0.45, x + size, y);
    });
  },
  stump(context, x, y, chance, { ink, fill }) {
    const size = 0.45 + chance() * 0.5;
    shade(context, x, y, size);
    shape(context, [[x - size * 0.6, y], [x - size * 0.15, y - size * 2.4], [x + size * 0.1, y - size * 2.2], [x + size * 0.6, y]], fill[1], ink);
  },
  column(context, x, y, chance, { ink, fill }) {
    const size = 0.55;
    const tall = 1 + chance() * 1.8;
    shade(context, x, y, size * 1.3);
    shape(context, [[x - size, y], [x - size, y - 0.3], [x + size, y - 0.3], [x + size, y]], fill[0], ink);
    shape(context, [[x - size * 0.7, y - 0.3], [x - size * 0.7, y - tall], [x, y - tall - 0.25], [x + size * 0.7, y - tall + 0.1], [x + size * 0.7, y - 0.3]], fill[0], ink);
    stroke(context, ink, 0.07, 0.5, (path) => {
      for (const flute of [-0.2, 0.15]) {
        path.moveTo(x + flute, y - 0.4);
        path.lineTo(x + flute, y - tall + 0.2);
      }
    });
  },
  dune(context, x, y, chance, { ink }) {
    const size = 1 + chance() * 1.3;
    stroke(context, ink, 0.1, 0.42, (path) => {
      path.moveTo(x - size, y);
      path.quadraticCurveTo(x - size * 0.2, y - size * 0.7, x + size, y - 0.1);
      path.moveTo(x - size * 0.2, y + 0.4);
      path.quadraticCurveTo(x + size * 0.3, y + 0.05, x + size * 0.9, y + 0.35);
    });
  },
  ripple(context, x, y, chance, { ink }) {
    const size = 0.6 + chance() * 0.7;
    stroke(context, ink, 0.1, 0.4, (path) => {
      for (const down of [0, 0.4]) {
        path.moveTo(x - size + down, y + down);
        path.quadraticCurveTo(x - size * 0.5 + down, y - 0.3 + down, x + down, y + down);
        path.quadraticCurveTo(x + size * 0.5 + down, y + 0.3 + down, x + size + down, y + down);
      }
    });
  },
  crystal(context, x, y, chance, { ink, fill }) {
    const size = 0.5 + chance() * 0.5;
    shade(context, x, y, size);
    shape(context, [[x - size * 0.5, y - size * 1.3], [x, y - size * 2.3], [x + size * 0.5, y - size * 1.3], [x, y]], fill[0], ink);
    shape(context, [[x + size * 0.35, y - size * 0.7], [x + size * 0.75, y - size * 1.3], [x + size, y - size * 0.6], [x + size * 0.6, y]], fill[1], ink);
  },
};

function stroke(context, colour, width, alpha, build) {
  const path = new Path2D();
  build(path);
  context.globalAlpha = alpha;
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineCap = 'round';
  context.lineJoin = 'round';
  context.stroke(path);
  context.globalAlpha = 1;
}

function paint(context, fill, ink, width = 0.09) {
  context.fillStyle = fill;
  context.fill();
  context.strokeStyle = ink;
  context.lineWidth = width;
  context.lineJoin = 'round';
  context.stroke();
}

function blob(context, x, y, across, down, fill, ink) {
  context.beginPath();
  context.ellipse(x, y, across, down, 0, 0, Math.PI * 2);
  paint(context, fill, ink);
}

function shape(context, points, fill, ink) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.closePath();
  paint(context, fill, ink);
}

function shade(context, x, y, across) {
  context.beginPath();
  context.ellipse(x + across * 0.15, y + 0.04, across * 1.05, across * 0.3, 0, 0, Math.PI * 2);
  context.fillStyle = 'rgb(20 12 40 / 0.16)';
  context.fill();
}
