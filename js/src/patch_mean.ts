/** The mean colour of a photograph under occluders, or around them, from sums along its rows. */

import { contextOf } from "./canvas";
import type { Shape } from "./occlusion_state";
import type { Box, Rgb } from "./protocol";

/** The photograph is read at no more pixels than this along each side: a mean needs no more. */
const MOST = 512;

export interface PatchMean {
  /** Of the pixels that at least one occluder covers. */
  under(boxes: readonly Box[], shape: Shape): Rgb;
  /** Of the pixels of a region that no occluder covers. */
  around(boxes: readonly Box[], shape: Shape, region: Box): Rgb;
}

type Sums = [red: number, green: number, blue: number, count: number];
type Span = readonly [from: number, to: number];

const NOTHING: Sums = [0, 0, 0, 0];

const minus = (a: Sums, b: Sums) => a.map((each, i) => each - b[i]) as Sums;

function meanOf([red, green, blue, count]: Sums): Rgb {
  const pixels = Math.max(1, count);
  return [red / pixels, green / pixels, blue / pixels];
}

/** Overlapping spans as one, so that no pixel counts twice. */
function united(spans: readonly Span[]): Span[] {
  const result: [number, number][] = [];
  for (const [from, to] of [...spans].sort((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else result.push([from, to]);
  }
  return result;
}

/** `size` is that of the original picture, in whose coordinates boxes are given. */
export function createPatchMean(
  bitmap: ImageBitmap,
  size: { readonly width: number; readonly height: number },
): PatchMean {
  const shrink = Math.min(1, MOST / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  const width = Math.max(1, Math.round(bitmap.width * shrink));
  const height = Math.max(1, Math.round(bitmap.height * shrink));
  canvas.width = width;
  canvas.height = height;
  const context = contextOf(canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  canvas.width = 0;
  canvas.height = 0;

  // Three running sums per row; a row starts with zeros.
  const row = 3 * (width + 1);
  const running = new Uint32Array(row * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * row + 3 * x;
      const pixel = 4 * (y * width + x);
      for (let c = 0; c < 3; c++) running[at + 3 + c] = running[at + c] + data[pixel + c];
    }
  }

  const [sx, sy] = [width / size.width, height / size.height];
  const column = (x: number) => Math.min(width, Math.max(0, Math.round(x * sx)));

  /** The part of one row that an occluder covers. */
  const spanOf = ([left, top, right, bottom]: Box, shape: Shape, y: number): Span => {
    const middle = (y + 0.5) / sy;
    const along = (2 * middle - top - bottom) / (bottom - top);
    if (!(Math.abs(along) < 1)) return [0, 0];
    const half = ((shape === "ellipse" ? Math.sqrt(1 - along * along) : 1) * (right - left)) / 2;
    return [column((left + right) / 2 - half), column((left + right) / 2 + half)];
  };

  const sumsOf = (boxes: readonly Box[], shape: Shape): Sums => {
    const sums: Sums = [...NOTHING];
    for (let y = 0; y < height; y++) {
      for (const [from, to] of united(boxes.map((box) => spanOf(box, shape, y)))) {
        for (let c = 0; c < 3; c++)
          sums[c] += running[y * row + 3 * to + c] - running[y * row + 3 * from + c];
        sums[3] += to - from;
      }
    }
    return sums;
  };

  return {
    under: (boxes, shape) => meanOf(sumsOf(boxes, shape)),
    around: (boxes, shape, region) => meanOf(minus(sumsOf([region], "rectangle"), sumsOf(boxes, shape))),
  };
}
