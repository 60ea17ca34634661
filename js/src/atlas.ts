/**
 * Every map of a sheet as pixels on one canvas, a pixel for each cell. A tile is coloured when it first comes into
 * view, and only once for a scale, a sign, a colour map and a threshold; from then on drawing it is a copy.
 */

import type { ActivationState, Sheet } from "./activation_state";
import { type Context, createLayer, type Rectangle } from "./canvas";
import { colormapOf, colourise, pixelsOf } from "./colormap";
import { cutOf } from "./highlight";
import { sameValues } from "./same";
import { planeOf, tileScale } from "./sheet";

export interface Atlas {
  /** Makes ready to draw this sheet as the state wants its colours; false while there are no colours. */
  open(sheet: Sheet, state: ActivationState): boolean;
  /** Colours the tiles at some positions of an order, as far as they are not: to be called before they are drawn. */
  prepare(order: Int32Array, from: number, to: number): void;
  draw(onto: Context, picture: number, channel: number, target: Rectangle): void;
}

/**
 * When a tile has to be coloured, as many cells of the tiles behind it are, too. Browsers copy a canvas that is painted
 * on after it was drawn from, so it is better painted on seldom than little.
 */
const AHEAD = 200_000;

export function createAtlas(signal: AbortSignal): Atlas {
  const context = createLayer(signal);
  const { canvas } = context;
  let sheet: Sheet | null = null;
  let state: ActivationState | null = null;
  let settings: readonly unknown[] = [];
  let perRow = 1;
  let image: ImageData | null = null;
  let pixels = new Uint32Array(0);
  let coloured = new Uint8Array(0);

  const resize = ({ pictures, channels, rows, columns }: Sheet) => {
    const maps = pictures * channels;
    perRow = Math.max(1, Math.ceil(Math.sqrt((maps * rows) / columns)));
    canvas.width = perRow * columns;
    canvas.height = Math.ceil(maps / perRow) * rows;
    image = context.createImageData(columns, rows);
    pixels = new Uint32Array(image.data.buffer);
    coloured = new Uint8Array(maps);
  };

  const colour = (map: number, picture: number, channel: number) => {
    const colormap = state && colormapOf(state);
    if (!sheet || !state || !image || !colormap) return;
    const values = planeOf(sheet, picture, channel);
    colourise(values, tileScale(sheet, channel, state), 0, pixelsOf(colormap), pixels);
    if (state.quantile > 0) {
      const cut = cutOf(sheet, channel, state.quantile);
      for (let i = 0; i < pixels.length; i++) if (!(values[i] > cut)) pixels[i] = 0;
    }
    context.putImageData(image, (map % perRow) * sheet.columns, Math.floor(map / perRow) * sheet.rows);
    coloured[map] = 1;
  };

  return {
    open(newSheet, newState) {
      const colormap = colormapOf(newState);
      const wanted = [newState.scale, newState.sign, newState.quantile, colormap];
      if (newSheet !== sheet) {
        sheet = newSheet;
        resize(newSheet);
      } else if (!sameValues(wanted, settings)) coloured.fill(0);
      settings = wanted;
      state = newState;
      return colormap !== null;
    },
    prepare(order, from, to) {
      if (!sheet) return;
      const { pictures, channels, rows, columns } = sheet;
      const missing = (channel: number) => !coloured[channel];
      if (!order.subarray(from, to).some(missing)) return;
      const ahead = Math.ceil(AHEAD / (pictures * rows * columns));
      for (const channel of order.subarray(from, to + ahead)) {
        if (!missing(channel)) continue;
        for (let picture = 0; picture < pictures; picture++) {
          colour(picture * channels + channel, picture, channel);
        }
      }
    },
    draw(onto, picture, channel, target) {
      if (!sheet) return;
      const { channels, rows, columns } = sheet;
      const map = picture * channels + channel;
      const left = (map % perRow) * columns;
      onto.drawImage(canvas, left, Math.floor(map / perRow) * rows, columns, rows, ...target);
    },
  };
}
