import { expect, test } from "vitest";
import type { Traits } from "../demo/example";
import { demoItems } from "../demo/gallery_pictures";
import { answeredTraits, hover, LARGE, press, renderGallery, SMALL } from "./gallery_harness";
import { nextFrame, until } from "./harness";

const numberOf = (words: string) => Number(words.replace("−", "-"));

test("the strongest patches stand in order, each with its value, its class and a name for who does not see it", async () => {
  const view = await renderGallery();
  await view.painted(`${LARGE}/3/patches`);
  const values = view.values().map(numberOf);
  expect(values.length).toBe(16);
  expect(values).toEqual([...values].sort((a, b) => b - a));
  const [first] = view.tiles();
  expect(first.getAttribute("aria-label")).toMatch(/^[\d.]+ activation, \w+\/\d{4}\.jpg, \w+/);
  expect(first.querySelector(".cnnw-patch-label")?.textContent).toMatch(/dawn|meadow|night|dunes/);
  expect(view.colourOf(0)[3]).toBe(255);
});

test("patches, images, kinds, classes and sizes need no kernel and show in the next frame", async () => {
  const view = await renderGallery({ layer: SMALL }, { dead: true });
  await view.painted(`${SMALL}/3/patches`);
  const before = view.colourOf(0, 0.5, 0.3);
  view.button("Images").click();
  await nextFrame();
  expect(view.root.dataset.painted).toBe(`${SMALL}/3/images`);
  expect(view.colourOf(0, 0.5, 0.3)).not.toEqual(before);
  view.button("Compare").click();
  await nextFrame();
  expect(view.root.dataset.count).toBe("48");
  expect(view.all(".cnnw-patches-head .cnnw-heading").map((each) => each.textContent)).toEqual([
    "Strongest",
    "Random sample",
    "Most negative",
  ]);
  view.model.receive({ patch_size: 40, kind: "top" });
  await nextFrame();
  expect(view.tiles()[0].clientWidth).toBe(40);
  expect(view.asks()).toEqual([]);
});

test("how many pictures share the first value is said of each kind", async () => {
  const traits = await answeredTraits({ kind: "top" });
  const wall = traits._wall as Traits & { patches: { kind: string; rank: number; value: number }[] };
  const patches = wall.patches.map((patch) => (patch.kind === "top" ? { ...patch, value: 6 } : patch));
  const ties = {
    top: { images: 58, value: 6, place: "cap" },
    bottom: { images: 2000, value: -1, place: "extreme" },
  };
  const view = await renderGallery({ _wall: { ...wall, patches, ties } }, { dead: true });
  const counts = () =>
    view
      .all(".cnnw-patches-group:not([hidden]) .cnnw-patches-head .cnnw-quiet")
      .map((each) => each.textContent);
  expect(counts()).toEqual(["16 patches · 58 pictures at the cap, 16 shown"]);
  view.button("Compare").click();
  await nextFrame();
  expect(counts()).toEqual([
    "16 patches · 58 pictures at the cap, 16 shown",
    "16 patches",
    "16 patches · 2,000 pictures at the same value, −1.00, 0 shown",
  ]);
});

test("a class leaves its own patches, and says how many have it", async () => {
  const view = await renderGallery({ kind: "top" });
  const select = view.find<HTMLSelectElement>(".cnnw-gallery-settings select");
  const [, choice] = [...select.options].map((option) => option.textContent ?? "");
  const [, name, count] = /^(\w+) \((\d+) of 16\)$/.exec(choice) ?? [];
  select.value = name;
  select.dispatchEvent(new Event("change"));
  await nextFrame();
  expect(view.model.saved.at(-1)).toEqual({ label: name });
  expect(view.tiles().length).toBe(Number(count));
  view.model.receive({ label: "zebra" });
  await nextFrame();
  expect(view.find(".cnnw-patches-group:not([hidden]) > .cnnw-quiet").textContent).toBe(
    "None of them is of zebra.",
  );
  expect(select.selectedOptions[0].textContent).toBe("zebra (0 of 16)");
});

test("a press selects a patch, and a second one lets it go", async () => {
  const view = await renderGallery();
  view.tiles()[2].click();
  await nextFrame();
  const { selection } = view.model.saved.at(-1) as { selection: Record<string, unknown> };
  expect(selection).toMatchObject({ kind: "top", rank: 2, layer: LARGE, channel: 3 });
  expect(selection.source).toBe(demoItems()[selection.image as number].source);
  expect(
    view
      .tiles()
      .map((tile) => tile.getAttribute("aria-selected"))
      .indexOf("true"),
  ).toBe(2);
  expect(view.root.dataset.read).toBe("top/2");
  view.tiles()[2].click();
  expect(view.model.saved.at(-1)).toEqual({ selection: null });
});

