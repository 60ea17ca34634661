/**
 * The border to the host: the only file that knows the anywidget model. It turns traits into one immutable state
 * and gives the views plain functions to call.
 */
import { paced } from "./pace";
import type { Display, HeatmapState, Question, StateKey } from "./protocol";
import { EMPTY, ProtocolError, READERS } from "./readers";

/** What is used of an anywidget model. */
export interface HostModel {
  get(trait: string): unknown;
  set(trait: string, value: unknown): void;
  on(event: string, callback: () => void): void;
  off(event: string, callback: () => void): void;
  save_changes(): void;
  send(content: unknown): void;
}

export interface Session {
  /** The newest valid state. */
  readonly state: HeatmapState;
  /** The first trait that broke the contract, in words; empty while all is well. */
  readonly fault: string;
  /** Shows at once in every view of the model; the kernel hears of it about ten times a second. */
  show(changes: Partial<Display>): void;
  /** Puts a new question to the kernel, under a new number. */
  ask(changes: Partial<Question>): void;
  cancel(): void;
  retry(): void;
  /** Calls back after every change, until the session ends. */
  subscribe(listener: () => void): void;
}

const SAVE_INTERVAL = 100;
const KEYS = Object.keys(READERS) as StateKey[];

export function openSession(model: HostModel, signal: AbortSignal): Session {
  const faults = new Map<StateKey, string>();
  const listeners = new Set<() => void>();
  let state = EMPTY;

  const read = (key: StateKey) => {
    const { trait, read: parse } = READERS[key];
    try {
      state = { ...state, [key]: parse(model.get(trait), trait) };
      faults.delete(key);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      faults.set(key, error.message);
    }
  };

  const write = (changes: Partial<HeatmapState>) => {
    for (const key of KEYS) {
      if (key in changes) model.set(READERS[key].trait, changes[key]);
    }
  };

  for (const key of KEYS) {
    read(key);
    const event = `change:${READERS[key].trait}`;
    const changed = () => {
      read(key);
      for (const listener of listeners) listener();
    };
    model.on(event, changed);
    signal.addEventListener("abort", () => model.off(event, changed), { once: true });
  }
  signal.addEventListener("abort", () => listeners.clear(), { once: true });

  const save = paced(() => model.save_changes(), SAVE_INTERVAL, signal);

  return {
    get state() {
      return state;
    },
    get fault() {
      const [first = ""] = faults.values();
      return first;
    },
    show(changes) {
      write(changes);
      save();
    },
    ask(changes) {
      write({ ...changes, ask: state.ask + 1 });
      model.save_changes();
    },
    cancel: () => model.send({ kind: "cancel" }),
    retry: () => model.send({ kind: "retry" }),
    subscribe: (listener) => void listeners.add(listener),
  };
}
