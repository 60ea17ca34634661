/**
 * Calls `run` at once, then at most once per `interval` milliseconds while calls keep coming, and once more after
 * the last of them. On abort an outstanding call is made, so nothing is lost.
 */
export function paced(run: () => void, interval: number, signal: AbortSignal): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let outstanding = false;

  const tick = () => {
    timer = undefined;
    if (!outstanding) return;
    outstanding = false;
    run();
    timer = setTimeout(tick, interval);
  };

  signal.addEventListener(
    "abort",
    () => {
      clearTimeout(timer);
      if (outstanding) run();
      outstanding = false;
    },
    { once: true },
  );

  return () => {
    outstanding = true;
    if (timer === undefined) tick();
  };
}
