/**
 * Bounds what is under way to the kernel: one request in flight, one waiting, the latest. When an answer is overdue
 * the newest place goes out all the same, for a kernel may have lost a request.
 */
import type { Box } from "./protocol";

export interface Place {
  readonly boxes: readonly Box[];
  readonly active: number;
}

export interface Sent extends Place {
  readonly id: number;
  readonly since: number;
}

export interface Flight {
  readonly current: Sent | null;
  readonly waiting: Place | null;
  readonly sent: number;
  readonly answered: number;
  /** Since when the kernel owes an answer: an object to tell one wait from the next, null for none. */
  readonly owed: object | null;
  place(place: Place): void;
  /** An answer has come: returns the request if it was the one in flight. */
  answer(id: number): Sent | null;
}

export const OVERDUE_AFTER = 3_000;

// Views of one model hear each other's answers, on one page or on several: ids must not meet.
let serial = Math.floor(Math.random() * 2 ** 32) * 2 ** 16;

export function createFlight(send: (request: Sent) => void, signal: AbortSignal): Flight {
  let current: Sent | null = null;
  let waiting: Place | null = null;
  let owed: object | null = null;
  let overdue: ReturnType<typeof setTimeout> | undefined;
  let sent = 0;
  let answered = 0;

  const launch = (place: Place) => {
    clearTimeout(overdue);
    waiting = null;
    serial += 1;
    current = { ...place, id: serial, since: performance.now() };
    owed ??= current;
    sent += 1;
    overdue = setTimeout(() => {
      overdue = undefined;
      if (waiting) launch(waiting);
    }, OVERDUE_AFTER);
    send(current);
  };

  signal.addEventListener("abort", () => clearTimeout(overdue), { once: true });

  return {
    get current() {
      return current;
    },
    get waiting() {
      return waiting;
    },
    get sent() {
      return sent;
    },
    get answered() {
      return answered;
    },
    get owed() {
      return owed;
    },
    place(place) {
      if (signal.aborted) return;
      if (current && overdue !== undefined) waiting = place;
      else launch(place);
    },
    answer(id) {
      if (id !== current?.id) {
        // Not this one, but a sign of life: the wait starts anew.
        if (current) owed = {};
        return null;
      }
      const done = current;
      clearTimeout(overdue);
      overdue = undefined;
      current = null;
      owed = null;
      answered += 1;
      if (waiting) launch(waiting);
      return done;
    },
  };
}
