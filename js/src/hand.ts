/** Turns what pointer and keys do on the stage into boxes. */
import {
  another,
  around,
  centreOf,
  type Handle,
  handleAt,
  heightOf,
  moved,
  occluderAt,
  resized,
  widthOf,
} from "./occluder";
import { HANDLE_SPAN } from "./occluder_layer";
import type { OcclusionState, Place } from "./occlusion_state";
import type { Box } from "./protocol";

/** What lies under a pointer: a handle of the active occluder, an occluder, or neither. */
export type Hold =
  | { readonly kind: "handle"; readonly handle: Handle; readonly index: number }
  | { readonly kind: "occluder"; readonly index: number }
  | { readonly kind: "nothing" };

/** How far from a handle a pointer takes it, in CSS pixels. */
const REACH = { fine: 9, coarse: 20 };
/** Occluders that the kernel takes at once. */
export const MOST = 32;
/** An arrow key moves by about this share of what the network sees. */
const STEP_SHARE = 1 / 48;

type Pair = readonly [x: number, y: number];

export function holdAt(state: OcclusionState, [x, y]: Pair, scale: number, touch: boolean): Hold {
  const { boxes, active } = state;
  const held = boxes[active];
  const reach = (touch ? REACH.coarse : REACH.fine) / scale;
  const handle = held && handleAt(held, x, y, reach, HANDLE_SPAN / scale);
  if (handle) return { kind: "handle", handle, index: active };
  const index = occluderAt(boxes, active, x, y);
  return index >= 0 ? { kind: "occluder", index } : { kind: "nothing" };
}

function withBox({ boxes, active }: OcclusionState, box: Box): Place {
  if (!boxes[active]) return { boxes: [...boxes, box], active: boxes.length };
  return { boxes: boxes.map((other, i) => (i === active ? box : other)), active };
}

/** One grip on an occluder, from pressing to letting go; places follow from the distance since the press. */
export function grip(state: OcclusionState, hold: Hold, from: Pair): (to: Pair) => Place {
  const { boxes, grain, seen } = state;
  if (hold.kind === "nothing") {
    const here = broughtTo(state, from);
    const box = here.boxes[here.active];
    const held = { ...state, ...here };
    return ([x, y]) => withBox(held, moved(box, x - from[0], y - from[1], seen));
  }
  const held = { ...state, active: hold.index };
  const box = boxes[hold.index];
  return ([x, y]) => {
    const [dx, dy] = [x - from[0], y - from[1]];
    if (hold.kind === "handle") return withBox(held, resized(box, hold.handle, dx, dy, seen, grain));
    return withBox(held, moved(box, dx, dy, seen));
  };
}

/** The active occluder with its centre at a point; without any, a new one. */
export function broughtTo(state: OcclusionState, point: Pair): Place {
  const { boxes, active, seen } = state;
  const held = boxes[active] ?? another(boxes, active, seen);
  return withBox(state, around(point, [widthOf(held), heightOf(held)], seen));
}

/** The active occluder stays where it is, and a new one is held; null if there are as many as can be. */
export function pinned({ boxes, active, seen }: OcclusionState): Place | null {
  if (boxes.length >= MOST) return null;
  return { boxes: [...boxes, another(boxes, active, seen)], active: boxes.length };
}

/** Without the active occluder, unless it is the only one. */
export function removed({ boxes, active }: OcclusionState): Place | null {
  if (boxes.length < 2 || !boxes[active]) return null;
  const rest = boxes.filter((_, i) => i !== active);
  return { boxes: rest, active: rest.length - 1 };
}

/** The next occluder is held, or with `step` -1 the one before; null where there is no other. */
export function selected({ boxes, active }: OcclusionState, step: 1 | -1): Place | null {
  if (boxes.length < 2) return null;
  return { boxes, active: (active + step + boxes.length) % boxes.length };
}

/** A whole number of pixels of the network's input, at least one. */
function stepOf({ grain, seen }: OcclusionState): Pair {
  const pixels = (length: number, size: number) =>
    Math.max(1, Math.round((STEP_SHARE * length) / size)) * size;
  return [pixels(widthOf(seen), grain[0]), pixels(heightOf(seen), grain[1])];
}

/** Moved by arrow keys; with `grow` the right and bottom edges move, and the box keeps its corner. */
export function stepped(state: OcclusionState, [x, y]: Pair, grow: boolean): Place {
  const { boxes, active, seen, grain } = state;
  const box = boxes[active];
  if (!box) return broughtTo(state, centreOf(seen));
  const [stepX, stepY] = stepOf(state);
  const [dx, dy] = [x * stepX, y * stepY];
  return withBox(state, grow ? resized(box, "se", dx, dy, seen, grain) : moved(box, dx, dy, seen));
}
