/** How the map is drawn: all of it happens in the browser, from the float map. */
import { autoColormap } from "../colormap";
import { h } from "../dom";
import type { PictureState, Sign } from "../protocol";
import type { Session } from "../session";
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

function createThreshold({ session, signal }: ViewContext): Part {
  const { element, update } = createSlider("Threshold", (threshold) => session.show({ threshold }), signal);
  return { element, update: (state) => update(state.threshold) };
}

/** `cut` stands in for the slider that leaves low values out. */
export function createDisplayControls<S extends PictureState>(
  context: ViewContext<S>,
  cut: Part<S> = createThreshold(context),
): Part<S> {
  const { signal } = context;
  const session: Session<PictureState> = context.session;
  const opacity = createSlider("Opacity", (value) => session.show({ opacity: value }), signal);
  const sign = createChoice("Sign", (value) => session.show({ sign: value as Sign }), signal);
  const colormap = createChoice("Colour map", (value) => session.show({ colormap: value }), signal);

  const element = h(
    "section",
    { class: "cnnw-display", "aria-label": "Display" },
    opacity.element,
    cut.element,
    h("div", { class: "cnnw-pair" }, sign.element, colormap.element),
  );

  return {
    element,
    update(state) {
      opacity.update(state.opacity);
      cut.update(state);
      sign.update(SIGNS, state.sign);
      colormap.update(colormapOptions(state), state.colormap);
    },
  };
}
