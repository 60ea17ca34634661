/**
 * Times for a PerformanceObserver of "measure" entries, for tests and for the browser's profiler:
 * `cnnw:drawn` runs from the event of a hand to the end of painting, `cnnw:score` from sending a request until its
 * score is painted. Entries leave the timeline at once, so that a long session does not pile them up.
 */
export function measured(name: "cnnw:drawn" | "cnnw:score", start: number, detail: unknown): void {
  performance.measure(name, { start, detail });
  performance.clearMeasures(name);
}
