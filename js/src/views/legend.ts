/** The colour scale with its numbers; what lies below the threshold is left blank. */
import { colormapOf, endsOf, pixelsOf, scaleOf, shareOf } from "../colormap";
import { h, setAttribute, setClippedText, setText } from "../dom";
import { valueAt } from "../field";
import { significant, wholePercent } from "../format";
import type { HeatMap, PictureState } from "../protocol";
import { isSeen } from "../state";
import type { ViewContext } from "./context";

const SHARES = "share of each map's maximum";

export interface Legend {
  readonly element: HTMLElement;
  /** With `shares` the numbers are shares of each map's own maximum, for several maps on one scale. */
  update(state: PictureState, map: HeatMap | null, shares?: boolean): void;
}

/** The numbers below the bar, from left to right. */
function numbersFor(
  state: PictureState,
  map: HeatMap | null,
  shares: boolean,
): readonly [string, string, string] | null {
  if (shares) {
    const low = state.sign === "both" ? -1 : 0;
    return [wholePercent(low), wholePercent((low + 1) / 2), wholePercent(1)];
  }
  if (!map) return null;
  const [low, high] = endsOf(scaleOf(map, state.sign));
  return [significant(low), significant((low + high) / 2), significant(high)];
}

/** Where along the bar a share of the maximum lies, 0..1. */
const along = (state: PictureState, share: number) => (state.sign === "both" ? (share + 1) / 2 : share);

export function createLegend({ cursor, signal }: ViewContext): Legend {
  const bar = h("canvas", { class: "cnnw-scale", role: "img", width: 256, height: 1 });
  signal.addEventListener("abort", () => {
    bar.width = 0;
  });
  const marker = h("span", { class: "cnnw-marker", "aria-hidden": "true" });
  const numbers = [0, 1, 2].map(() => h("span"));
  const units = h("span", { class: "cnnw-units" });
  const element = h(
    "div",
    { class: "cnnw-legend" },
    h("div", { class: "cnnw-scale-frame" }, bar, marker),
    h("div", { class: "cnnw-numbers" }, ...numbers),
    units,
  );

  const paint = (state: PictureState) => {
    const context = bar.getContext("2d");
    const colormap = colormapOf(state);
    if (!context || !colormap) return;
    const image = context.createImageData(256, 1);
    const pixels = new Uint32Array(image.data.buffer);
    const colours = pixelsOf(colormap);
    for (let i = 0; i < 256; i++) {
      const share = Math.abs(state.sign === "both" ? i / 127.5 - 1 : i / 255);
      if (share >= state.threshold) pixels[i] = colours[i];
    }
    context.putImageData(image, 0, 0);
  };

  return {
    element,
    update(state, map, shares = false) {
      paint(state);
      const texts = numbersFor(state, map, shares);
      setAttribute(element, "data-empty", texts === null);
      numbers.forEach((number, i) => {
        setText(number, texts?.[i] ?? "");
      });
      setClippedText(units, shares ? SHARES : (map?.units ?? ""));
      const from = texts ? `from ${texts[0]} to ${texts[2]}` : "without a map";
      const blank =
        state.threshold > 0 ? `; nothing is drawn below ${wholePercent(state.threshold)} of the maximum` : "";
      setAttribute(bar, "aria-label", `Colour scale ${from}${blank}`);

      const { point } = cursor;
      const value = map && point && isSeen(state, ...point) ? valueAt(map, ...point) : Number.NaN;
      marker.hidden = Number.isNaN(value);
      if (map && !marker.hidden) {
        const share = shareOf(scaleOf(map, state.sign), value);
        marker.style.left = `${100 * along(state, share)}%`;
      }
    },
  };
}
