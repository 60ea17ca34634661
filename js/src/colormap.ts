/** From raw values to colours: the scale of a map, and its look-up table. */
import type { Colormap, HeatMap, PictureState, Sign } from "./protocol";

/** How raw values become shares of a maximum. */
export interface Scale {
  readonly sign: Sign;
  /** The largest magnitude that this sign lets through, in raw units; 0 if there is none. */
  readonly maximum: number;
}

const extremes = new WeakMap<HeatMap, readonly [number, number]>();

function extremesOf(map: HeatMap): readonly [number, number] {
  if (map.extremes) return map.extremes;
  let pair = extremes.get(map);
  if (!pair) {
    let low = 0;
    let high = 0;
    for (const value of map.values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    pair = [low, high];
    extremes.set(map, pair);
  }
  return pair;
}

/** The scale of values between two ends, with 0 between them. */
export function scaleBetween([low, high]: readonly [low: number, high: number], sign: Sign): Scale {
  const maximum = sign === "positive" ? high : sign === "negative" ? -low : Math.max(high, -low);
  return { sign, maximum: maximum || 0 };
}

export function scaleOf(map: HeatMap, sign: Sign): Scale {
  return scaleBetween(extremesOf(map), sign);
}

/** The share of the scale's maximum that a raw value stands for: 0..1, or -1..1 where both signs are shown. */
export function shareOf(scale: Scale, value: number): number {
  if (scale.maximum === 0) return 0;
  const share = value / scale.maximum;
  switch (scale.sign) {
    case "positive":
      return Math.max(0, share);
    case "negative":
      return Math.max(0, -share);
    case "absolute":
      return Math.abs(share);
    case "both":
      return share;
  }
}

/** The raw values at the two ends of the legend. */
export function endsOf({ sign, maximum }: Scale): readonly [number, number] {
  if (sign === "both") return [-maximum, maximum];
  return [0, sign === "negative" ? -maximum : maximum];
}

/** The name that "auto" stands for. */
export function autoColormap(sign: Sign): string {
  return sign === "both" ? "RdBu_r" : "inferno";
}

/** The colour map in force; null while the kernel has not sent it. */
export function colormapOf(state: PictureState): Colormap | null {
  const name = state.colormap === "auto" ? autoColormap(state.sign) : state.colormap;
  return state.colormaps[name] ?? null;
}

const tables = new WeakMap<Colormap, Uint32Array>();

/** The 256 colours as opaque pixels in the byte order of ImageData. */
export function pixelsOf(colormap: Colormap): Uint32Array {
  let table = tables.get(colormap);
  if (!table) {
    const rgba = new Uint8Array(1024).fill(255);
    for (let i = 0; i < 256; i++) rgba.set(colormap.rgb.subarray(3 * i, 3 * i + 3), 4 * i);
    table = new Uint32Array(rgba.buffer);
    tables.set(colormap, table);
  }
  return table;
}

/** Paints raw values; below the threshold, and where a value is not a number, pixels stay transparent. */
export function colourise(
  values: Float32Array,
  scale: Scale,
  threshold: number,
  colours: Uint32Array,
  out: Uint32Array,
): void {
  if (scale.maximum === 0) {
    out.fill(0);
    return;
  }
  const both = scale.sign === "both";
  const factor = (scale.sign === "negative" ? -1 : 1) / scale.maximum;
  const magnitude = scale.sign === "absolute";
  for (let i = 0; i < out.length; i++) {
    let share = values[i] * factor;
    if (magnitude && share < 0) share = -share;
    const seen = both ? Math.abs(share) : Math.max(0, share);
    const position = both ? (share + 1) * 127.5 : share * 255;
    const entry = position < 0 ? 0 : position > 255 ? 255 : (position + 0.5) | 0;
    out[i] = seen >= threshold ? colours[entry] : 0;
  }
}