test("arrow keys walk the wall, Enter selects, Escape lets go; one tile is on the way of the Tab key", async () => {
  const view = await renderGallery();
  expect(view.tiles().filter((tile) => tile.tabIndex === 0)).toEqual([view.tiles()[0]]);
  view.tiles()[0].focus();
  press(view.tiles()[0], "ArrowRight");
  await nextFrame();
  expect(document.activeElement).toBe(view.tiles()[1]);
  expect(view.root.dataset.read).toBe("top/1");
  press(view.tiles()[1], "ArrowDown");
  const below = document.activeElement as HTMLElement;
  expect(below.getBoundingClientRect().left).toBe(view.tiles()[1].getBoundingClientRect().left);
  expect(below.getBoundingClientRect().top).toBeGreaterThan(view.tiles()[1].getBoundingClientRect().top);
  press(below, "End");
  expect(document.activeElement).toBe(view.tiles()[15]);
  press(view.tiles()[15], "Enter");
  expect(view.model.get("selection")).toMatchObject({ rank: 15 });
  press(view.tiles()[15], "Escape");
  expect(view.model.get("selection")).toBe(null);
});

test("what is pointed at is read out, and its tick in the histogram stands out; and the other way round", async () => {
  const view = await renderGallery();
  hover(view.tiles()[4]);
  await nextFrame();
  expect(view.find(".cnnw-value").textContent).toBe(view.values()[4]);
  expect(view.find(".cnnw-value-units").textContent).toBe("activation · strongest, 5 of 16");
  const ticks = view.all(".cnnw-tick");
  expect(ticks.length).toBe(16);
  expect(ticks.map((tick) => tick.hasAttribute("data-pointed")).indexOf(true)).toBe(4);
  hover(ticks[0]);
  await nextFrame();
  expect(view.root.dataset.read).toBe("top/0");
  expect(view.tiles()[0].hasAttribute("data-pointed")).toBe(true);
});

test("the histogram has numbers, units, and says when its heights are logarithms", async () => {
  const view = await renderGallery();
  const [low, zero, high] = view.all(".cnnw-histogram-numbers span").map((each) => each.textContent ?? "");
  expect(numberOf(low)).toBeLessThan(numberOf(view.values()[15]));
  expect(high).toMatch(/ activation$/);
  expect(zero).toBe("0");
  expect(view.find(".cnnw-histogram .cnnw-quiet").textContent).toMatch(
    /cells drawn at random; .* on a log scale\.$/,
  );
});

test("patches beyond what the sample of the histogram has met have room on its axis", async () => {
  const view = await renderGallery();
  const wall = view.model.get("_wall") as Traits;
  view.model.receive({ _wall: { ...wall, histogram: { edges: [-1, 0, 1], counts: [5, 6] } } });
  const high = () => view.all(".cnnw-histogram-numbers span")[2].textContent;
  await until(
    () => high() === `${view.values()[0]} activation`,
    "the axis reaches as far as the strongest patch",
  );
  const places = view.all(".cnnw-tick").map((tick) => tick.style.left);
  expect(new Set(places).size).toBe(16);
});

test("a missing source is a tile with its name", async () => {
  const gone = new Set(
    demoItems()
      .map((_, number) => number)
      .filter((number) => number % 4 === 0),
  );
  const view = await renderGallery({}, { gone });
  const missing = view.tiles().filter((tile) => tile.hasAttribute("data-missing"));
  expect(missing.length).toBeGreaterThan(0);
  expect(missing[0].querySelector(".cnnw-patch-missing")?.textContent).toMatch(/^dawn\/\d{4}\.jpg$/);
  expect(missing[0].getAttribute("aria-label")).toContain("missing: no such file");
  expect(missing[0].querySelector("canvas")?.checkVisibility()).toBe(false);
});

test("a dead channel is said to be dead", async () => {
  const view = await renderGallery({ channel: 5 });
  expect(view.find(".cnnw-dead").checkVisibility()).toBe(true);
  view.model.receive({ channel: 3, _ask: 7 });
  await nextFrame();
  expect(view.find(".cnnw-dead").checkVisibility()).toBe(false);
});

