/** Which pixels of a picture a box touches. */
import type { Box } from "./protocol";

/** A box that ends so little behind a pixel's edge does not touch the next one. */
const ROUNDING = 1e-6;

/** The smallest box of whole pixels around a box, one pixel at least, as the kernel cuts crops; `size`: [height, width]. */
export function touched([left, top, right, bottom]: Box, [height, width]: readonly number[]): Box {
  const x = Math.min(Math.floor(left + ROUNDING), width - 1);
  const y = Math.min(Math.floor(top + ROUNDING), height - 1);
  const [end, foot] = [Math.ceil(right - ROUNDING), Math.ceil(bottom - ROUNDING)];
  return [x, y, Math.min(width, Math.max(x + 1, end)), Math.min(height, Math.max(y + 1, foot))];
}
