/** Highlight mode: where a channel is above a quantile of its activation over the pictures. */
import type { Sheet } from "./activation_state";
import { pixelsOf } from "./colormap";
import type { HeatMap } from "./protocol";
import { cellsOf, planeOf } from "./sheet";
import type { Overlay } from "./stage";

const sorted = new WeakMap<Sheet, Map<number, Float32Array>>();

/** A channel's values in all pictures, ascending, NaN left out. Sorted once: a slider asks for many quantiles. */
function ascending(sheet: Sheet, channel: number): Float32Array {
  const lists = sorted.get(sheet) ?? new Map<number, Float32Array>();
  sorted.set(sheet, lists);
  let list = lists.get(channel);
  if (!list) {
    const cells = cellsOf(sheet);
    list = new Float32Array(sheet.pictures * cells);
    for (let picture = 0; picture < sheet.pictures; picture++)
      list.set(planeOf(sheet, picture, channel), picture * cells);
    list = list.filter((value) => !Number.isNaN(value)).sort();
    lists.set(channel, list);
  }
  return list;
}

/** The activation at a quantile of a channel over all pictures, linear between values; NaN where there are none. */
export function cutOf(sheet: Sheet, channel: number, quantile: number): number {
  const values = ascending(sheet, channel);
  const place = quantile * (values.length - 1);
  const below = Math.max(0, Math.floor(place));
  const low = values[below] ?? Number.NaN;
  return low + (place - below) * ((values[below + 1] ?? low) - low);
}

/** Black, for a map that says where. */
const SHADE = pixelsOf({ kind: "sequential", rgb: new Uint8Array(768) });
const SHADE_OPACITY = 0.72;

const shades = new WeakMap<HeatMap, { readonly cut: number; readonly shade: Overlay }>();

/** Darkens the photograph where a map, linear between its cells' centres, is not above the cut. */
export function shadeOf(map: HeatMap, cut: number): Overlay {
  const found = shades.get(map);
  if (found?.cut === cut) return found.shade;
  // What falls short of the cut is positive, and so drawn; what just reaches it (all of a constant map) falls short.
  const lacking = { ...map, values: map.values.map((value) => cut - value || Number.EPSILON) };
  const scale = { sign: "positive", maximum: 1 } as const;
  const shade = { map: lacking, scale, colours: SHADE, threshold: Number.MIN_VALUE, opacity: SHADE_OPACITY };
  shades.set(map, { cut, shade });
  return shade;
}