test("a drawing is asked for once, and remembered", async () => {
  const view = await renderGallery();
  view.button("Guided backprop").click();
  expect(view.asks()).toEqual([1]);
  await view.painted(`${LARGE}/3/guided_backprop`);
  await until(() => view.colourOf(0, 0.75)[3] === 255, "the drawing is beside the patch");
  expect(view.find(".cnnw-notice-text").textContent).toContain("Guided backpropagation (Springenberg 2014)");
  view.button("Patches").click();
  view.button("Deconvnet").click();
  await view.painted(`${LARGE}/3/deconvnet`);
  view.button("Guided backprop").click();
  await view.painted(`${LARGE}/3/guided_backprop`);
  expect(view.asks()).toEqual([1, 2]);
});

test("a highlight darkens what is below the quantile, and follows its slider without the kernel", async () => {
  const view = await renderGallery({ layer: SMALL, mode: "highlight", opacity: 1, quantile: 0.999 });
  await view.painted(`${SMALL}/3/highlight`);
  const dark = () =>
    view.tiles().filter((_, i) =>
      view
        .colourOf(i, 0.5, 0.25)
        .slice(0, 3)
        .every((each) => each === 0),
    );
  await until(() => dark().length > 8, "most is dark");
  view.model.receive({ quantile: 0 });
  await nextFrame();
  expect(dark().length).toBe(0);
  expect(view.asks()).toEqual([]);
});

test("a wall without its pictures shows names and values, and takes no known picture away", async () => {
  const view = await renderGallery({}, { dead: true });
  await view.painted(`${LARGE}/3/patches`);
  const wall = view.model.get("_wall") as Traits;
  view.model.receive({ _wall: { ...wall, images: {}, crops: {} } });
  await nextFrame();
  expect(view.colourOf(0)[3]).toBe(255);
  view.model.receive({ channel: 4, _wall: { ...wall, channel: 4, images: {}, crops: {} } });
  await nextFrame();
  expect(view.root.dataset.painted).toBeUndefined();
  expect([view.values().length, view.colourOf(0)[3]]).toEqual([16, 0]);
});

test("channels are walked by buttons and keys, and one that was there shows in the next frame", async () => {
  const view = await renderGallery();
  const before = view.values();
  view.find("button[aria-label='Next channel']").click();
  await view.painted(`${LARGE}/4/patches`);
  expect(view.values()).not.toEqual(before);
  expect(view.model.saved.at(-1)).toMatchObject({ channel: 4, selection: null });
  const input = view.find<HTMLInputElement>("[role=spinbutton]");
  press(input, "ArrowDown");
  await nextFrame();
  expect(view.root.dataset.painted).toBe(`${LARGE}/3/patches`);
  expect(view.values()).toEqual(before);
  type9999(input);
  expect(view.model.get("channel")).toBe(1279);
});

function type9999(input: HTMLInputElement): void {
  input.value = "9999";
  input.dispatchEvent(new Event("input", { bubbles: true }));
  press(input, "Enter");
}

test("another layer is asked for without a channel: the kernel knows which one", async () => {
  const view = await renderGallery();
  view.all("[role=treeitem]")[1].click();
  expect(view.model.saved.at(-1)).toMatchObject({ layer: SMALL, channel: null, selection: null });
  await view.painted(`${SMALL}/7/patches`);
});

test("a wall counts as painted when all of its pictures have come", async () => {
  const view = await renderGallery({}, { dead: true });
  await view.painted(`${LARGE}/3/patches`);
  const whole = view.model.get("_wall") as Traits & { pictures: readonly unknown[] };
  const { places, ...sheet } = whole.images as Traits & { places: readonly unknown[] };
  const other = { ...whole, channel: 4 };
  view.model.receive({ channel: 4, _wall: { ...other, images: {}, crops: {} } });
  await nextFrame();
  expect(view.tiles().length).toBe(16);
  expect(view.root.dataset.painted).toBeUndefined();
  const some = { ...sheet, places: places.map((place, i) => (i < 3 ? place : null)) };
  view.model.receive({ _wall: { ...other, images: some } });
  await nextFrame();
  expect(view.root.dataset.painted).toBeUndefined();
  view.model.receive({ _wall: other });
  await view.painted(`${LARGE}/4/patches`);
});

test("an overlap that is next to nothing is no 0 %", async () => {
  const alike = [{ layer: LARGE, channel: 9, score: 0.002 }];
  const traits = await answeredTraits();
  const view = await renderGallery({ _wall: { ...(traits._wall as Traits), alike } }, { dead: true });
  expect(view.all(".cnnw-chip")[0].textContent).toBe("9< 1 %");
});

test("channels with alike patches are one press away", async () => {
  const view = await renderGallery();
  const [chip] = view.all(".cnnw-chip");
  expect(chip.getAttribute("aria-label")).toBe(`Channel 7 of ${LARGE}: the patches overlap by 62 %`);
  chip.click();
  await view.painted(`${LARGE}/7/patches`);
});
