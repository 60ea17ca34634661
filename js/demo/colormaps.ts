/** Colour maps for the demo page: smooth curves through a few anchor colours. The kernel sends the true tables. */
import { viewOf } from "./wire";

type Rgb = readonly [number, number, number];

function tableThrough(anchors: readonly Rgb[]): DataView {
  const table = new Uint8Array(768);
  for (let i = 0; i < 256; i++) {
    const position = (i / 255) * (anchors.length - 1);
    const from = Math.min(anchors.length - 2, Math.floor(position));
    for (let channel = 0; channel < 3; channel++) {
      const [a, b] = [anchors[from][channel], anchors[from + 1][channel]];
      table[3 * i + channel] = Math.round(a + (position - from) * (b - a));
    }
  }
  return viewOf(table);
}

const DARK_TO_YELLOW: readonly Rgb[] = [
  [0, 0, 4],
  [58, 10, 98],
  [140, 35, 105],
  [212, 66, 70],
  [250, 140, 20],
  [248, 228, 100],
  [252, 255, 164],
];
const VIOLET_TO_YELLOW: readonly Rgb[] = [
  [68, 1, 84],
  [60, 80, 138],
  [38, 140, 140],
  [94, 200, 98],
  [253, 231, 37],
];
const BLUE_WHITE_RED: readonly Rgb[] = [
  [5, 48, 97],
  [67, 147, 195],
  [247, 247, 247],
  [214, 96, 77],
  [103, 0, 31],
];
const BLACK_TO_WHITE: readonly Rgb[] = [
  [0, 0, 0],
  [255, 255, 255],
];

export const COLORMAPS = {
  inferno: { kind: "sequential", data: tableThrough(DARK_TO_YELLOW) },
  viridis: { kind: "sequential", data: tableThrough(VIOLET_TO_YELLOW) },
  gray: { kind: "sequential", data: tableThrough(BLACK_TO_WHITE) },
  RdBu_r: { kind: "diverging", data: tableThrough(BLUE_WHITE_RED) },
};
