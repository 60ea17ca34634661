/** The line below the picture of OcclusionCanvas. */
import { inGroups, seconds } from "../format";
import {
  faultNotice,
  NO_NEWS,
  type Notice,
  SAY_SILENT_AFTER,
  SAY_WAITING_AFTER,
  SHOW_PROGRESS_AFTER,
  SILENT,
  WAITING,
} from "../notice";
import type { OcclusionState } from "../occlusion_state";
import type { Status } from "../protocol";
import { createStopwatch } from "../stopwatch";
import type { Part } from "./context";
import { type OcclusionContext, shownMap } from "./occlusion_context";
import { createStatusStrip } from "./status_strip";

const CANCEL = "Cancel";
const RETRY = "Retry";
const SWEEP = "Sweep";
const KINDS: Readonly<Record<string, "cancel" | "retry" | "sweep">> = {
  [CANCEL]: "cancel",
  [RETRY]: "retry",
  [SWEEP]: "sweep",
};
const HINT = "Drag the box over the picture to hide a part of it. Click elsewhere to bring it there.";

function progressWords({ done, total, message, seconds_left }: Status): string {
  const left = seconds_left === null ? "" : `, about ${seconds(seconds_left)} left`;
  return total > 0 ? `Sweep: ${inGroups(done)} of ${inGroups(total)} ${message}${left}` : "Sweep: preparing";
}

function idleNotice(context: OcclusionContext, state: OcclusionState): Notice {
  const map = shownMap(context, state);
  if (!state.photo) return { kind: "quiet", text: "" };
  if (map) return { kind: "quiet", text: map.partial ? `Unfinished. ${map.caption}` : map.caption };
  if (state.show === "visited")
    return { kind: "quiet", text: "Drag the occluder: every place that it visits is painted." };
  if (state.show === "sweep") return { kind: "quiet", text: "Not swept yet." };
  return { kind: "quiet", text: HINT };
}

function statusNotice(context: OcclusionContext, state: OcclusionState, working: number): Notice {
  const { status } = state;
  switch (status.state) {
    case "error":
      return { kind: "error", text: status.message, remedy: status.remedy, action: RETRY };
    case "cancelled":
      return { kind: "notice", text: status.message, action: SWEEP };
    case "busy": {
      if (working < SHOW_PROGRESS_AFTER) return idleNotice(context, state);
      const done = status.total > 0 ? { done: Math.min(1, status.done / status.total) } : {};
      return { kind: "progress", text: progressWords(status), action: CANCEL, ...done };
    }
    case "idle":
      return idleNotice(context, state);
  }
}

export function createOcclusionStatus(context: OcclusionContext): Part<OcclusionState> {
  const { session, signal, refresh, scoring } = context;
  const silence = createStopwatch([SAY_WAITING_AFTER, SAY_SILENT_AFTER], refresh, signal);
  const quiet = createStopwatch([SAY_SILENT_AFTER], refresh, signal);
  const working = createStopwatch([SHOW_PROGRESS_AFTER], refresh, signal);

  const strip = createStatusStrip((action) => {
    const kind = KINDS[action];
    if (kind) scoring.ask(kind);
  }, signal);

  const noticeFor = (state: OcclusionState): Notice => {
    const { status } = state;
    const busy = status.state === "busy";
    const silent = silence(scoring.owed);
    const still = quiet(busy ? status : null);
    const worked = working(busy ? "busy" : null);
    const fault = session.fault || scoring.fault;
    if (fault) return faultNotice(fault);
    if (silent >= SAY_SILENT_AFTER) return { kind: "notice", text: SILENT };
    if (silent >= SAY_WAITING_AFTER) return { kind: "notice", text: WAITING };
    if (scoring.error) return { kind: "error", ...scoring.error };
    if (still >= SAY_SILENT_AFTER) {
      return {
        kind: "notice",
        text: `${progressWords({ ...status, seconds_left: null })}. ${NO_NEWS}`,
        action: CANCEL,
      };
    }
    return statusNotice(context, state, worked);
  };

  return {
    element: strip.element,
    update(state) {
      strip.update(noticeFor(state));
    },
  };
}
