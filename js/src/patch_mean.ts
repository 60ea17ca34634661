/** The mean colour of a photograph under an occluder, from sums along its rows. */
import type { Box, Rgb } from "./protocol";
import { contextOf } from "./stage";

/** The photograph is read at no more pixels than this along each side: a mean needs no more. */
const MOST = 512;

export interface PatchMean {
  of(box: Box, ellipse: boolean): Rgb;
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

  // Three running sums per row; a row starts with zeros.
  const row = 3 * (width + 1);
  const sums = new Uint32Array(row * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * row + 3 * x;
      const pixel = 4 * (y * width + x);
      for (let c = 0; c < 3; c++) sums[at + 3 + c] = sums[at + c] + data[pixel + c];
    }
  }

  return {
    of([left, top, right, bottom], ellipse) {
      const [sx, sy] = [width / size.width, height / size.height];
      const clampX = (x: number) => Math.min(width, Math.max(0, Math.round(x * sx)));
      const clampY = (y: number) => Math.min(height, Math.max(0, Math.round(y * sy)));
      const [cx, cy] = [(left + right) / 2, (top + bottom) / 2];
      const total = [0, 0, 0];
      let count = 0;
      for (let y = clampY(top); y < clampY(bottom); y++) {
        const along = ellipse ? (2 * ((y + 0.5) / sy - cy)) / (bottom - top) : 0;
        const half = (Math.sqrt(Math.max(0, 1 - along * along)) * (right - left)) / 2;
        const [from, to] = [clampX(cx - half), clampX(cx + half)];
        count += to - from;
        for (let c = 0; c < 3; c++) total[c] += sums[y * row + 3 * to + c] - sums[y * row + 3 * from + c];
      }
      const mean = total.map((sum) => sum / Math.max(1, count));
      return [mean[0], mean[1], mean[2]];
    },
  };
}
