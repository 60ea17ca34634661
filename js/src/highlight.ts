/** Highlight mode: where a channel is above a quantile of its activation over the picture. */
import type { Sheet } from "./activation_state";
import { pixelsOf } from "./colormap";
import type { HeatMap } from "./protocol";
import { cellsOf, planeOf } from "./sheet";
import type { Overlay } from "./stage";

const sorted = new WeakMap<Sheet, Map<number, Float32Array>>();

/** The values of one map, ascending. Sorted once: a slider asks for many quantiles. */
function ascending(sheet: Sheet, picture: number, channel: number): Float32Array {
  const planes = sorted.get(sheet) ?? new Map<number, Float32Array>();
  sorted.set(sheet, planes);
  const key = picture * sheet.channels + channel;
  let plane = planes.get(key);
  if (!plane) {
    plane = planeOf(sheet, picture, channel).slice().sort();
    planes.set(key, plane);
  }
  return plane;
}

/** The activation at a quantile of a map, linear between its cells' values. */
export function cutOf(sheet: Sheet, picture: number, channel: number, quantile: number): number {
  const plane = ascending(sheet, picture, channel);
  const place = quantile * (cellsOf(sheet) - 1);
  const below = Math.floor(place);
  const low = plane[below];
  return low + (place - below) * ((plane[below + 1] ?? low) - low);
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
