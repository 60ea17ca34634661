/** What the line below a picture says of work that the kernel has been asked for. */
import { inGroups } from "./format";
import {
  faultNotice,
  NO_NEWS,
  type Notice,
  SAY_SILENT_AFTER,
  SAY_WAITING_AFTER,
  SHOW_PROGRESS_AFTER,
  SILENT,
  WAITING,
} from "./notice";
import type { Status } from "./protocol";

export const CANCEL = "Cancel";
export const COMPUTE = "Compute";
const RETRY = "Retry";

/** The work of a view, in its own words. */
export interface Work {
  /** What is computed: "SmoothGrad". */
  readonly label: string;
  /** What is said while nothing is under way. */
  readonly idle: Notice;
  /** What is said before work has lasted long enough to be spoken of. */
  readonly caption: string;
  /** Trying again would fail again. */
  readonly hopeless: boolean;
}

export interface Circumstances {
  /** Why the state cannot be trusted; empty if it can. */
  readonly fault: string;
  /** Why what was tried cannot be done; empty after any other choice. */
  readonly refusal: string;
  /** The kernel has been asked for something and has not answered. */
  readonly owed: boolean;
  /** Milliseconds since the last sign of life of a kernel that should give one. */
  readonly silence: number;
  /** Milliseconds of the work under way. */
  readonly working: number;
}

/** "SmoothGrad: 12 of 50 samples"; a message that is a sentence of its own stands as it is. */
function progressWords(label: string, { done, total, message }: Status): string {
  if (message.includes(" of ")) return message;
  if (total > 0) return `${label}: ${inGroups(done)} of ${inGroups(total)} ${message}`.trimEnd();
  return message || `${label}: computing`;
}

function stoppedWords(label: string, { done, total, message }: Status): string {
  if (message) return message;
  const how = total > 0 ? ` at ${inGroups(done)} of ${inGroups(total)}` : "";
  return `Cancelled: ${label} stopped${how}.`;
}

export function noticeFor(status: Status, work: Work, circumstances: Circumstances): Notice {
  const { fault, refusal, owed, silence, working } = circumstances;
  const { label, caption, hopeless } = work;
  if (fault) return faultNotice(fault);
  if (refusal) return { kind: "notice", text: refusal };
  if (silence >= SAY_SILENT_AFTER) {
    if (owed) return { kind: "notice", text: SILENT };
    const words = `${progressWords(label, status)}. ${NO_NEWS}`;
    return { kind: "notice", text: words, action: CANCEL };
  }
  if (owed && silence >= SAY_WAITING_AFTER) return { kind: "notice", text: WAITING };
  switch (status.state) {
    case "error": {
      const words = { kind: "error", text: status.message, remedy: status.remedy } as const;
      return hopeless ? words : { ...words, action: RETRY };
    }
    case "cancelled":
      return { kind: "notice", text: stoppedWords(label, status), action: COMPUTE };
    case "busy": {
      if (working < SHOW_PROGRESS_AFTER) return { kind: "quiet", text: caption };
      const done = status.total > 0 ? { done: Math.min(1, status.done / status.total) } : {};
      return { kind: "progress", text: progressWords(label, status), action: CANCEL, ...done };
    }
    case "idle":
      return work.idle;
  }
}
