/** Boxes that hide, and where a hand can take hold of them: plain geometry in picture coordinates. */
import type { Shape } from "./occlusion_state";
import type { Box } from "./protocol";

type Pair = readonly [x: number, y: number];

/** Which edges a handle moves: -1 the left or top one, 1 the right or bottom one, 0 neither. */
const HANDLES = {
  nw: [-1, -1],
  n: [0, -1],
  ne: [1, -1],
  e: [1, 0],
  se: [1, 1],
  s: [0, 1],
  sw: [-1, 1],
  w: [-1, 0],
} as const satisfies Record<string, Pair>;

export type Handle = keyof typeof HANDLES;

/** Share of the seen region that a first occluder covers, in each direction. */
const FIRST_SHARE = 0.22;

const clamp = (value: number, low: number, high: number) => Math.max(low, Math.min(high, value));

export const widthOf = ([left, , right]: Box): number => right - left;
export const heightOf = ([, top, , bottom]: Box): number => bottom - top;
export const centreOf = ([left, top, right, bottom]: Box): Pair => [(left + right) / 2, (top + bottom) / 2];

/** The size in whole pixels of the network's input; `grain` is the size of one of these. */
export function inputSize(box: Box, grain: Pair): Pair {
  return [Math.round(widthOf(box) / grain[0]), Math.round(heightOf(box) / grain[1])];
}

/** Whether two boxes agree to within `tolerance` at every edge. */
export function nearly(a: Box, b: Box, tolerance: number): boolean {
  return a.every((edge, i) => Math.abs(edge - b[i]) <= tolerance);
}

/** The box of this size around a point, shifted as little as needed to lie inside the bounds. */
export function around([x, y]: Pair, [width, height]: Pair, bounds: Box): Box {
  const w = Math.min(width, widthOf(bounds));
  const h = Math.min(height, heightOf(bounds));
  const left = clamp(x - w / 2, bounds[0], bounds[2] - w);
  const top = clamp(y - h / 2, bounds[1], bounds[3] - h);
  return [left, top, left + w, top + h];
}

export function moved(box: Box, dx: number, dy: number, bounds: Box): Box {
  const [x, y] = centreOf(box);
  return around([x + dx, y + dy], [widthOf(box), heightOf(box)], bounds);
}

/** Pulls the edges of a handle; the opposite edges stay. No side becomes shorter than `least`. */
export function resized(box: Box, handle: Handle, dx: number, dy: number, bounds: Box, least: Pair): Box {
  const [x, y] = HANDLES[handle];
  let [left, top, right, bottom] = box;
  if (x < 0) left = clamp(left + dx, Math.min(bounds[0], right - least[0]), right - least[0]);
  if (x > 0) right = clamp(right + dx, left + least[0], Math.max(bounds[2], left + least[0]));
  if (y < 0) top = clamp(top + dy, Math.min(bounds[1], bottom - least[1]), bottom - least[1]);
  if (y > 0) bottom = clamp(bottom + dy, top + least[1], Math.max(bounds[3], top + least[1]));
  return [left, top, right, bottom];
}

/** Where the next occluder goes: the first to the middle, others beside the last. */
export function another(boxes: readonly Box[], active: number, bounds: Box): Box {
  const size: Pair = [FIRST_SHARE * widthOf(bounds), FIRST_SHARE * heightOf(bounds)];
  const last = boxes[active];
  if (!last) return around(centreOf(bounds), size, bounds);
  const [width, height] = [widthOf(last), heightOf(last)];
  const [x, y] = centreOf(last);
  const right = x + width + width / 2 <= bounds[2] ? x + 1.1 * width : x - 1.1 * width;
  return around([right, y], [width, height], bounds);
}

/** The points of the handles. A small box is taken by handles that stand off it, so that its inside stays free. */
export function handlesOf(box: Box, least: number): readonly (readonly [Handle, number, number])[] {
  const [x, y] = centreOf(box);
  const halfX = Math.max(widthOf(box), least) / 2;
  const halfY = Math.max(heightOf(box), least) / 2;
  return (Object.keys(HANDLES) as Handle[]).map((handle) => {
    const [sideX, sideY] = HANDLES[handle];
    return [handle, x + sideX * halfX, y + sideY * halfY];
  });
}

/** Handles reach no further inwards than this share of the way to the middle, so that the middle moves the box. */
const INWARD = 0.35;

/** The nearest handle within reach of a point. */
export function handleAt(box: Box, x: number, y: number, reach: number, least: number): Handle | null {
  let found: Handle | null = null;
  let best = 1;
  const away = (offset: number, side: number, length: number) => {
    const inwards = offset * side < 0;
    return Math.abs(offset) / (inwards ? Math.min(reach, (INWARD * Math.max(length, least)) / 2) : reach);
  };
  for (const [handle, hx, hy] of handlesOf(box, least)) {
    const [sideX, sideY] = HANDLES[handle];
    const distance = Math.max(away(x - hx, sideX, widthOf(box)), away(y - hy, sideY, heightOf(box)));
    if (distance <= best) {
      best = distance;
      found = handle;
    }
  }
  return found;
}

/** Whether a point lies under an occluder. */
export function covers(box: Box, shape: Shape, x: number, y: number): boolean {
  const [left, top, right, bottom] = box;
  if (x < left || x >= right || y < top || y >= bottom) return false;
  if (shape === "rectangle") return true;
  const [cx, cy] = centreOf(box);
  return (2 * (x - cx)) ** 2 / widthOf(box) ** 2 + (2 * (y - cy)) ** 2 / heightOf(box) ** 2 <= 1;
}

/** The occluder under a point, the active one before those pinned, the newest of these first; -1 for none. */
export function occluderAt(boxes: readonly Box[], active: number, x: number, y: number): number {
  const under = (box: Box | undefined) => box !== undefined && covers(box, "rectangle", x, y);
  return under(boxes[active]) ? active : boxes.map(under).lastIndexOf(true);
}
