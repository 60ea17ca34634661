/** Scores what a mock model asks for, as the kernel would: one after the other, the latest first, after a delay. */
import { inGroups } from "../src/format";
import type { Box } from "../src/protocol";
import type { Traits } from "./example";
import type { MockModel } from "./mock_model";
import { cleanOf, historyOf, scoreMessage, sweepOf } from "./occlusion_example";

export interface KernelOptions {
  /** Milliseconds from a request to its answer. */
  readonly delay?: number;
  /** Answers nothing at all. */
  readonly dead?: boolean;
  /** Every request over this part of the picture's width fails. */
  readonly failing?: (box: Box) => boolean;
}

interface Request {
  readonly kind: string;
  readonly id: number;
  readonly boxes: Box[];
  readonly active: number;
}

const UNASKED = -1;
const QUESTION = ["target", "fill", "color", "shape", "keep", "measure"];
const CELLS = 13;
const TOTAL = CELLS ** 2;
const DONE = [10, 30, 70, 120, TOTAL];
const PER_STEP = 350;
const IDLE = { method: "", message: "", remedy: "", ask: 0, seconds_left: null };

/** What the kernel says of a sweep that was cancelled. */
export const cancelledWords = (done: number, total: number): string =>
  done > 0
    ? `Cancelled after ${inGroups(done)} of ${inGroups(total)} places. Hatched: not computed.`
    : "Cancelled before the first place.";

export function playOcclusion(model: MockModel, signal: AbortSignal, options: KernelOptions = {}): void {
  const { delay = 45, dead = false, failing = () => false } = options;
  const traits = () =>
    new Proxy({} as Traits, { get: (_, name) => (typeof name === "string" ? model.get(name) : undefined) });
  const timers = new Set<ReturnType<typeof setTimeout>>();
  let running: Request | null = null;
  let waiting: Request | null = null;
  let visits: { box: Box; score: number }[] = [];
  let last: Traits = {};
  let sweeping: ReturnType<typeof setTimeout> | undefined;

  const later = (act: () => void, wait: number) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      act();
    }, wait);
    timers.add(timer);
    return timer;
  };
  signal.addEventListener("abort", () => timers.forEach(clearTimeout), { once: true });

  const answer = ({ id, boxes, active }: Request) => {
    if (failing(boxes[active])) {
      const error =
        "The model raised RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x512 and 1280x1000).";
      model.say({ kind: "score", id, error, remedy: "Check the forward method; the next drag tries again." });
      return;
    }
    last = scoreMessage(traits(), id, boxes, active);
    visits.push({ box: boxes[active], score: last.score as number });
    model.say(last);
    if (id === UNASKED) keep();
  };
  const keep = () => model.receive({ _history: historyOf(visits), _answer: last });

  const start = (request: Request) => {
    running = request;
    later(() => {
      running = null;
      answer(request);
      const next = waiting;
      waiting = null;
      if (next && !running) start(next);
    }, delay);
  };
  const take = (request: Request) => {
    if (!running) start(request);
    else {
      if (waiting) model.say({ kind: "score", id: waiting.id, replaced: true });
      waiting = request;
    }
  };

  let done = 0;
  const status = (state: string, more: Traits = {}) => {
    model.receive({ _status: { ...IDLE, state, done, total: TOTAL, ...more } });
  };
  const sweep = (step: number) => {
    done = step > 0 ? DONE[step - 1] : 0;
    if (step === 0) model.receive({ _sweep: {} });
    else model.receive({ _sweep: sweepOf(traits(), CELLS, done) });
    const seconds_left = ((DONE.length - step) * PER_STEP) / 1000;
    if (step === DONE.length) status("idle");
    else {
      status("busy", { message: "places", seconds_left });
      sweeping = later(() => sweep(step + 1), PER_STEP);
    }
  };

  model.onSave = (changes) => {
    if (!dead && ("window" in changes || "stride" in changes)) {
      clearTimeout(sweeping);
      model.receive({ _sweep: {} });
      done = 0;
      status("idle");
    }
    if (dead || !QUESTION.some((trait) => trait in changes)) return;
    visits = [];
    model.receive({ _history: {}, _clean: cleanOf(traits()) });
    if (model.get("_sweep")) model.receive({ _sweep: {} });
    take({
      kind: "place",
      id: UNASKED,
      boxes: model.get("boxes") as Box[],
      active: model.get("active") as number,
    });
  };
  model.onMessage = (content) => {
    const request = content as Request;
    if (dead) return;
    if (request.kind === "place") take(request);
    if (request.kind === "rest") keep();
    if (request.kind === "forget") {
      visits = [];
      keep();
    }
    if (request.kind === "sweep" || request.kind === "retry") sweep(0);
    if (request.kind === "cancel") {
      clearTimeout(sweeping);
      status("cancelled", { message: cancelledWords(done, TOTAL) });
    }
  };
}
