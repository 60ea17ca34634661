/** Answers a mock model as the kernel would: after a while, with progress, cancellable. */
import { exampleMaps } from "./example";
import type { MockModel } from "./mock_model";

const SAMPLES = 50;
const PER_SAMPLE = 40;

export function playKernel(model: MockModel, signal: AbortSignal): void {
  let timer: ReturnType<typeof setTimeout> | undefined;

  const say = (state: string, done: number, message = "") =>
    model.receive({
      _status: {
        state,
        method: model.get("method"),
        done,
        total: SAMPLES,
        message,
        remedy: "",
        ask: model.get("_ask"),
      },
    });

  const finish = () => {
    const names = model.get("_class_names") as string[];
    const target = model.get("target") as number;
    const maps = exampleMaps(model.get("_seen") as number[], names[target] ?? `class ${target}`);
    model.receive({ _maps: maps });
    say("idle", SAMPLES);
  };

  const work = (done: number) => {
    if (done >= SAMPLES) finish();
    else {
      say("busy", done, "samples");
      timer = setTimeout(() => work(done + 1), PER_SAMPLE);
    }
  };

  const start = () => {
    clearTimeout(timer);
    work(0);
  };

  model.onSave = (changes) => {
    if (!("_ask" in changes)) return;
    if ("target" in changes || "instead_of" in changes || "layer" in changes) model.receive({ _maps: {} });
    const known = model.get("_maps") as Record<string, unknown>;
    if (known[model.get("method") as string]) say("idle", SAMPLES);
    else start();
  };
  model.onMessage = (content) => {
    const { kind } = content as { kind: string };
    if (kind === "retry") start();
    if (kind !== "cancel") return;
    clearTimeout(timer);
    say("cancelled", (model.get("_status") as { done: number }).done);
  };
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
}
