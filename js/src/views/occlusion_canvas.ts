/** OcclusionCanvas: a hand hides a part of the picture, and sees at once what the network says of the rest. */
import { h, setAttribute } from "../dom";
import { createFills } from "../fills";
import type { OcclusionSession, OcclusionState } from "../occlusion_state";
import type { Box } from "../protocol";
import { createScoring } from "../scoring";
import { createVisited } from "../visited";
import type { ViewContext } from "./context";
import { createDisplayControls } from "./display_controls";
import { createLegend } from "./legend";
import { mountView, type View } from "./mount";
import { createOccluderToolbar } from "./occluder_toolbar";
import { type OcclusionContext, shownMap } from "./occlusion_context";
import { createOcclusionPane } from "./occlusion_pane";
import { createOcclusionStatus } from "./occlusion_status";
import { createReadout } from "./readout";
import { createScoreLine } from "./score_line";
import { createScorePanel } from "./score_panel";
import { createSweepPanel } from "./sweep_panel";

const MISSING = { photo: "no map on show", visited: "not visited yet", sweep: "not swept yet" } as const;

const written = (box: Box | undefined) => box?.map((edge) => edge.toFixed(1)).join(",");

function build(view: ViewContext<OcclusionState>, root: HTMLElement): View<OcclusionState> {
  const { session, signal, photo, refresh } = view;
  const scoring = createScoring(session, refresh, signal);
  const fills = createFills(photo, refresh, signal);
  const visited = createVisited();
  const context: OcclusionContext = { ...view, scoring, fills, visited };

  const toolbar = createOccluderToolbar(context);
  const pane = createOcclusionPane(context);
  const legend = createLegend(context);
  const readout = createReadout(context);
  const status = createOcclusionStatus(context);
  const line = createScoreLine(context);
  const score = createScorePanel(context);
  const sweep = createSweepPanel(context);
  const display = createDisplayControls(context);
  const parts = [toolbar, line, score, sweep, display, status];

  const picture = h("div", { class: "cnnw-picture" }, pane.element);
  const instruments = h("div", { class: "cnnw-instruments" }, legend.element, readout.element);
  const body = h(
    "div",
    { class: "cnnw-body" },
    h("div", { class: "cnnw-main" }, picture, instruments, status.element),
    score.element,
  );
  const maps = h("div", { class: "cnnw-maps" }, sweep.element, display.element);
  root.dataset.view = "occlusion";

  /** What a test in a page can read: counts of requests, the box on screen, the box and value of the score on show. */
  const publish = () => {
    const { flight, answer } = scoring;
    const { boxes, active } = session.state;
    const facts = {
      sent: flight.sent,
      answered: flight.answered,
      "in-flight": flight.current ? 1 : 0,
      waiting: flight.waiting ? 1 : 0,
      box: written(boxes[active]),
      scored: written(answer?.boxes[answer.active]),
      score: answer?.score,
    };
    for (const [name, value] of Object.entries(facts)) setAttribute(root, `data-${name}`, value);
  };

  return {
    content: [toolbar.element, line.element, body, maps],
    update(state, layout) {
      pane.update(state, layout.pane);
      for (const part of parts) part.update(state);
      const map = shownMap(context, state);
      legend.update(state, map);
      readout.update(state, map, MISSING[state.show]);
      publish();
      scoring.painted();
    },
  };
}

export function renderOcclusionCanvas(
  session: OcclusionSession,
  host: HTMLElement,
  signal: AbortSignal,
): void {
  mountView({ session, host, signal, label: "Occlusion canvas" }, build);
}
