/** The most probable classes as bars; one click explains a class. */
import { h, setText } from "../dom";
import { ask, type HeatmapState } from "../heatmap_state";
import type { OutputKind } from "../protocol";
import { createClassBars } from "./class_bars";
import type { Part, ViewContext } from "./context";

/** Where probabilities come from. */
export const ORIGIN: Readonly<Record<OutputKind, string>> = {
  logits: "probabilities from logits by softmax",
  softmax: "probabilities as the network gives them",
  log_softmax: "probabilities from log-softmax by exponential",
};

export function createClassesList({ session, signal }: ViewContext<HeatmapState>): Part<HeatmapState> {
  const heading = h("h4", { class: "cnnw-heading" });
  const origin = h("p", { class: "cnnw-quiet" });
  const bars = createClassBars((index) => {
    // A class against itself is no question: the contrast falls away.
    const contrast = session.state.instead_of === index ? { instead_of: null } : {};
    ask(session, { target: index, ...contrast });
  }, signal);

  return {
    element: h("section", { class: "cnnw-top" }, heading, origin, bars.element),
    update(state) {
      const { predictions, target, instead_of } = state;
      setText(heading, predictions.length ? `Top ${predictions.length} classes` : "Classes");
      setText(origin, predictions.length ? ORIGIN[state.output_kind] : "No prediction yet.");
      bars.update(
        state,
        predictions.map(({ index, probability }) => ({
          index,
          probability,
          pressed: index === target,
          contrast: index === instead_of,
        })),
      );
    },
  };
}
