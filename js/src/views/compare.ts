/** Every method side by side; colours mean the share of each map's own maximum, since units differ. */
import { scaleOf, shareOf } from "../colormap";
import { h, setAttribute, setClippedText, setText } from "../dom";
import { valueAt } from "../field";
import { significant, wholePercent, withUnits } from "../format";
import { ask, type HeatmapState, type Method, mapOf } from "../heatmap_state";
import type { Layout } from "../layout";
import { isSeen } from "../state";
import type { Cursor, ViewContext } from "./context";
import { createPane } from "./pane";
import { NOT_COMPUTED } from "./readout";

export interface Compare {
  readonly element: HTMLElement;
  update(state: HeatmapState, layout: Layout): void;
}

/** "62 % · 0.0077", the share first since the panels are compared by it. */
function valueWords(state: HeatmapState, id: string, { point }: Cursor): string {
  const map = mapOf(state, id);
  if (!map || !point) return "";
  if (!isSeen(state, ...point)) return "not seen by the network";
  const value = valueAt(map, ...point);
  if (Number.isNaN(value)) return NOT_COMPUTED;
  return `${wholePercent(shareOf(scaleOf(map, state.sign), value))} · ${significant(value)}`;
}

function maximumWords(state: HeatmapState, id: string): string {
  const map = mapOf(state, id);
  if (!map) return "";
  const { sign, maximum } = scaleOf(map, state.sign);
  return `max ${withUnits(significant(sign === "negative" ? -maximum : maximum), map.units)}`;
}

function createPanel(context: ViewContext<HeatmapState>, method: Method) {
  // A panel lives as long as its method is on offer, at most as long as the view.
  const life = new AbortController();
  const end = () => life.abort();
  context.signal.addEventListener("abort", end, { once: true, signal: life.signal });

  const pane = createPane(context, life.signal);
  const title = h(
    "button",
    { type: "button", class: "cnnw-panel-title", title: method.paper || undefined },
    method.label,
  );
  const maximum = h("span", { class: "cnnw-panel-maximum" });
  const value = h("span", { class: "cnnw-panel-value" });
  const element = h(
    "figure",
    { class: "cnnw-panel" },
    h("figcaption", { class: "cnnw-panel-head" }, title),
    pane.element,
    h("div", { class: "cnnw-panel-foot" }, maximum, value),
  );
  const choose = () => {
    const { session } = context;
    if (!method.unavailable && session.state.method !== method.id) ask(session, { method: method.id });
  };
  title.addEventListener("click", choose, { signal: life.signal });
  setAttribute(title, "aria-disabled", method.unavailable ? "true" : undefined);

  return {
    element,
    end() {
      end();
      element.remove();
    },
    update(state: HeatmapState, layout: Layout) {
      setAttribute(title, "aria-pressed", String(state.method === method.id));
      setText(maximum, maximumWords(state, method.id));
      setClippedText(value, valueWords(state, method.id, context.cursor));
      pane.update(state, method.id, layout.pane, true);
    },
  };
}

export function createCompare(context: ViewContext<HeatmapState>): Compare {
  const element = h("div", { class: "cnnw-compare" });
  let methods: readonly Method[] = [];
  let panels: ReturnType<typeof createPanel>[] = [];

  return {
    element,
    update(state, layout) {
      if (state.methods !== methods) {
        for (const panel of panels) panel.end();
        methods = state.methods;
        panels = methods.map((method) => createPanel(context, method));
        element.append(...panels.map((panel) => panel.element));
      }
      element.style.gridTemplateColumns = `repeat(${layout.perRow}, ${layout.pane.width}px)`;
      for (const panel of panels) panel.update(state, layout);
    },
  };
}
