/** Weights as colours, on a scale that is symmetric around 0. */
import type { Filters, Weights } from "./activation_state";
import { contextOf } from "./canvas";
import { colourise, pixelsOf } from "./colormap";
import type { Colormap, Sign } from "./protocol";

/** How weights become colours. */
export interface WeightLook {
  readonly colormap: Colormap;
  /** Strengths have no sign; weights are shown with both. */
  readonly sign: Extract<Sign, "positive" | "both">;
}

export type WeightView = Filters["view"];

/** A weight of 0 is mid-grey, as it is where red, green and blue have a weight each. */
const GREYS: Colormap = {
  kind: "diverging",
  rgb: Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3)),
};

/** Null while the kernel has sent no colour map. */
export function lookOf(colormaps: Readonly<Record<string, Colormap>>, view: WeightView): WeightLook | null {
  const colormap = { rgb: GREYS, planes: colormaps.RdBu_r, strength: colormaps.inferno }[view];
  return colormap ? { colormap, sign: view === "strength" ? "positive" : "both" } : null;
}

const levels = (values: Float32Array, scale: number, out: Uint8ClampedArray) => {
  const factor = scale > 0 ? 127.5 / scale : 0;
  for (let pixel = 0; 4 * pixel < out.length; pixel++) {
    for (let colour = 0; colour < 3; colour++)
      out[4 * pixel + colour] = 127.5 + factor * values[3 * pixel + colour];
    out[4 * pixel + 3] = 255;
  }
};

/** All tiles on one canvas, a pixel for each place, the tiles below each other `perRow` in a row. */
export interface WeightSheet {
  readonly canvas: HTMLCanvasElement;
  readonly perRow: number;
}

export function paintWeights(
  { values, tiles, rows, columns, colours, scale }: Weights,
  { colormap, sign }: WeightLook,
): WeightSheet {
  const perRow = Math.max(1, Math.ceil(Math.sqrt(tiles)));
  const canvas = document.createElement("canvas");
  canvas.width = perRow * columns;
  canvas.height = Math.max(1, Math.ceil(tiles / perRow)) * rows;
  const context = contextOf(canvas);
  const image = context.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const size = rows * columns * colours;
  for (let tile = 0; tile < tiles; tile++) {
    const plane = values.subarray(tile * size, (tile + 1) * size);
    if (colours === 3) levels(plane, scale, image.data);
    else if (scale > 0) colourise(plane, { sign, maximum: scale }, 0, pixelsOf(colormap), pixels);
    else pixels.fill(pixelsOf(colormap)[sign === "both" ? 128 : 0]);
    context.putImageData(image, (tile % perRow) * columns, Math.floor(tile / perRow) * rows);
  }
  return { canvas, perRow };
}

/** The least and the largest value of a tile. */
export function rangeOf(weights: Weights, tile: number): readonly [number, number] {
  const size = weights.rows * weights.columns * weights.colours;
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of weights.values.subarray(tile * size, (tile + 1) * size)) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

/** The values at one place of a tile: one, or one for red, green and blue each. */
export function valuesAt(weights: Weights, tile: number, row: number, column: number): Float32Array {
  const { rows, columns, colours, values } = weights;
  const from = ((tile * rows + row) * columns + column) * colours;
  return values.subarray(from, from + colours);
}
