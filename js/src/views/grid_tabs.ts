/** What of a layer is looked at: what it answers to the picture, or the weights behind it. */
import { type ActivationState, ask, type Tab } from "../activation_state";
import type { Part, ViewContext } from "./context";
import { createRadioRow } from "./radio_row";

export function createGridTabs({ session, signal }: ViewContext<ActivationState>): Part<ActivationState> {
  const row = createRadioRow(
    "Look at",
    (value) => {
      const tab = value as Tab;
      if (tab === session.state.tab) return;
      // What the tiles show is there; the weights have to come.
      if (tab === "filters") ask(session, { tab });
      else session.put({ tab });
    },
    signal,
  );
  row.offer([
    { value: "activations", label: "Activations", title: "What every channel answers to this picture" },
    { value: "filters", label: "Filters", title: "The weights behind this layer" },
  ]);
  return { element: row.element, update: ({ tab }) => row.update(tab) };
}
