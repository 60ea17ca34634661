/** What the line below the picture of HeatmapView says. */
import { type HeatmapState, mapOf, methodById, methodLabel } from "../heatmap_state";
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
import type { Status } from "../protocol";

export const CANCEL = "Cancel";
const RETRY = "Retry";
const COMPUTE = "Compute";

export interface Circumstances {
  /** Why the state cannot be trusted; empty if it can. */
  readonly fault: string;
  /** Why the method that was tried cannot be used; empty after any other choice. */
  readonly refusal: string;
  /** The kernel has been asked for something and has not answered. */
  readonly owed: boolean;
  /** Milliseconds since the last sign of life of a kernel that should give one. */
  readonly silence: number;
  /** Milliseconds of the work under way. */
  readonly working: number;
}

/** "SmoothGrad: 12 of 50 samples"; a message that is a sentence of its own stands as it is. */
function progressWords(state: HeatmapState, { method, done, total, message }: Status): string {
  if (message.includes(" of ")) return message;
  const label = methodLabel(state, method || state.method);
  if (total > 0) return `${label}: ${done} of ${total} ${message}`.trimEnd();
  return message || `${label}: computing`;
}

function stoppedWords(state: HeatmapState, { method, done, total, message }: Status): string {
  if (message) return message;
  const how = total > 0 ? ` at ${done} of ${total}` : "";
  return `Cancelled: ${methodLabel(state, method || state.method)} was stopped${how}.`;
}

function idleNotice(state: HeatmapState): Notice {
  const map = mapOf(state, state.method);
  if (map) return { kind: "quiet", text: map.partial ? `Unfinished. ${map.caption}` : map.caption };
  if (!state.photo || !state.method) return { kind: "quiet", text: "" };
  return {
    kind: "quiet",
    text: `${methodLabel(state, state.method)} is not computed yet.`,
    action: COMPUTE,
  };
}

export function noticeFor(state: HeatmapState, circumstances: Circumstances): Notice {
  const { fault, refusal, owed, silence, working } = circumstances;
  const { status } = state;
  if (fault) return faultNotice(fault);
  if (refusal) return { kind: "notice", text: refusal };
  if (silence >= SAY_SILENT_AFTER) {
    if (owed) return { kind: "notice", text: SILENT };
    const words = `${progressWords(state, status)}. ${NO_NEWS}`;
    return { kind: "notice", text: words, action: CANCEL };
  }
  if (owed && silence >= SAY_WAITING_AFTER) return { kind: "notice", text: WAITING };
  switch (status.state) {
    case "error": {
      const words = { kind: "error", text: status.message, remedy: status.remedy } as const;
      // Trying again does not change what the network is.
      return methodById(state, state.method)?.unavailable ? words : { ...words, action: RETRY };
    }
    case "cancelled":
      return { kind: "notice", text: stoppedWords(state, status), action: COMPUTE };
    case "busy": {
      if (working < SHOW_PROGRESS_AFTER)
        return { kind: "quiet", text: mapOf(state, state.method)?.caption ?? "" };
      const done = status.total > 0 ? { done: Math.min(1, status.done / status.total) } : {};
      return { kind: "progress", text: progressWords(state, status), action: CANCEL, ...done };
    }
    case "idle":
      return idleNotice(state);
  }
}
