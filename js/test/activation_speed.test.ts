/** How long frames take on the largest sheets: printed, since machines differ. */
import { expect, test } from "vitest";
import { type Activating, renderActivations, tinyActivations, wireSheet } from "./activation_harness";
import { nextFrame } from "./harness";

type Shape = readonly [pictures: number, channels: number, rows: number, columns: number];

const SIZES: readonly (readonly [name: string, shape: Shape])[] = [
  ["2,048 of 7×7", [1, 2048, 7, 7]],
  ["512 of 56×56", [1, 512, 56, 56]],
  ["64 of 112×112", [1, 64, 112, 112]],
];

/** From one frame to the next, while something is done in each; as event handlers do it, before the view's own frame. */
async function framesOf(count: number, act: (frame: number) => void): Promise<number[]> {
  const times: number[] = [];
  await nextFrame();
  let last = performance.now();
  for (let frame = 0; frame < count; frame++) {
    act(frame);
    await nextFrame();
    times.push(performance.now() - last);
    last = performance.now();
  }
  return times;
}

function print(name: string, what: string, times: readonly number[]): void {
  const ordered = [...times].sort((a, b) => a - b);
  const at = (share: number) => ordered[Math.floor(share * (ordered.length - 1))].toFixed(1);
  // biome-ignore lint/suspicious/noConsole: the figures are what this test is for
  console.info(`${name}, ${what}: frames median ${at(0.5)} ms, 95 % ${at(0.95)} ms, longest ${at(1)} ms`);
}

async function rendered(shape: Shape): Promise<Activating> {
  const count = shape.reduce((product, side) => product * side, 1);
  const values = Float32Array.from({ length: count }, (_, i) => ((i * 7919) % 1009) / 1009 - 0.3);
  const sheet = wireSheet(values, shape);
  return renderActivations(await tinyActivations({ _sheet: sheet, sort: "maximum", tile_size: 40 }));
}

for (const [name, shape] of SIZES) {
  test(`${name}: scrolling, zooming, pointing and painting follow the hand`, async () => {
    const view = await rendered(shape);
    const { tiles, model } = view;
    const scrolling = await framesOf(40, (frame) => {
      tiles.scrollTop = 31 * frame;
    });
    print(name, "scrolling", scrolling);
    const zooming = await framesOf(20, (frame) => model.set("tile_size", 32 + 4 * (frame % 10)));
    print(name, "zooming", zooming);
    tiles.scrollTop = 0;
    model.set("tile_size", 72);
    const tile = await framesOf(20, (frame) => view.pointAtCell("pointermove", frame % 5, frame % 7, 1));
    expect(view.find(".cnnw").dataset.overlay).not.toBe("");
    print(name, "pointing at tiles", tile);
    view.pointAtCell("pointerleave", 0, 0, 0);
    const pixel = await framesOf(20, (frame) => view.pointAtPhoto("pointermove", 12 + frame, 20));
    print(name, "pointing at the photograph", pixel);
    view.all<HTMLButtonElement>(".cnnw-brush button")[0].click();
    view.pointAtPhoto("pointerdown", 12, 5);
    const painting = await framesOf(20, (frame) =>
      view.pointAtPhoto("pointermove", 12 + frame / 2, 5 + frame / 2),
    );
    view.pointAtPhoto("pointerup", 32, 25);
    expect(model.get("sort")).toBe("region");
    print(name, "painting", painting);
    const anew = await framesOf(4, () => model.receive({ _sheet: { ...(model.get("_sheet") as object) } }));
    print(name, "a new sheet", anew);
  });
}
