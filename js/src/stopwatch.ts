/**
 * How long, in milliseconds, something has been the case. Call with what is the case (compared by identity), or
 * null for nothing: a change starts again from 0. Calls `wake` as each of the marks passes.
 */
export function createStopwatch(marks: readonly number[], wake: () => void, signal: AbortSignal) {
  let current: unknown = null;
  let since = 0;
  let timers: ReturnType<typeof setTimeout>[] = [];

  const stop = () => {
    for (const timer of timers) clearTimeout(timer);
    timers = [];
  };
  signal.addEventListener("abort", stop, { once: true });

  return (what: unknown): number => {
    const now = performance.now();
    if (what !== current) {
      stop();
      current = what;
      since = now;
      if (what !== null && !signal.aborted) timers = marks.map((mark) => setTimeout(wake, mark + 1));
    }
    return what === null ? 0 : now - since;
  };
}
