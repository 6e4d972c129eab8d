// Why: speakers are told apart by colour (and always by name too), and what people choose for their
// captions is checked for contrast as WCAG 2.2 counts it.

/** Least contrast of text, WCAG 1.4.3. */
export const ENOUGH = 4.5;

/** Light tints, each at least 9:1 on black, told apart also with red-green blindness by lightness order. */
const SPEAKERS = ['#ffd166', '#7bdff2', '#b6f2a0', '#ffb1c1', '#d3c1ff', '#ffbe85', '#9fd3ff', '#e8e6a8'];

/** The colour of whoever is not known any more. */
export const NOBODY = '#c9d2cf';

/** The colour of a person: the same for everybody in the room, whoever came first. @param {number} order place in the list of participants */
export const speakerColour = (order) => SPEAKERS[((order % SPEAKERS.length) + SPEAKERS.length) % SPEAKERS.length];

/** @param {string} hex `#rrggbb` @returns {[number, number, number]} 0–255 */
function channels(hex) {
  const n = Number.parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

/** @param {[number, number, number]} rgb */
function luminance(rgb) {
  const [r, g, b] = rgb.map((c) => {
    const s = c / 255;
    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/**
 * The least contrast of text on a half-transparent background, whatever video lies beneath: the
 * worst of black and white below.
 *
 * @param {string} text `#rrggbb`
 * @param {string} background `#rrggbb`
 * @param {number} opacity 0–100, of the background
 */
export function contrast(text, background, opacity = 100) {
  const over = [0, 255].map((below) => {
    const mixed = channels(background).map((c) => (c * opacity + below * (100 - opacity)) / 100);
    const [a, b] = [luminance(channels(text)), luminance(/** @type {[number, number, number]} */ (mixed))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
  return Math.min(...over);
}

/** `#rrggbb` with an opacity of 0–100 as CSS. @param {string} hex @param {number} opacity */
export const withOpacity = (hex, opacity) => `rgb(${channels(hex).join(' ')} / ${opacity}%)`;
