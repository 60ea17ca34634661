/** How the map is drawn: all of it happens in the browser, from the float map. */
import { autoColormap } from "../colormap";
import { h } from "../dom";
import type { PictureState, Sign } from "../protocol";
import { createChoice, type Option } from "./choice";
import type { Part, ViewContext } from "./context";
import { createSlider } from "./slider";

const SIGNS: readonly (Option & { readonly value: Sign })[] = [
  { value: "positive", label: "positive" },
  { value: "negative", label: "negative" },
  { value: "absolute", label: "absolute" },
  { value: "both", label: "both signs" },
];

function colormapOptions({ colormaps, colormap, sign }: PictureState): Option[] {
  const names = Object.keys(colormaps);
  // A name that is not among the tables is still what Python has set: show it as such.
  if (colormap !== "auto" && !names.includes(colormap)) names.push(colormap);
  return [
    { value: "auto", label: `auto (${autoColormap(sign)})` },
    ...names.map((name) => ({ value: name, label: name })),
  ];
}

export function createDisplayControls({ session, signal }: ViewContext): Part {
  const opacity = createSlider("Opacity", (value) => session.show({ opacity: value }), signal);
  const threshold = createSlider("Threshold", (value) => session.show({ threshold: value }), signal);
  const sign = createChoice("Sign", (value) => session.show({ sign: value as Sign }), signal);
  const colormap = createChoice("Colour map", (value) => session.show({ colormap: value }), signal);

  const element = h(
    "section",
    { class: "cnnw-display", "aria-label": "Display" },
    opacity.element,
    threshold.element,
    h("div", { class: "cnnw-pair" }, sign.element, colormap.element),
  );

  return {
    element,
    update(state) {
      opacity.update(state.opacity);
      threshold.update(state.threshold);
      sign.update(SIGNS, state.sign);
      colormap.update(colormapOptions(state), state.colormap);
    },
  };
}
