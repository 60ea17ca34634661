/**
 * The border to the host: the only file that knows the anywidget model. It turns traits into one immutable state
 * and gives the views plain functions to call.
 */
import { paced } from "./pace";
import { ProtocolError, type Readers } from "./readers";

type Heard = (content: unknown, buffers: readonly DataView[]) => void;

/** What is used of an anywidget model. */
export interface HostModel {
  get(trait: string): unknown;
  set(trait: string, value: unknown): void;
  on(event: string, callback: Heard | (() => void)): void;
  off(event: string, callback: Heard | (() => void)): void;
  save_changes(): void;
  send(content: unknown): void;
}

export interface Session<S> {
  /** The newest valid state. */
  readonly state: S;
  /** The first trait that broke the contract, in words; empty while all is well. */
  readonly fault: string;
  /** Shows at once in every view of the model; the kernel hears of it about ten times a second. */
  show(changes: Partial<S>): void;
  /** Shows at once and tells the kernel at once, with all that `show` still holds back. */
  put(changes: Partial<S>): void;
  /** Sends a message to the kernel. Nobody says whether it arrives: one that cannot be sent is as good as lost. */
  send(content: Readonly<Record<string, unknown>>): void;
  /** Calls back with every message from the kernel, until the session ends. */
  listen(listener: Heard): void;
  /** Calls back after every change, until the session ends. */
  subscribe(listener: () => void): void;
}

const SAVE_INTERVAL = 100;

/**
 * Tells the kernel that there is one view more or less: what no page shows need not stay in memory. ipywidgets' own
 * `_view_count` throws in the page where the kernel closes a widget that is shown.
 */
function countViews(model: HostModel, more: number): void {
  const views = model.get("_views");
  if (typeof views !== "number") return;
  try {
    model.set("_views", Math.max(0, views + more));
    model.save_changes();
  } catch {
    // The kernel has closed the widget: it does not ask any more.
  }
}

/** Opens the traits named in `readers`; `empty` holds until they are read. */
export function openSession<S extends object>(
  model: HostModel,
  readers: Readers<S>,
  empty: S,
  signal: AbortSignal,
): Session<S> {
  const keys = Object.keys(readers) as (keyof S)[];
  const faults = new Map<keyof S, string>();
  const listeners = new Set<() => void>();
  let state = empty;
  /** What waits to be saved. An echo of an older value that comes meanwhile does not take the hand back. */
  let unsaved: Partial<S> = {};

  const on = (event: string, callback: Heard | (() => void)) => {
    model.on(event, callback);
    signal.addEventListener("abort", () => model.off(event, callback), { once: true });
  };

  countViews(model, 1);
  signal.addEventListener("abort", () => countViews(model, -1), { once: true });

  const read = (key: keyof S) => {
    const { trait, read: parse } = readers[key];
    try {
      state = { ...state, [key]: parse(model.get(trait), trait) };
      faults.delete(key);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      faults.set(key, error.message);
    }
  };

  const write = (changes: Partial<S>) => {
    for (const key of keys) {
      if (key in changes) model.set(readers[key].trait, changes[key]);
    }
  };

  for (const key of keys) {
    read(key);
    on(`change:${readers[key].trait}`, () => {
      if (key in unsaved && model.get(readers[key].trait) !== unsaved[key]) return;
      read(key);
      for (const listener of listeners) listener();
    });
  }
  signal.addEventListener("abort", () => listeners.clear(), { once: true });

  const saveAll = () => {
    const waited = Object.keys(unsaved) as (keyof S)[];
    unsaved = {};
    model.save_changes();
    // Another view of the model may have set the same trait later.
    for (const key of waited) read(key);
    if (waited.length > 0) for (const listener of listeners) listener();
  };
  const save = paced(saveAll, SAVE_INTERVAL, signal);

  return {
    get state() {
      return state;
    },
    get fault() {
      const [first = ""] = faults.values();
      return first;
    },
    show(changes) {
      unsaved = { ...unsaved, ...changes };
      write(changes);
      save();
    },
    put(changes) {
      unsaved = { ...unsaved, ...changes };
      write(changes);
      saveAll();
    },
    send(content) {
      try {
        model.send(content);
      } catch {
        // After the kernel was shut down ipywidgets refuses to send. Whoever waits for an answer tells of the silence.
      }
    },
    listen: (listener) => on("msg:custom", listener),
    subscribe: (listener) => void listeners.add(listener),
  };
}
