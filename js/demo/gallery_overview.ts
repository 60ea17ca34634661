/** What the kernel of NeuronGallery would send of a whole layer: numbers, orders, rows of patches. */
import type { DemoLayer } from "./activation_networks";
import type { Traits } from "./example";
import { CLASSES, chance, demoItems } from "./gallery_pictures";
import { demoPatches, isDead, K, type Part, packTiles } from "./gallery_wall";
import { viewOf } from "./wire";

const raw = (values: Float32Array | Int32Array | Uint8Array) =>
  viewOf(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));

const topsOf = (layer: DemoLayer, channel: number) =>
  demoPatches(layer, channel).filter(({ kind }) => kind === "top");

/** The trait `_overview`. */
export function wireOverview(layer: DemoLayer): Traits {
  const [channels] = layer.shape;
  const maximum = new Float32Array(channels);
  const dead = new Uint8Array(channels);
  const labels = new Int32Array(channels * K);
  const classes = CLASSES as readonly string[];
  for (let channel = 0; channel < channels; channel++) {
    const tops = topsOf(layer, channel);
    maximum[channel] = tops[0].value;
    dead[channel] = isDead(channel) ? 1 : 0;
    tops.forEach(({ item }, i) => {
      labels[channel * K + i] = isDead(channel) ? -1 : classes.indexOf(demoItems()[item].label);
    });
  }
  return { layer: layer.name, k: K, maximum: raw(maximum), dead: raw(dead), labels: raw(labels) };
}

/** The trait `_order`, for a channel or a class. */
export function wireOrder(layer: DemoLayer, by: string, of: number | string): Traits {
  const seed = typeof of === "number" ? of : CLASSES.indexOf(of as (typeof CLASSES)[number]);
  const scored = Array.from({ length: layer.shape[0] }, (_, channel) => ({
    channel,
    score: chance(channel, seed, 21) ** 3,
  }))
    .filter(({ channel }) => channel !== of && !isDead(channel))
    .sort((a, b) => b.score - a.score);
  return {
    layer: layer.name,
    by,
    of,
    channels: raw(Int32Array.from(scored, ({ channel }) => channel)),
    scores: raw(Float32Array.from(scored, ({ score }) => score)),
    units: by === "class" ? "standard deviations" : "overlap of the patches",
  };
}

interface Asked {
  readonly id: number;
  readonly channels: readonly number[];
  readonly count: number;
}

/** The answer to a question for rows, with its buffers. */
export async function wireRows(
  layer: DemoLayer,
  { id, channels, count }: Asked,
  gone: ReadonlySet<number> = new Set(),
): Promise<[content: Traits, buffers: DataView[]]> {
  const rows = channels.map((channel) => ({
    channel,
    patches: isDead(channel) ? [] : topsOf(layer, channel).slice(0, count),
  }));
  const parts = rows.flatMap(({ patches }) =>
    patches.map(({ item, box }): Part | null =>
      gone.has(item) ? null : { canvas: demoItems()[item].canvas, box },
    ),
  );
  const { data, ...sheet } = await packTiles(parts, 64);
  const content = {
    kind: "rows",
    id,
    layer: layer.name,
    rows: rows.map(({ channel, patches }) => ({
      channel,
      patches: patches.map(({ value, item }) => ({
        value,
        source: demoItems()[item].source,
        label: demoItems()[item].label,
        missing: gone.has(item) ? "no such file" : "",
      })),
    })),
    sheet: parts.length > 0 ? sheet : {},
  };
  return [content, parts.length > 0 ? [data as DataView] : []];
}
