/**
 * A picture's ThumbHash (some 25 bytes, https://evanw.github.io/thumbhash/) as a picture that can be
 * painted at once: cosine sums of lightness (L), two colors (P: yellow to blue, Q: red to green) and
 * opacity, of at most 32 x 32 pixels.
 */

const SIDE = 32;
/** ThumbHash's scale of the two color channels, which are stored with less range. */
const COLOR_SCALE = 1.25;
/** A header for pixels of 32 bits, from the top, with an alpha channel (BITMAPV4HEADER). */
const BMP_HEADER = 14;
const BMP_V4_HEADER = 108;

/**
 * The `data:` address of a small picture to paint before the real one is loaded.
 * @param {string | undefined} base64 the field `thumbhash` of an assignment
 * @returns {string | null} null for what is missing or is no ThumbHash
 */
export function thumbhash(base64) {
  const decoded = base64 ? decode(base64) : null;
  return decoded && `data:image/bmp;base64,${btoa(bitmap(decoded))}`;
}

/** Width, height and RGBA pixels of a ThumbHash. */
function decode(base64) {
  const hash = bytes(base64);
  if (hash.length < 5) return null;
  const first = hash[0] | (hash[1] << 8) | (hash[2] << 16);
  const second = hash[3] | (hash[4] << 8);
  const alpha = (first >> 23) & 1;
  const landscape = second >> 15;
  const [long, short] = [alpha ? 5 : 7, second & 7];
  if (short < 1 || (alpha && hash.length < 6)) return null;
  const [columns, rows] = landscape ? [long, short] : [short, long];

  let nibble = alpha ? 12 : 10;
  const next = () => ((hash[nibble >> 1] ?? 0) >> ((nibble++ & 1) * 4)) & 15;
  const channel = (mean, scale, columns, rows) => {
    const terms = [{ x: 0, y: 0, weight: mean }];
    for (let y = 0; y < rows; y++) {
      for (let x = y ? 0 : 1; x * rows < columns * (rows - y); x++) {
        terms.push({ x, y, weight: 2 * (next() / 7.5 - 1) * scale });
      }
    }
    return terms;
  };
  const bits = (word, from, count) => (word >> from) & ((1 << count) - 1);
  const lightness = channel(bits(first, 0, 6) / 63, bits(first, 18, 5) / 31, Math.max(3, columns), Math.max(3, rows));
  const yellow = channel(bits(first, 6, 6) / 31.5 - 1, (bits(second, 3, 6) / 63) * COLOR_SCALE, 3, 3);
  const red = channel(bits(first, 12, 6) / 31.5 - 1, (bits(second, 9, 6) / 63) * COLOR_SCALE, 3, 3);
  const opacity = alpha ? channel((hash[5] & 15) / 15, (hash[5] >> 4) / 15, 5, 5) : [{ x: 0, y: 0, weight: 1 }];

  const ratio = columns / rows;
  const width = Math.round(ratio > 1 ? SIDE : SIDE * ratio);
  const height = Math.round(ratio > 1 ? SIDE / ratio : SIDE);
  const pixels = [];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const at = (terms) => sum(terms, (Math.PI / width) * (column + 0.5), (Math.PI / height) * (row + 0.5));
      const [l, p, q] = [at(lightness), at(yellow), at(red)];
      const b = l - (2 / 3) * p;
      const r = (3 * l - b + q) / 2;
      pixels.push([r, r - q, b, at(opacity)].map(byte));
    }
  }
  return { width, height, pixels };
}

function bytes(base64) {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return [];
  }
}

function sum(terms, x, y) {
  return terms.reduce((sum, term) => sum + term.weight * Math.cos(x * term.x) * Math.cos(y * term.y), 0);
}

function byte(value) {
  return Math.round(255 * Math.min(1, Math.max(0, value)));
}

/** A BMP file as a string of bytes: the one format that is written without compressing. */
function bitmap({ width, height, pixels }) {
  const start = BMP_HEADER + BMP_V4_HEADER;
  const file = new Uint8Array(start + 4 * pixels.length);
  const view = new DataView(file.buffer);
  const word = (at, value) => view.setUint32(at, value, true);
  file.set([0x42, 0x4d]);
  word(2, file.length);
  word(10, start);
  word(14, BMP_V4_HEADER);
  word(18, width);
  view.setInt32(22, -height, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 32, true);
  word(30, 3); // the masks below say which byte is which color
  word(34, 4 * pixels.length);
  [0x000000ff, 0x0000ff00, 0x00ff0000, 0xff000000].forEach((mask, color) => word(54 + 4 * color, mask));
  word(70, 0x73524742); // sRGB
  file.set(pixels.flat(), start);
  return String.fromCharCode(...file);
}
