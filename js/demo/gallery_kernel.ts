/** Answers a mock model as NeuronGallery's kernel would: what was asked for, after a while, cancellable. */
import type { DemoLayer } from "./activation_networks";
import type { Traits } from "./example";
import { wireDrawn } from "./gallery_drawn";
import { wireOrder, wireOverview, wireRows } from "./gallery_overview";
import { isDead, wireWall } from "./gallery_wall";
import type { MockModel } from "./mock_model";

export interface GalleryKernelOptions {
  readonly layers: readonly DemoLayer[];
  /** Milliseconds from a question to its answer. */
  readonly delay?: number;
  /** Items that are missing. */
  readonly gone?: ReadonlySet<number>;
}

/** What the traits ask for, beside what does not have to be computed. */
export async function galleryAnswer(
  traits: Traits,
  layers: readonly DemoLayer[],
  gone: ReadonlySet<number> = new Set(),
): Promise<Traits> {
  const layer = layers.find(({ name }) => name === traits.layer);
  if (!layer) return {};
  const channel = (traits.channel as number | null) ?? layer.shape[0] - (isDead(layer.shape[0] - 1) ? 2 : 1);
  if (traits.view === "overview") {
    const by = traits.order as string;
    const of =
      by === "likeness" ? ((traits.alike as number | null) ?? channel) : (traits.target as string | null);
    const ranked = (by === "likeness" || by === "class") && of !== null;
    return {
      channel,
      _overview: wireOverview(layer),
      ...(ranked ? { _order: wireOrder(layer, by, of) } : {}),
    };
  }
  const mode = traits.mode as string;
  const plain = mode === "patches" || mode === "images";
  return {
    channel,
    _wall: await wireWall(layer, channel, gone),
    ...(plain ? {} : { _drawn: await wireDrawn(layer, channel, mode, gone) }),
  };
}

const NEEDED = ["layer", "channel", "view", "mode", "order", "alike", "target"];

export function playGallery(
  model: MockModel,
  signal: AbortSignal,
  { layers, delay = 60, gone = new Set() }: GalleryKernelOptions,
): void {
  const timers = new Set<ReturnType<typeof setTimeout>>();
  let latest = 0;
  const traits = (): Traits => Object.fromEntries(NEEDED.map((name) => [name, model.get(name)]));
  const say = (state: string, message = "") =>
    model.receive({
      _status: { ...(model.get("_status") as Traits), state, message, ask: model.get("_ask") },
    });
  const later = (act: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      act();
    }, delay);
    timers.add(timer);
  };

  const start = () => {
    latest += 1;
    const work = latest;
    say("busy");
    later(async () => {
      if (work !== latest) return;
      const found = await galleryAnswer(traits(), layers, gone);
      if (work !== latest || signal.aborted) return;
      model.receive(found);
      say("idle");
    });
  };
  const build = (state: string) =>
    model.receive({ _build: { ...(model.get("_build") as Traits), state, seconds_left: null } });

  model.onSave = (changes) => {
    if ("_ask" in changes) start();
  };
  model.onMessage = (content) => {
    const message = content as { kind: string; id: number; layer: string; channels: number[]; count: number };
    if (message.kind === "retry") start();
    if (message.kind === "stop") build("stopped");
    if (message.kind === "resume") build("building");
    if (message.kind === "cancel") {
      latest += 1;
      say("cancelled", "Cancelled: the patches were not fetched.");
    }
    const layer = layers.find(({ name }) => name === message.layer);
    if (message.kind === "rows" && layer)
      later(async () => {
        const answer = await wireRows(layer, message, gone);
        if (!signal.aborted) model.say(...answer);
      });
  };
  signal.addEventListener(
    "abort",
    () => {
      for (const timer of timers) clearTimeout(timer);
    },
    { once: true },
  );
}
