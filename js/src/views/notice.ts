/** Decides what the line below the picture says: one thing at a time, the most urgent. */
import type { HeatmapState, Status } from "../protocol";
import { mapOf, methodById, methodLabel } from "../state";

export type Action = "cancel" | "retry" | "compute";

export interface Notice {
  readonly kind: "quiet" | "progress" | "notice" | "error";
  readonly text: string;
  readonly remedy?: string;
  readonly action?: Action;
  /** Share of the work that is done; absent where it is not known. */
  readonly done?: number;
}

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

/** Quicker work shows no progress: it would only flicker. */
export const SHOW_PROGRESS_AFTER = 200;
export const SAY_WAITING_AFTER = 1_000;
export const SAY_SILENT_AFTER = 10_000;

const SILENT =
  "The kernel does not answer: it is busy or stopped. What is already here can still be explored.";

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
    action: "compute",
  };
}

export function noticeFor(state: HeatmapState, circumstances: Circumstances): Notice {
  const { fault, refusal, owed, silence, working } = circumstances;
  const { status } = state;
  if (fault) return { kind: "error", text: fault, remedy: "Restart the kernel and reload this page." };
  if (refusal) return { kind: "notice", text: refusal };
  if (silence >= SAY_SILENT_AFTER) {
    if (owed) return { kind: "notice", text: SILENT };
    const words = `${progressWords(state, status)}. No news for ${SAY_SILENT_AFTER / 1000} s.`;
    return { kind: "notice", text: words, action: "cancel" };
  }
  if (owed && silence >= SAY_WAITING_AFTER) return { kind: "notice", text: "Waiting for the kernel…" };
  switch (status.state) {
    case "error": {
      const words = { kind: "error", text: status.message, remedy: status.remedy } as const;
      // Trying again does not change what the network is.
      return methodById(state, state.method)?.unavailable ? words : { ...words, action: "retry" };
    }
    case "cancelled":
      return { kind: "notice", text: stoppedWords(state, status), action: "compute" };
    case "busy": {
      if (working < SHOW_PROGRESS_AFTER)
        return { kind: "quiet", text: mapOf(state, state.method)?.caption ?? "" };
      const done = status.total > 0 ? { done: Math.min(1, status.done / status.total) } : {};
      return { kind: "progress", text: progressWords(state, status), action: "cancel", ...done };
    }
    case "idle":
      return idleNotice(state);
  }
}
