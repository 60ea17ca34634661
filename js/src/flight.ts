/**
 * Bounds what is under way to the kernel: one request in flight, the newest place waits here. When the answer is
 * overdue the newest place goes out all the same, for a kernel may have lost a request; after that no more than one
 * every `LOST_AFTER`. So a kernel that was busy finds two requests, and one more for each `LOST_AFTER` that it took.
 */

export type Sent<P> = P & {
  readonly id: number;
  readonly since: number;
};

/** `P` is what a request asks for. */
export interface Flight<P> {
  /** The newest request without an answer. */
  readonly current: Sent<P> | null;
  readonly waiting: P | null;
  readonly sent: number;
  readonly answered: number;
  /** Since when the kernel owes an answer: an object to tell one wait from the next, null for none. */
  readonly owed: object | null;
  place(place: P): void;
  /** An answer has come: returns the request if it was one of these. */
  answer(id: number): Sent<P> | null;
}

/** Silence after which one more request goes out. */
export const OVERDUE_AFTER = 3_000;
/** Silence after which the requests before are taken for lost, and one more goes out. */
export const LOST_AFTER = 30_000;

// Views of one model hear each other's answers, on one page or on several: ids must not meet.
let serial = Math.floor(Math.random() * 2 ** 32) * 2 ** 16;

export function createFlight<P extends object>(
  send: (request: Sent<P>) => void,
  signal: AbortSignal,
): Flight<P> {
  /** Without an answer, oldest first: two at most. */
  let open: readonly Sent<P>[] = [];
  let waiting: P | null = null;
  let owed: object | null = null;
  let patience: ReturnType<typeof setTimeout> | undefined;
  let sent = 0;
  let answered = 0;

  const launch = (place: P) => {
    waiting = null;
    serial += 1;
    const request = { ...place, id: serial, since: performance.now() };
    open = [...open.slice(-1), request];
    owed ??= request;
    sent += 1;
    wait(open.length > 1 ? LOST_AFTER : OVERDUE_AFTER);
    send(request);
  };
  const wait = (time: number) => {
    clearTimeout(patience);
    patience = setTimeout(() => {
      patience = undefined;
      if (waiting) launch(waiting);
    }, time);
  };

  signal.addEventListener("abort", () => clearTimeout(patience), { once: true });

  return {
    get current() {
      return open.at(-1) ?? null;
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
      if (open.length > 0 && patience !== undefined) waiting = place;
      else launch(place);
    },
    answer(id) {
      const at = open.findIndex((request) => request.id === id);
      // Whoever it was for, it is a sign of life: the wait starts anew.
      if (open.length > 0) owed = {};
      if (at < 0) return null;
      const done = open[at];
      // The kernel keeps to the order: what came before this one was lost.
      answered += at + 1;
      open = open.slice(at + 1);
      if (open.length > 0) wait(OVERDUE_AFTER);
      else {
        clearTimeout(patience);
        owed = null;
        if (waiting) launch(waiting);
      }
      return done;
    },
  };
}
