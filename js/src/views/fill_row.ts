/** What hidden pixels are replaced by, each choice with a swatch of what it looks like here. */
import { h, setAttribute } from "../dom";
import type { Paint } from "../fills";
import type { FillName, OcclusionState } from "../occlusion_state";
import type { Box } from "../protocol";
import type { Part } from "./context";
import { OWN_KEYS } from "./context";
import type { OcclusionContext } from "./occlusion_context";
import { createRadioRow } from "./radio_row";

const FILLS: readonly { readonly value: FillName; readonly label: string; readonly title: string }[] = [
  { value: "grey", label: "Grey", title: "Middle grey" },
  { value: "mean", label: "Mean", title: "The mean colour of the picture" },
  { value: "local_mean", label: "Local mean", title: "The mean colour of what is hidden" },
  { value: "blur", label: "Blur", title: "The picture, blurred" },
  { value: "noise", label: "Noise", title: "Noise with the picture's mean and spread" },
  { value: "colour", label: "Colour", title: "A colour of your choice" },
];

const SIDE = 16;
/** Share of what the network sees that a swatch of a picture shows. */
const SWATCH_SHARE = 0.3;

function createSwatch(signal: AbortSignal) {
  const canvas = h("canvas", { class: "cnnw-swatch", width: SIDE, height: SIDE, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  let shown: unknown;
  signal.addEventListener("abort", () => {
    canvas.width = 0;
  });

  return {
    canvas,
    paint(paint: Paint | null) {
      const what = paint?.kind === "flat" ? paint.css : paint?.bitmap;
      if (what === shown || !context) return;
      shown = what;
      context.clearRect(0, 0, SIDE, SIDE);
      if (paint?.kind === "flat") {
        context.fillStyle = paint.css;
        context.fillRect(0, 0, SIDE, SIDE);
      } else if (paint) {
        const { width, height } = paint.bitmap;
        const side = SWATCH_SHARE * Math.min(width, height);
        context.drawImage(
          paint.bitmap,
          (width - side) / 2,
          (height - side) / 2,
          side,
          side,
          0,
          0,
          SIDE,
          SIDE,
        );
      }
    },
  };
}

export function createFillRow({ session, scoring, fills, signal }: OcclusionContext): Part<OcclusionState> {
  const row = createRadioRow(
    "Fill",
    (value) => value !== session.state.fill && scoring.change({ fill: value as FillName }),
    signal,
  );
  const swatches = FILLS.map(() => createSwatch(signal));
  row.offer(FILLS.map((fill, i) => ({ ...fill, icon: swatches[i].canvas })));
  const color = h("input", {
    type: "color",
    class: "cnnw-color",
    "aria-label": "Colour of the fill",
    ...OWN_KEYS,
  });
  color.addEventListener("input", () => scoring.change({ color: color.value, fill: "colour" }), { signal });

  return {
    element: h("div", { class: "cnnw-fill" }, row.element, color),
    update(state) {
      const box: Box = state.boxes[state.active] ?? state.seen;
      FILLS.forEach(({ value }, i) => {
        swatches[i].paint(fills.under(state, value, box));
      });
      row.update(state.fill);
      setAttribute(color, "hidden", state.fill !== "colour");
      if (color.value !== state.color) color.value = state.color.toLowerCase();
    },
  };
}
