import assert from "node:assert/strict";
import { test } from "node:test";
import { rgbaToThumbHash, thumbHashToRGBA } from "thumbhash";
import { thumbhash } from "../../api/page/assets/thumbhash.js";

/** Where the pixels begin, behind the headers of a BMP file with an alpha channel. */
const PIXELS = 14 + 108;

/** A picture of soft stripes, some of it transparent if wished. */
function picture(width, height, transparent, phase) {
  const pixels = new Uint8Array(4 * width * height);
  for (let at = 0; at < pixels.length; at += 4) {
    const [x, y] = [(at / 4) % width, Math.floor(at / 4 / width)];
    const wave = (speed) => 128 + 127 * Math.sin(speed * x + y / 5 + phase);
    pixels.set([wave(0.1), wave(0.05), wave(0.2), transparent ? wave(0.07) : 255], at);
  }
  return pixels;
}

test("a picture's ThumbHash is painted as its authors' decoder paints it", () => {
  for (let n = 0; n < 100; n++) {
    const [width, height] = [1 + ((37 * n) % 100), 1 + ((53 * n) % 100)];
    const hash = rgbaToThumbHash(width, height, picture(width, height, n % 3 === 0, n));
    const theirs = thumbHashToRGBA(hash);
    const address = thumbhash(Buffer.from(hash).toString("base64"));
    const file = Buffer.from(address.replace("data:image/bmp;base64,", ""), "base64");
    assert.deepEqual([file.readInt32LE(18), -file.readInt32LE(22)], [theirs.w, theirs.h]);
    assert.equal(file.length, PIXELS + theirs.rgba.length);
    const difference = theirs.rgba.map((value, at) => Math.abs(value - file[PIXELS + at]));
    assert.ok(Math.max(...difference) <= 1, `picture ${n} of ${width} x ${height}`);
  }
});

test("what is no ThumbHash is no picture", () => {
  for (const text of [undefined, "", "AAAA", "no base64!"]) assert.equal(thumbhash(text), null);
});
