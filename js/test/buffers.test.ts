import { expect, test } from "vitest";
import { float16View, viewOf } from "../demo/wire";
import { bytesOf, decodeFloat16, halfToNumber } from "../src/buffers";

test("half-precision numbers of every kind", () => {
  const known: [bits: number, value: number][] = [
    [0x0000, 0],
    [0x3c00, 1],
    [0xc000, -2],
    [0x3555, 0.333251953125],
    [0x7bff, 65504],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
  ];
  for (const [bits, value] of known) expect(halfToNumber(bits)).toBe(value);
  expect(halfToNumber(0x7e00)).toBeNaN();
});

test("decoding honours the view's offset and length, the byte order and the scale", () => {
  const bytes = new Uint8Array([0xff, 0x00, 0x3c, 0x00, 0xc0, 0xff]);
  const view = new DataView(bytes.buffer, 1, 4);
  expect([...decodeFloat16(view, 0.5)]).toEqual([0.5, -1]);
});

test("bytes are taken from inside their buffer", () => {
  expect([...bytesOf(viewOf(new Uint8Array([7, 8, 9])))]).toEqual([7, 8, 9]);
});

test("what the mock kernel encodes comes back", () => {
  const values = [0, 1, -1, 0.5, 0.0001, -0.999, 1 / 3];
  const decoded = decodeFloat16(float16View(values), 1);
  values.forEach((value, i) => {
    expect(Math.abs(decoded[i] - value)).toBeLessThanOrEqual(Math.max(2 ** -25, Math.abs(value) * 2 ** -11));
  });
});
