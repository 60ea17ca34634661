/** HeatmapView: one picture, the map of one method over it or all methods side by side, and the controls. */
import { h } from "../dom";
import { type HeatmapSession, type HeatmapState, mapOf } from "../heatmap_state";
import { createBoxCheck } from "./box_check";
import { createClassPicker } from "./class_picker";
import { createClassesList } from "./classes_list";
import { createCompare } from "./compare";
import type { ViewContext } from "./context";
import { createDisplayControls } from "./display_controls";
import { heatmapWork } from "./heatmap_work";
import { createLayerChoice } from "./layer_choice";
import { createLegend } from "./legend";
import { mountView, type View } from "./mount";
import { createPane } from "./pane";
import { createQuestionLine } from "./question_line";
import { createReadout, NOT_COMPUTED } from "./readout";
import { createToolbar } from "./toolbar";
import { createWorkStatus } from "./work_status";

function build(context: ViewContext<HeatmapState>): View<HeatmapState> {
  const { session, signal, refresh } = context;

  /** Holds until the next choice: `question` is what was asked when the method was refused. */
  let refusal = { text: "", question: "" };
  const questionKey = () => {
    const { method, target, instead_of, layer, compare } = session.state;
    return JSON.stringify([method, target, instead_of, layer, compare]);
  };

  const toolbar = createToolbar(context, ({ label, unavailable }) => {
    refusal = { text: `${label} cannot be used here: ${unavailable}`, question: questionKey() };
    refresh();
  });
  const question = createQuestionLine();
  const pane = createPane(context, signal);
  const compare = createCompare(context);
  const legend = createLegend(context);
  const readout = createReadout(context);
  const status = createWorkStatus(context, heatmapWork);
  const classes = createClassesList(context);
  const picker = createClassPicker(context);
  const layer = createLayerChoice(context);
  const display = createDisplayControls(context);
  const box = createBoxCheck(context);
  const parts = [toolbar, question, classes, picker, layer, display, box];

  const picture = h("div", { class: "cnnw-picture" }, pane.element, compare.element);
  const instruments = h("div", { class: "cnnw-instruments" }, legend.element, readout.element);
  const what = h("div", { class: "cnnw-what" }, classes.element, picker.element);
  const how = h("div", { class: "cnnw-how" }, layer.element, display.element, box.element);
  const body = h(
    "div",
    { class: "cnnw-body" },
    h("div", { class: "cnnw-main" }, picture, instruments, status.element),
    h("div", { class: "cnnw-side" }, what, how),
  );

  return {
    content: [toolbar.element, question.element, body],
    panels: ({ compare, methods }) => (compare ? methods.length : 0),
    update(state, layout) {
      pane.element.hidden = state.compare;
      compare.element.hidden = !state.compare;
      if (state.compare) compare.update(state, layout);
      else pane.update(state, state.method, layout.pane, false);
      for (const part of parts) part.update(state);
      const map = mapOf(state, state.method);
      legend.update(state, map, state.compare);
      readout.update(state, map, NOT_COMPUTED);
      if (refusal.question !== questionKey()) refusal = { text: "", question: "" };
      status.update(state, refusal.text);
    },
  };
}

export function renderHeatmapView(session: HeatmapSession, host: HTMLElement, signal: AbortSignal): void {
  mountView({ session, host, signal, label: "Heat map view" }, build);
}
