/** What the kernel of NeuronGallery would send of one channel: its patches, its pictures, its histogram. */
import type { DemoLayer } from "./activation_networks";
import type { Traits } from "./example";
import { chance, type DemoItem, demoItems, THINGS } from "./gallery_pictures";
import { blank } from "./pictures";
import { viewOf } from "./wire";

export const K = 16;

export interface DemoPatch {
  readonly kind: string;
  readonly rank: number;
  readonly value: number;
  readonly item: number;
  readonly box: readonly [number, number, number, number];
  readonly cell: readonly [number, number];
}

/** A picture on the sheet, and the part of it that is sent. */
export interface Part {
  readonly canvas: HTMLCanvasElement;
  readonly box: readonly [number, number, number, number];
}

/** Packs parts of pictures into one file, none larger than `most` a side. */
export async function packTiles(parts: readonly (Part | null)[], most: number): Promise<Traits> {
  const step = 16 * Math.ceil(most / 16);
  const perRow = Math.max(1, Math.ceil(Math.sqrt(parts.length)));
  const [sheet, context] = blank(step * perRow, step * Math.max(1, Math.ceil(parts.length / perRow)));
  const places = parts.map((part, i) => {
    if (!part) return null;
    const [left, top, right, bottom] = part.box;
    const [wide, high] = [right - left, bottom - top];
    const shrink = Math.min(1, most / Math.max(wide, high));
    const place = [
      step * (i % perRow),
      step * Math.floor(i / perRow),
      Math.max(1, Math.round(wide * shrink)),
      Math.max(1, Math.round(high * shrink)),
    ] as const;
    context.drawImage(part.canvas, left, top, wide, high, ...place);
    return place;
  });
  const blob = await new Promise<Blob | null>((done) => sheet.toBlob(done, "image/png"));
  if (!blob) throw new Error("The canvas could not be encoded as PNG.");
  return { mime: "image/png", data: viewOf(new Uint8Array(await blob.arrayBuffer())), places };
}

export const isDead = (channel: number): boolean => channel % 17 === 5;

/** How strongly a channel answers to a thing of an item: each looks for one thing, and has a class that it likes. */
function answer(channel: number, item: DemoItem, number: number): number {
  if (isDead(channel)) return 0;
  const liked = ["dawn", "meadow", "night", "dunes"][Math.floor(channel / THINGS) % 4] === item.label;
  return (liked ? 2.4 : 0.9) + 2.2 * chance(channel, number, 3) + 0.05 * channel;
}

function patchOf(
  layer: DemoLayer,
  channel: number,
  number: number,
  thing: number,
): Omit<DemoPatch, "kind" | "rank"> {
  const item = demoItems()[number];
  const [x, y] = item.things[thing];
  const { width, height } = item.canvas;
  const side = Math.min(layer.field?.[0] ?? 400, 400) * (width / 224);
  const clip = (at: number, most: number) => Math.min(most, Math.max(0, Math.round(at)));
  const box = [
    clip(x - side / 2, width),
    clip(y - side / 2, height),
    clip(x + side / 2, width),
    clip(y + side / 2, height),
  ] as const;
  const [, rows, columns] = layer.shape;
  const cell = [Math.floor((y / height) * rows), Math.floor((x / width) * columns)] as const;
  return { value: answer(channel, item, number), item: number, box, cell };
}

/** The patches of a channel: the strongest, a sample, the most negative. */
export function demoPatches(layer: DemoLayer, channel: number): DemoPatch[] {
  const all = demoItems().map((_, number) => patchOf(layer, channel, number, channel % THINGS));
  const ranked = [...all].sort((a, b) => b.value - a.value);
  const signed = layer.kind !== "ReLU6";
  const sample = Array.from({ length: K }, (_, i) => {
    const number = (7 * i + 3) % demoItems().length;
    const value = (signed ? -0.6 : 0) + 1.6 * chance(channel, i, 8);
    return { ...patchOf(layer, channel, number, i % THINGS), value: isDead(channel) ? 0 : value };
  }).sort((a, b) => b.value - a.value);
  const bottom = ranked.slice(-K).reverse();
  const lowest = bottom.map((patch, i) => ({
    ...patch,
    value: signed && !isDead(channel) ? -3 + 0.12 * i : 0,
  }));
  const kinds = { top: ranked.slice(0, K), sample, bottom: lowest };
  return Object.entries(kinds).flatMap(([kind, patches]) =>
    patches.map((patch, rank) => ({ ...patch, kind, rank })),
  );
}

/** Many small answers and few large ones. */
function histogram(channel: number, low: number, high: number): Traits {
  if (isDead(channel)) return { edges: [0, 1], counts: [40_000] };
  const bins = 48;
  const edges = Array.from({ length: bins + 1 }, (_, i) => low + (i * (high - low)) / bins);
  const counts = edges.slice(1).map((edge, i) => {
    const value = (edge + edges[i]) / 2;
    return Math.round(60_000 * Math.exp(-((value + 0.3) ** 2) / 0.6) + 25 * (1 + chance(channel, i)));
  });
  return { edges, counts };
}

/** The trait `_wall`; items named in `gone` are missing. */
export async function wireWall(
  layer: DemoLayer,
  channel: number,
  gone: ReadonlySet<number> = new Set(),
): Promise<Traits> {
  const items = demoItems();
  const patches = demoPatches(layer, channel);
  const numbers = [...new Set(patches.map(({ item }) => item))];
  const whole = ({ canvas }: DemoItem): Part => ({ canvas, box: [0, 0, canvas.width, canvas.height] });
  const values = patches.map(({ value }) => value);
  const channels = layer.shape[0];
  return {
    layer: layer.name,
    channel,
    units: "activation",
    dead: isDead(channel),
    pictures: numbers.map((number) => ({
      image: number,
      source: items[number].source,
      label: items[number].label,
      predicted: number % 7 === 0 ? "dunes" : items[number].label,
      size: [items[number].canvas.height, items[number].canvas.width],
      seen: [0, 0, items[number].canvas.width, items[number].canvas.height],
      missing: gone.has(number) ? "no such file" : "",
    })),
    patches: patches.map(({ item, ...patch }) => ({ ...patch, picture: numbers.indexOf(item) })),
    images: await packTiles(
      numbers.map((number) => (gone.has(number) ? null : whole(items[number]))),
      256,
    ),
    crops: await packTiles(
      patches.map(({ item, box }) => (gone.has(item) ? null : { canvas: items[item].canvas, box })),
      192,
    ),
    histogram: histogram(channel, Math.min(...values) - 0.1, Math.max(...values) + 0.2),
    alike: isDead(channel)
      ? []
      : Array.from({ length: 8 }, (_, i) => ({
          layer: layer.name,
          channel: channel + THINGS * (i + 1),
          score: 0.62 / (1 + 0.4 * i),
        })).filter((each) => each.channel < channels && !isDead(each.channel)),
  };
}
