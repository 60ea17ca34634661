/** What the line below the picture says: one thing at a time, the most urgent. */

export interface Notice {
  readonly kind: "quiet" | "progress" | "notice" | "error";
  readonly text: string;
  readonly remedy?: string;
  /** The label of the button beside it. */
  readonly action?: string;
  /** Share of the work that is done; absent where it is not known. */
  readonly done?: number;
}

/** Quicker work shows no progress: it would only flicker. */
export const SHOW_PROGRESS_AFTER = 200;
export const SAY_WAITING_AFTER = 1_000;
export const SAY_SILENT_AFTER = 10_000;

export const WAITING = "Waiting for the kernel…";
export const SILENT =
  "The kernel does not answer: it is busy or stopped. What is already here can still be explored.";
export const NO_NEWS = `No news for ${SAY_SILENT_AFTER / 1000} s.`;

/** A trait or message that breaks the contract. */
export function faultNotice(fault: string): Notice {
  return { kind: "error", text: fault, remedy: "Restart the kernel and reload this page." };
}
