/** Chooses the explained class, and the one to contrast it with, among all names. */
import { h } from "../dom";
import { ask, type HeatmapState } from "../heatmap_state";
import { className } from "../state";
import { createClassField } from "./class_field";
import type { Part, ViewContext } from "./context";

export function createClassPicker({ session, signal }: ViewContext<HeatmapState>): Part<HeatmapState> {
  const shared = {
    looked: () => session.state,
    likely: () => session.state.predictions.map(({ index }) => index),
    signal,
  };
  const target = createClassField({
    ...shared,
    label: "Explain",
    placeholder: "Search classes",
    pick(index) {
      const { target: now, instead_of } = session.state;
      if (index === now) return;
      ask(session, { target: index, ...(instead_of === index ? { instead_of: null } : {}) });
    },
  });
  const contrast = createClassField({
    ...shared,
    label: "Instead of",
    placeholder: "No contrast",
    except: () => session.state.target,
    pick: (index) => index !== session.state.instead_of && ask(session, { instead_of: index }),
    clear: () => ask(session, { instead_of: null }),
  });

  return {
    element: h("div", { class: "cnnw-pickers" }, target.element, contrast.element),
    update(state) {
      target.update(className(state, state.target));
      contrast.update(state.instead_of === null ? "" : className(state, state.instead_of));
    },
  };
}
