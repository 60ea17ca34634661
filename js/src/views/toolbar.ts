/** The top row: methods, compare, zoom. */
import { h, setAttribute } from "../dom";
import { ask, type HeatmapState, type Method } from "../heatmap_state";
import type { Part, ViewContext } from "./context";
import { createMethodsRow } from "./methods_row";
import { createZoomButtons } from "./zoom_buttons";

export function createToolbar(
  context: ViewContext<HeatmapState>,
  onUnavailable: (method: Method) => void,
): Part<HeatmapState> {
  const { session, signal } = context;
  const methods = createMethodsRow(context, onUnavailable);
  const zoom = createZoomButtons(context);
  const compare = h(
    "button",
    {
      type: "button",
      class: "cnnw-button cnnw-compare-toggle",
      title: "Every method side by side, on one scale",
    },
    "Compare",
  );
  compare.addEventListener("click", () => ask(session, { compare: !session.state.compare }), { signal });
  const tools = h("div", { class: "cnnw-tools" }, compare, zoom.element);

  return {
    element: h("div", { class: "cnnw-toolbar" }, methods.element, tools),
    update(state) {
      methods.update(state);
      zoom.update(state);
      setAttribute(compare, "aria-pressed", String(state.compare));
    },
  };
}
