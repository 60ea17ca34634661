/** An anywidget model without a kernel: traits in a map, events at once, everything sent is kept for inspection. */
import type { HostModel } from "../src/session";

type Callback = (content?: unknown, buffers?: DataView[]) => void;
type Traits = Record<string, unknown>;

export class MockModel implements HostModel {
  /** What each `save_changes` carried, oldest first. */
  readonly saved: Traits[] = [];
  readonly sent: unknown[] = [];
  /** Plays the kernel: called after every save and every message. */
  onSave: (changes: Traits) => void = () => undefined;
  onMessage: (content: unknown) => void = () => undefined;

  private readonly traits: Map<string, unknown>;
  private readonly callbacks = new Map<string, Set<Callback>>();
  private unsaved: Traits = {};

  constructor(traits: Traits) {
    this.traits = new Map(Object.entries(traits));
  }

  get(trait: string): unknown {
    return this.traits.get(trait);
  }

  set(trait: string, value: unknown): void {
    this.unsaved[trait] = value;
    this.receive({ [trait]: value });
  }

  /** A change from the kernel's side. */
  receive(traits: Traits): void {
    for (const [trait, value] of Object.entries(traits)) {
      if (Object.is(this.traits.get(trait), value)) continue;
      this.traits.set(trait, value);
      for (const callback of [...(this.callbacks.get(`change:${trait}`) ?? [])]) callback();
    }
  }

  on(event: string, callback: Callback): void {
    const known = this.callbacks.get(event) ?? new Set();
    this.callbacks.set(event, known.add(callback));
  }

  /** A message from the kernel's side. */
  say(content: unknown, buffers: DataView[] = []): void {
    for (const callback of [...(this.callbacks.get("msg:custom") ?? [])]) callback(content, buffers);
  }

  off(event: string, callback: Callback): void {
    this.callbacks.get(event)?.delete(callback);
  }

  save_changes(): void {
    const changes = this.unsaved;
    this.unsaved = {};
    this.receive(changes); // as ipywidgets sets what it saves
    this.saved.push(changes);
    this.onSave(changes);
  }

  send(content: unknown): void {
    this.sent.push(content);
    this.onMessage(content);
  }

  /** How many callbacks are registered: none after every view is gone. */
  get listenerCount(): number {
    let count = 0;
    for (const callbacks of this.callbacks.values()) count += callbacks.size;
    return count;
  }
}
