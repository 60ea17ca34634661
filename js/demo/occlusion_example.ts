/** A complete set of traits of OcclusionCanvas. */
import type { Shape } from "../src/occlusion_state";
import type { Box } from "../src/protocol";
import { COLORMAPS } from "./colormaps";
import { centreCrop, type Traits, thousandNames } from "./example";
import { type Hidden, run } from "./network";
import { landscape, type Picture } from "./pictures";
import { viewOf, wireMap, wirePhoto } from "./wire";

const INPUT = 224;
const NOTHING: Hidden = { boxes: [], shape: "rectangle", keep: false };

function canvasOf(width: number, height: number): [HTMLCanvasElement, CanvasRenderingContext2D] {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser gives no 2D canvas.");
  return [canvas, context];
}

/** A repeatable number in 0..1. */
function grain(i: number): number {
  const wave = 43758.5453 * Math.sin(12.9898 * (i % 9973));
  return wave - Math.floor(wave);
}

async function wireImage(canvas: HTMLCanvasElement): Promise<{ data: DataView; mime: string }> {
  const { data, mime } = await wirePhoto(canvas, "");
  return { data, mime };
}

async function fillsFor(picture: HTMLCanvasElement, seen: Box): Promise<Traits> {
  const [canvas, context] = canvasOf(INPUT, INPUT);
  const [left, top, right, bottom] = seen;
  context.filter = "blur(11px)";
  context.drawImage(picture, left, top, right - left, bottom - top, 0, 0, INPUT, INPUT);
  const blur = await wireImage(canvas);
  const noise = context.createImageData(INPUT, INPUT);
  for (let i = 0; i < noise.data.length; i++) noise.data[i] = i % 4 === 3 ? 255 : 255 * grain(i);
  context.putImageData(noise, 0, 0);
  return {
    grey: { rgb: [128, 128, 128] },
    mean: { rgb: [134, 141, 133] },
    local_mean: { local: true },
    blur,
    noise: await wireImage(canvas),
    colour: { rgb: [200, 40, 40] },
  };
}

const label = (names: readonly string[], index: number) => names[index] ?? `class ${index}`;

/** The score of the target in the chosen unit; a class that the made-up network does not know has none. */
function scoreOf(outputs: ReturnType<typeof run>, target: number, measure: unknown): number {
  const found = outputs.find(({ index }) => index === target);
  if (measure === "output") return found?.logit ?? -9;
  return found?.probability ?? 0.0001;
}

export function cleanOf(traits: Traits): Traits {
  const names = traits._class_names as string[];
  const outputs = run(traits._seen as Box, NOTHING);
  return {
    predictions: outputs.map(({ index, probability }) => ({ index, name: label(names, index), probability })),
    score: scoreOf(outputs, traits.target as number, traits.measure),
    units: traits.measure === "output" ? "logit" : "probability",
  };
}

/** The reply to a request, as the kernel words it. */
export function scoreMessage(traits: Traits, id: number, boxes: Box[], active: number): Traits {
  const names = traits._class_names as string[];
  const seen = traits._seen as Box;
  const target = traits.target as number;
  const clean = run(seen, NOTHING);
  const hidden = { boxes, shape: traits.shape as Shape, keep: traits.keep === true };
  const outputs = run(seen, hidden);
  const compared = (index: number) => ({
    index,
    name: label(names, index),
    probability: scoreOf(outputs, index, "probability"),
    clean: scoreOf(clean, index, "probability"),
  });
  const score = scoreOf(outputs, target, traits.measure);
  return {
    kind: "score",
    id,
    boxes,
    hidden: boxes,
    active,
    score,
    change: score - scoreOf(clean, target, traits.measure),
    units: traits.measure === "output" ? "logit" : "probability",
    predictions: outputs.map(({ index }) => compared(index)),
    target: compared(target),
    top_changed: outputs[0].index !== clean[0].index,
    seconds: 0.031,
  };
}

/** The places of a sweep in the order of the kernel: every 4th in both directions, then every 2nd, then all. */
function coarseToFine(cells: number): number[] {
  const all = Array.from({ length: cells * cells }, (_, i) => i);
  const level = (i: number) =>
    [4, 2, 1].findIndex((step) => Math.floor(i / cells) % step === 0 && (i % cells) % step === 0);
  return all.sort((a, b) => level(a) - level(b) || a - b);
}

/** The map of a sweep over `cells` by `cells` places, the first `done` of which have been tried. */
export function sweepOf(traits: Traits, cells: number, done = cells * cells): Traits {
  const partial = done < cells * cells;
  const tried = new Set(coarseToFine(cells).slice(0, done));
  const seen = traits._seen as Box;
  const grain = traits._grain as [number, number];
  const size = (traits.window as number) * grain[0];
  const along = (from: number, to: number) =>
    Array.from({ length: cells }, (_, i) => from + size / 2 + (i * (to - from - size)) / (cells - 1));
  const [xs, ys] = [along(seen[0], seen[2]), along(seen[1], seen[3])];
  const clean = scoreOf(run(seen, NOTHING), traits.target as number, traits.measure);
  const values = ys.flatMap((y, row) =>
    xs.map((x, column) => {
      if (!tried.has(row * cells + column)) return Number.NaN;
      const box: Box = [x - size / 2, y - size / 2, x + size / 2, y + size / 2];
      const hidden = { boxes: [box], shape: traits.shape as Shape, keep: false };
      return clean - scoreOf(run(seen, hidden), traits.target as number, traits.measure);
    }),
  );
  const units = traits.measure === "output" ? "logit" : "probability";
  const caption = `Occlusion: drop of ${units}, window ${traits.window}, stride ${traits.stride}. Zeiler & Fergus 2014`;
  return {
    ...wireMap(values, xs, ys, { units, partial, caption }),
    window: [size, size],
    outline: traits.shape,
  };
}

/** `_history` from places and scores. */
export function historyOf(
  visits: readonly { readonly box: readonly number[]; readonly score: number }[],
): Traits {
  const values = new Float32Array(visits.flatMap(({ box, score }) => [...box, score, 285]));
  return visits.length ? { data: viewOf(new Uint8Array(values.buffer)), count: visits.length } : {};
}

/** A view whose occluder lies beside the tree. */
export async function occlusionTraits(picture: Picture = landscape(600, 400)): Promise<Traits> {
  const photo = await wirePhoto(picture.canvas, picture.title);
  const seen = centreCrop(photo.width, photo.height);
  const [width, height] = [seen[2] - seen[0], seen[3] - seen[1]];
  const at = (x: number, y: number) => [seen[0] + x * width, seen[1] + y * height];
  const traits: Traits = {
    _widget: "OcclusionCanvas",
    _photo: photo,
    _seen: seen,
    _class_names: thousandNames(),
    _output_kind: "logits",
    _colormaps: COLORMAPS,
    _grain: [width / INPUT, height / INPUT],
    _fills: await fillsFor(picture.canvas, seen),
    _sweep: {},
    _history: {},
    _answer: {},
    _status: {
      state: "idle",
      method: "",
      done: 0,
      total: 0,
      message: "",
      remedy: "",
      ask: 0,
      seconds_left: null,
    },
    target: 285,
    boxes: [[...at(0.4, 0.36), ...at(0.62, 0.58)]],
    active: 0,
    shape: "rectangle",
    fill: "grey",
    color: "#c82828",
    keep: false,
    measure: "probability",
    show: "photo",
    opacity: 0.6,
    threshold: 0,
    sign: "both",
    colormap: "auto",
    zoom: 1,
    pan: null,
    window: 32,
    stride: 16,
  };
  return { ...traits, _clean: cleanOf(traits) };
}
