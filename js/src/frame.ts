/** At most one call of `run` per animation frame, however often it is asked for. */
export function framed(run: () => void, signal: AbortSignal): () => void {
  let request = 0;
  const frame = () => {
    request = 0;
    run();
  };
  signal.addEventListener("abort", () => cancelAnimationFrame(request), { once: true });
  return () => {
    if (!signal.aborted) request ||= requestAnimationFrame(frame);
  };
}
