/** How the tiles and the map on the picture are drawn: the browser alone follows. */
import type { ActivationState } from "../activation_state";
import { h } from "../dom";
import { quantileAt, quantilePosition, quantileWords } from "../quantile";
import type { Part, ViewContext } from "./context";
import { createDisplayControls } from "./display_controls";
import { createRadioRow } from "./radio_row";
import { createSlider } from "./slider";
import { createSortControls } from "./sort_controls";
import { createTileSize } from "./tile_size";

export function createGridControls(context: ViewContext<ActivationState>): Part<ActivationState> {
  const { session, signal } = context;
  const sort = createSortControls(context);
  const scale = createRadioRow(
    "Scale of the tiles",
    (value) => session.show({ scale: value as ActivationState["scale"] }),
    signal,
  );
  scale.offer([
    { value: "tile", label: "Each its own", title: "Every tile from 0 to its own extreme" },
    { value: "shared", label: "Shared", title: "One scale for all channels: colours can be compared" },
  ]);
  const dead = h("input", { type: "checkbox", class: "cnnw-check" });
  dead.addEventListener("change", () => session.show({ hide_dead: dead.checked }), { signal });
  const size = createTileSize(context);
  const highlight = createSlider(
    "Highlight",
    (position) => session.show({ quantile: quantileAt(position) }),
    signal,
    quantileWords,
  );
  highlight.element.title = "Shows only where the channel is among its highest activations over this picture";
  const display = createDisplayControls(context, {
    element: highlight.element,
    update: ({ quantile }: ActivationState) => highlight.update(quantilePosition(quantile)),
  });

  return {
    element: h(
      "div",
      { class: "cnnw-grid-controls" },
      sort.element,
      h(
        "div",
        { class: "cnnw-tile-controls" },
        h("span", { class: "cnnw-label" }, "Scale of the tiles"),
        scale.element,
        size.element,
        h(
          "label",
          { class: "cnnw-check-row", title: "Channels with the same value in every cell" },
          dead,
          "Hide dead channels",
        ),
      ),
      display.element,
    ),
    update(state) {
      sort.update(state);
      scale.update(state.scale);
      dead.checked = state.hide_dead;
      size.update(state);
      display.update(state);
    },
  };
}
