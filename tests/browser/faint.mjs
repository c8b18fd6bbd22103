// Measures the contrast of text as WCAG 2.2 does. Runs inside a page: `page.evaluate(faintTexts)`.

/**
 * All text that is to be seen and has too little contrast. What it stands on is put together from the backgrounds, the
 * opacities and the gradients around it; what stands on a canvas is held against black and against white, for anything may
 * be painted there. Text that is there for screen readers only, and that of controls which cannot be used, does not count.
 *
 * @returns {{seen: number, found: string[]}} how many texts there are, and those that are too faint, in words
 */
export function faintTexts() {
  const ENOUGH = 4.5;
  const ENOUGH_WHERE_LARGE = 3;
  const BLACK = [0, 0, 0];
  const WHITE = [255, 255, 255];

  /** The numbers of a computed colour: red, green, blue to 255, alpha to 1. */
  function parse(colour) {
    const [, space, inside] = /^(rgba?|color)\((.*)\)$/.exec(colour) ?? [null, 'rgb', '0 0 0 / 0'];
    const [red, green, blue, alpha = 1] = inside.replace('srgb', '').match(/[\d.e-]+/g).map(Number);
    const scale = space === 'color' ? 255 : 1;
    return { rgb: [red, green, blue].map((part) => part * scale), alpha };
  }

  function mix(above, alpha, below) {
    return above.map((part, at) => alpha * part + (1 - alpha) * below[at]);
  }

  /** Relative luminance, as WCAG 2.2 defines it. */
  function luminance(rgb) {
    const [red, green, blue] = rgb.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }

  function contrast(one, other) {
    const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (lighter + 0.05) / (darker + 0.05);
  }

  /** What an element paints behind its text, over each of the colours that may be there: a gradient may be any of its own. */
  function paintedOver(style, backdrops) {
    const { rgb, alpha } = parse(style.backgroundColor);
    const plain = backdrops.map((backdrop) => mix(rgb, alpha, backdrop));
    const stops = (style.backgroundImage.match(/(rgba?|color)\([^)]*\)/g) ?? []).map(parse);
    return stops.length === 0 ? plain : plain.flatMap((below) => stops.map((stop) => mix(stop.rgb, stop.alpha, below)));
  }

  /** The pairs of text and background that come out when everything from the root to the text is painted. */
  function pairs(chain, colour, backdrops) {
    const [element, ...rest] = chain;
    const style = getComputedStyle(element);
    // Where a canvas lies under it, anything may.
    const below = hasCanvasBelow(element) ? [BLACK, WHITE] : backdrops;
    const behind = paintedOver(style, below);
    const inside = rest.length > 0 ? pairs(rest, colour, behind) : behind.map((background) => ({ text: mix(colour.rgb, colour.alpha, background), background }));
    const opacity = Number(style.opacity);
    if (opacity === 1) return inside;
    return inside.flatMap(({ text, background }) => below.map((backdrop) => ({ text: mix(text, opacity, backdrop), background: mix(background, opacity, backdrop) })));
  }

  function hasCanvasBelow(element) {
    const canvas = [...(element.parentElement?.children ?? [])].find((sibling) => sibling.tagName === 'CANVAS' && sibling !== element);
    if (!canvas || !(canvas.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING)) return false;
    const [one, other] = [canvas.getBoundingClientRect(), element.getBoundingClientRect()];
    return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
  }

  function chainOf(element) {
    const chain = [];
    for (let at = element; at; at = at.parentElement) {
      chain.unshift(at);
      // A dialog that is open stands in the top layer: nothing of its ancestors is seen in it.
      if (at.matches('dialog[open]')) break;
    }
    return chain;
  }

  function isSeen(element, box) {
    if (box.width <= 1 || box.height <= 1) return false;
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false;
    // What is there for screen readers only is cut away.
    return !chainOf(element).some((at) => getComputedStyle(at).clipPath === 'inset(50%)');
  }

  function isUnusable(element) {
    return element.closest(':disabled, [aria-disabled="true"]') !== null;
  }

  const found = [];
  let seen = 0;

  function measure(element, words, style, colour) {
    seen += 1;
    const size = Number.parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratios = pairs(chainOf(element), colour, [WHITE]).map(({ text, background }) => contrast(text, background));
    const least = Math.min(...ratios);
    if (least < (isLarge ? ENOUGH_WHERE_LARGE : ENOUGH)) {
      found.push(`${words} (${least.toFixed(2)} to 1, ${style.color} at ${style.fontSize}, ${element.tagName.toLowerCase()}.${element.className || element.id})`);
    }
  }

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const words = node.data.trim();
    const element = node.parentElement;
    if (words === '' || element.closest('script, style, noscript, svg, canvas')) continue;
    range.selectNodeContents(node);
    if (!isSeen(element, range.getBoundingClientRect()) || isUnusable(element)) continue;
    const style = getComputedStyle(element);
    measure(element, words, style, parse(style.color));
  }
  for (const field of document.querySelectorAll('input:not([type=checkbox], [type=radio]), textarea')) {
    if (!isSeen(field, field.getBoundingClientRect()) || isUnusable(field)) continue;
    const words = field.value || field.placeholder;
    const style = getComputedStyle(field, field.value ? null : '::placeholder');
    if (words) measure(field, words, style, { ...parse(style.color), ...(field.value ? {} : { alpha: parse(style.color).alpha * Number(style.opacity) }) });
  }
  return { seen, found };
}
