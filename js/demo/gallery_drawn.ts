/** What the kernel of NeuronGallery would draw of a channel's patches: highlights and gradients. */
import type { DemoLayer } from "./activation_networks";
import type { Traits } from "./example";
import { demoItems, THINGS } from "./gallery_pictures";
import { demoPatches, type Part, packTiles } from "./gallery_wall";
import { blank } from "./pictures";
import { float16View } from "./wire";

const CELLS = 14;

/** A hill of activation around the thing that the channel looks for. */
function highlight(layer: DemoLayer, channel: number): Traits {
  const numbers = [...new Set(demoPatches(layer, channel).map(({ item }) => item))];
  const centres = (length: number) => Array.from({ length: CELLS }, (_, i) => ((i + 0.5) * length) / CELLS);
  const items = numbers.map((number) => demoItems()[number]);
  const xs = items.map(({ canvas }) => centres(canvas.width));
  const ys = items.map(({ canvas }) => centres(canvas.height));
  const values = items.flatMap(({ things }, i) => {
    const [x, y] = things[channel % THINGS];
    return ys[i].flatMap((row) =>
      xs[i].map((column) => Math.exp(-((row - y) ** 2 + (column - x) ** 2) / 1600)),
    );
  });
  const levels = [...Array.from({ length: 64 }, (_, i) => 1 - 10 ** ((-3 * i) / 63)), 1];
  return {
    data: float16View(values),
    scale: 5,
    shape: [numbers.length, CELLS, CELLS],
    xs,
    ys,
    cuts: { levels, values: levels.map((level) => 4.4 * level ** 12) },
    caption: "Bright where the channel is above its quantile over the data set (Bau 2017).",
  };
}

/** Edges of a part in signed colours around grey. */
function edges({ canvas, box: [left, top, right, bottom] }: Part): HTMLCanvasElement {
  const [wide, high] = [Math.max(2, right - left), Math.max(2, bottom - top)];
  const [drawn, context] = blank(wide, high);
  context.drawImage(canvas, left, top, wide, high, 0, 0, wide, high);
  const source = context.getImageData(0, 0, wide, high);
  const target = context.createImageData(wide, high);
  for (let y = 0; y < high; y++)
    for (let x = 0; x < wide; x++) {
      const at = 4 * (y * wide + x);
      const after = 4 * (Math.min(high - 1, y + 1) * wide + Math.min(wide - 1, x + 1));
      for (let colour = 0; colour < 3; colour++)
        target.data[at + colour] = 128 + 2 * (source.data[at + colour] - source.data[after + colour]);
      target.data[at + 3] = 255;
    }
  context.putImageData(target, 0, 0);
  return drawn;
}

async function gradients(
  layer: DemoLayer,
  channel: number,
  gone: ReadonlySet<number>,
  method: string,
): Promise<Traits> {
  const parts = demoPatches(layer, channel).map(({ item, box }): Part | null => {
    if (gone.has(item)) return null;
    const canvas = edges({ canvas: demoItems()[item].canvas, box });
    return { canvas, box: [0, 0, canvas.width, canvas.height] };
  });
  return {
    sheet: await packTiles(parts, 192),
    caption: `${method}: the pixels that raise the unit, each picture on its own scale.`,
  };
}

/** The trait `_drawn`. */
export async function wireDrawn(
  layer: DemoLayer,
  channel: number,
  mode: string,
  gone: ReadonlySet<number> = new Set(),
): Promise<Traits> {
  const name =
    mode === "deconvnet" ? "Deconvnet (Zeiler 2014)" : "Guided backpropagation (Springenberg 2014)";
  const what = mode === "highlight" ? highlight(layer, channel) : await gradients(layer, channel, gone, name);
  return { layer: layer.name, channel, mode, ...what };
}
