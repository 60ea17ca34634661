/** The status strip of HeatmapView: watches for silence, and turns its button into messages. */
import type { HeatmapState } from "../heatmap_state";
import { SAY_SILENT_AFTER, SAY_WAITING_AFTER, SHOW_PROGRESS_AFTER } from "../notice";
import { createStopwatch } from "../stopwatch";
import type { ViewContext } from "./context";
import { CANCEL, noticeFor } from "./heatmap_notice";
import { createStatusStrip } from "./status_strip";

export interface HeatmapStatus {
  readonly element: HTMLElement;
  update(state: HeatmapState, refusal: string): void;
}

export function createHeatmapStatus({ session, signal, refresh }: ViewContext<HeatmapState>): HeatmapStatus {
  const silence = createStopwatch([SAY_WAITING_AFTER, SAY_SILENT_AFTER], refresh, signal);
  const working = createStopwatch([SHOW_PROGRESS_AFTER], refresh, signal);
  /** The status that a "retry" was sent under: until it changes, the kernel owes an answer. */
  let retriedUnder: unknown = null;

  const strip = createStatusStrip((action) => {
    if (action === CANCEL) {
      session.send({ kind: "cancel" });
      return;
    }
    retriedUnder = session.state.status;
    session.send({ kind: "retry" });
    refresh();
  }, signal);

  return {
    element: strip.element,
    update(state, refusal) {
      const { status } = state;
      const owed = status.ask < state.ask || retriedUnder === status;
      strip.update(
        noticeFor(state, {
          fault: session.fault,
          refusal,
          owed,
          silence: silence(owed || status.state === "busy" ? status : null),
          working: working(status.state === "busy" ? `${status.method} ${status.ask}` : null),
        }),
      );
    },
  };
}
