/** The methods as one radio group: a method that cannot be used stays reachable and says why. */
import { ask, type HeatmapState, type Method, methodById } from "../heatmap_state";
import type { Part, ViewContext } from "./context";
import { createRadioRow } from "./radio_row";

function tooltip({ label, paper, unavailable }: Method): string {
  return unavailable ? `${label} cannot be used here: ${unavailable}` : paper;
}

export function createMethodsRow(
  { session, signal }: ViewContext<HeatmapState>,
  onUnavailable: (method: Method) => void,
): Part<HeatmapState> {
  const choose = (id: string) => {
    const method = methodById(session.state, id);
    if (method?.unavailable) onUnavailable(method);
    else if (method && id !== session.state.method) ask(session, { method: id });
  };
  const row = createRadioRow("Method", choose, signal);
  let methods: readonly Method[] = [];

  return {
    element: row.element,
    update(state) {
      if (state.methods !== methods) {
        methods = state.methods;
        row.offer(
          methods.map((method) => ({
            value: method.id,
            label: method.label,
            title: tooltip(method),
            disabled: method.unavailable !== "",
          })),
        );
      }
      row.update(state.method);
    },
  };
}
