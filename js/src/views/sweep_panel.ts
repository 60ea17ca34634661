/** Which map lies on the picture, and the sweep that lets the machine try every place. */
import { h, setAttribute } from "../dom";
import { around } from "../occluder";
import type { OcclusionState, Shown, Sweep } from "../occlusion_state";
import { createChoice } from "./choice";
import type { Part } from "./context";
import { changeWords, type OcclusionContext } from "./occlusion_context";
import { createRadioRow } from "./radio_row";

const SIZES = [8, 12, 16, 24, 32, 48, 64];
const STEPS = [4, 8, 16, 32, 64];

const MAPS: readonly { readonly value: Shown; readonly label: string; readonly title: string }[] = [
  { value: "photo", label: "None", title: "The picture alone" },
  { value: "visited", label: "By hand", title: "What the places that the hand has visited have cost" },
  { value: "sweep", label: "Sweep", title: "What every place costs" },
];

/** Sizes to choose from; one that Python has set is shown as such. */
function pixels(sizes: readonly number[], chosen: number) {
  const all = sizes.includes(chosen) ? sizes : [...sizes, chosen].sort((a, b) => a - b);
  return all.map((size) => ({ value: String(size), label: `${size} px` }));
}

/** The cell with the largest drop (sign 1) or gain (sign -1) among those that were computed; -1 without one. */
function extreme({ map: { values } }: Sweep, sign: 1 | -1): number {
  let best = -1;
  values.forEach((value, i) => {
    if (sign * value > 0 && (best < 0 || sign * value > sign * values[best])) best = i;
  });
  return best;
}

export function createSweepPanel(context: OcclusionContext): Part<OcclusionState> {
  const { session, signal, scoring } = context;
  const show = (value: string) => session.show({ show: value as Shown });
  const shown = createRadioRow("Map on the picture", show, signal);
  shown.offer(MAPS);
  const window = createChoice("Window", (value) => session.show({ window: Number(value) }), signal);
  const stride = createChoice("Stride", (value) => session.show({ stride: Number(value) }), signal);

  const button = (label: string, act: () => void) => {
    const made = h("button", { type: "button", class: "cnnw-button" }, label);
    made.addEventListener("click", act, { signal });
    return made;
  };
  const start = button("Sweep the picture", () => {
    // What was chosen last must be there before the message.
    session.put({ show: "sweep" });
    scoring.ask("sweep");
  });
  const goTo = (sign: 1 | -1) => () => {
    const { sweep, seen, boxes, active } = session.state;
    const cell = sweep ? extreme(sweep, sign) : -1;
    if (!sweep || cell < 0) return;
    const { xs, ys, columns } = sweep.map;
    const box = around([xs[cell % columns], ys[Math.floor(cell / columns)]], sweep.window, seen);
    if (sweep.shape !== session.state.shape) scoring.change({ shape: sweep.shape });
    const at = Math.min(active, boxes.length);
    scoring.move({ boxes: [...boxes.slice(0, at), box, ...boxes.slice(at + 1)], active: at });
  };
  const hardest = button("Hardest hit", goTo(1));
  const helped = button("Most helped", goTo(-1));
  const forget = button("Clear", scoring.forget);
  forget.title = "Forget the places that the hand has visited";

  const updateExtreme = (
    target: HTMLElement,
    { sweep, clean }: OcclusionState,
    sign: 1 | -1,
    none: string,
  ) => {
    const cell = sweep ? extreme(sweep, sign) : -1;
    const value = sweep && cell >= 0 ? sweep.map.values[cell] : null;
    setAttribute(target, "aria-disabled", value === null ? "true" : undefined);
    const words = value === null || !clean ? none : changeWords(clean.score - value, clean);
    const among = sweep?.map.partial ? " (of the places computed so far)" : "";
    setAttribute(target, "title", sweep ? words + among : "Sweep first");
  };

  return {
    element: h(
      "section",
      { class: "cnnw-sweep", "aria-label": "Maps" },
      h(
        "div",
        { class: "cnnw-map-choice" },
        h("span", { class: "cnnw-label" }, "Map on the picture"),
        h("div", { class: "cnnw-tools" }, shown.element, forget),
      ),
      window.element,
      stride.element,
      start,
      h("div", { class: "cnnw-radios" }, hardest, helped),
    ),
    update(state) {
      shown.update(state.show);
      window.update(pixels(SIZES, state.window), String(state.window));
      stride.update(pixels(STEPS, state.stride), String(state.stride));
      updateExtreme(hardest, state, 1, "Hiding no place costs anything");
      updateExtreme(helped, state, -1, "Hiding no place helps");
      setAttribute(start, "aria-disabled", state.photo ? undefined : "true");
      forget.hidden = state.show !== "visited";
      setAttribute(forget, "aria-disabled", scoring.visits.length ? undefined : "true");
    },
  };
}
