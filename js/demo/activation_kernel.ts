/** Answers a mock model as ActivationGrid's kernel would: what was asked for, after a while, cancellable. */
import { answered } from "./activation_example";
import { type DemoLayer, liteNetwork } from "./activation_networks";
import type { Traits } from "./example";
import type { MockModel } from "./mock_model";

export interface ActivationKernelOptions {
  readonly layers?: readonly DemoLayer[];
  /** Milliseconds from a question to its answer. */
  readonly delay?: number;
}

const NEEDED = [
  "layer",
  "channel",
  "sort",
  "target",
  "tab",
  "_photo",
  "_seen",
  "_other_photo",
  "_other_seen",
];

export function playActivations(
  model: MockModel,
  signal: AbortSignal,
  { layers = liteNetwork(), delay = 60 }: ActivationKernelOptions = {},
): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const traits = (): Traits => Object.fromEntries(NEEDED.map((name) => [name, model.get(name)]));
  const say = (state: string, message = "") =>
    model.receive({
      _status: { ...(model.get("_status") as Traits), state, message, ask: model.get("_ask") },
    });

  const start = () => {
    clearTimeout(timer);
    say("busy");
    timer = setTimeout(() => {
      model.receive(answered(traits(), layers));
      say("idle");
    }, delay);
  };

  model.onSave = (changes) => {
    const { layer, channel, cell } = Object.fromEntries(
      ["layer", "channel", "cell"].map((name) => [name, model.get(name)]),
    );
    const [y, x] = (cell as number[] | null) ?? [null, null];
    model.receive({ unit: channel === null ? null : { layer, channel, y, x } });
    if ("_ask" in changes) start();
  };
  model.onMessage = (content) => {
    const { kind } = content as { kind: string };
    if (kind === "retry") start();
    if (kind !== "cancel") return;
    clearTimeout(timer);
    say("cancelled", "Cancelled: the activations were not computed.");
  };
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
}
