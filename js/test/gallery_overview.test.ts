import { expect, test } from "vitest";
import type { Traits } from "../demo/example";
import { answeredTraits, hover, LARGE, press, renderGallery, SMALL, type } from "./gallery_harness";
import { nextFrame, until } from "./harness";

interface Question {
  readonly kind: string;
  readonly id: number;
  readonly layer: string;
  readonly channels: readonly number[];
}

type View = Awaited<ReturnType<typeof renderGallery>>;

const questions = (view: View) =>
  view.model.sent.filter((each) => (each as Question).kind === "rows") as Question[];
const overviewOf = (change: Traits = {}, dead = false) =>
  renderGallery({ view: "overview", ...change }, { dead });
const filled = (view: View) => {
  const [there, all] = (view.root.dataset.rows ?? "0/1").split("/").map(Number);
  return all > 0 && there === all;
};
const channels = (view: View) =>
  view
    .all(".cnnw-row")
    .sort((a, b) => Number(a.getAttribute("aria-posinset")) - Number(b.getAttribute("aria-posinset")))
    .map((row) => Number(row.dataset.channel));
const note = (view: View) => view.find(".cnnw-overview > .cnnw-quiet").textContent;
const scroller = (view: View) => view.find(".cnnw-rows");

test("only the rows in view exist, and each is asked for once, a few at a time", async () => {
  const view = await overviewOf();
  await until(() => filled(view), "the rows in view are there");
  expect(view.all(".cnnw-row").length).toBeLessThan(12);
  expect(note(view)).toBe("1,280 channels");
  const asked = questions(view).flatMap((question) => question.channels);
  expect(new Set(asked).size).toBe(asked.length);
  expect(asked.every((channel) => channel < 20)).toBe(true);
  expect(questions(view).every((question) => question.channels.length <= 8)).toBe(true);
});

test("at most one question is in flight, and scrolling fast asks for the place where it ends", async () => {
  const view = await overviewOf({}, true);
  for (let top = 0; top <= 40_000; top += 1_000) {
    scroller(view).scrollTop = top;
    await nextFrame();
  }
  expect(questions(view).length).toBe(1);
  const [first] = questions(view);
  view.model.say({ kind: "rows", id: first.id, layer: LARGE, rows: [], sheet: {} });
  expect(questions(view).length).toBe(2);
  expect(Math.min(...questions(view)[1].channels)).toBeGreaterThan(500);
});

test("rows that were there need no kernel", async () => {
  const view = await overviewOf();
  await until(() => filled(view), "the first rows are there");
  scroller(view).scrollTop = 20_000;
  await until(() => filled(view) && channels(view)[0] > 100, "the rows further down are there");
  const before = questions(view).length;
  scroller(view).scrollTop = 0;
  await until(() => channels(view)[0] === 0, "it is scrolled back");
  expect(filled(view)).toBe(true);
  expect(questions(view).length).toBe(before);
  view.model.receive({ _generation: 1 });
  await until(() => questions(view).length > before, "another index is asked anew");
});

test("a number finds its channel, a class those that have it among their patches", async () => {
  const view = await overviewOf();
  const input = view.find<HTMLInputElement>(".cnnw-overview [role=searchbox]");
  type(input, "12");
  await nextFrame();
  expect(channels(view)[0]).toBe(12);
  expect(note(view)).toBe("91 of 1,280 channels");
  type(input, "night");
  await nextFrame();
  expect(note(view)).toMatch(/^[\d,]+ of 1,280 channels with a top patch of night$/);
  expect(view.all(".cnnw-row-classes")[0].textContent).toMatch(/^\d+ of 16 patches$/);
  type(input, "d");
  await nextFrame();
  expect(note(view)).toMatch(/^1,\d{3} of 1,280 channels with a top patch of \d classes$/);
  type(input, "zebra");
  await nextFrame();
  expect(note(view)).toBe("No class has “zebra” in its name.");
  expect(channels(view)).toEqual([]);
  expect(view.asks()).toEqual([]);
});

test("the strongest come first without the kernel; likeness and classes are asked for", async () => {
  const view = await overviewOf();
  const order = view.find<HTMLSelectElement>(".cnnw-overview select");
  const choose = (value: string) => {
    order.value = value;
    order.dispatchEvent(new Event("change"));
  };
  choose("maximum");
  await nextFrame();
  expect(channels(view)[0]).toBeGreaterThan(1_000);
  expect(view.asks()).toEqual([]);
  choose("likeness");
  expect(view.model.saved.at(-1)).toEqual({ order: "likeness", alike: 3, _ask: 1 });
  await until(() => (note(view) ?? "").includes("most like channel 3 first"), "the order is there");
  expect(channels(view)[0]).toBe(3);
  choose("class");
  await nextFrame();
  expect(note(view)).toContain("Choose a class to rank for.");
  const target = view.find<HTMLInputElement>(".cnnw-overview [role=combobox]");
  target.focus();
  type(target, "dunes");
  press(target, "Enter");
  await until(() => (note(view) ?? "").includes("most characteristic of dunes first"), "the order is there");
});

test("of the strongest those at the cap of a ReLU6 stand in the order of the values before it", async () => {
  const traits = await answeredTraits({ layer: SMALL, view: "overview", order: "maximum" });
  const values = [6, 6, 2, 6, 0, 6, 1, 3];
  const before = [7, 30, 2, 9, -1, 6, 1, 3];
  const raw = (numbers: readonly number[]) => new DataView(Float32Array.from(numbers).buffer);
  const overview = {
    ...(traits._overview as Traits),
    maximum: raw(values),
    dead: new DataView(new ArrayBuffer(8)),
  };
  const ordered = async (more: Traits) => {
    const _overview = { ...overview, ...more };
    const view = await renderGallery(
      { layer: SMALL, view: "overview", order: "maximum", _overview },
      { dead: true },
    );
    return channels(view);
  };
  expect((await ordered({ preactivation: raw(before) })).slice(0, 5)).toEqual([1, 3, 0, 5, 7]);
  expect((await ordered({})).slice(0, 5)).toEqual([0, 1, 3, 5, 7]);
});

test("keys walk the rows, Enter shows the patches of one", async () => {
  const view = await overviewOf();
  await until(() => filled(view), "the rows are there");
  const list = scroller(view);
  list.focus();
  press(list, "ArrowDown");
  press(list, "End");
  press(list, "Home");
  press(list, "ArrowDown");
  await nextFrame();
  await nextFrame();
  const active = list.getAttribute("aria-activedescendant") ?? "";
  expect(document.getElementById(active)?.dataset.channel).toBe("1");
  press(list, "Enter");
  expect(view.model.saved.at(-1)).toMatchObject({ view: "wall", channel: 1 });
  await view.painted(`${LARGE}/1/patches`);
});

test("dead channels are said, and not asked for", async () => {
  const view = await overviewOf();
  await until(() => filled(view), "the rows are there");
  const row = view.find(".cnnw-row[data-channel='5']");
  expect(row.getAttribute("aria-label")).toBe("channel 5, dead");
  expect(questions(view).some((question) => question.channels.includes(5))).toBe(false);
});

test("a patch of a row tells its value, name and class", async () => {
  const view = await overviewOf();
  await until(() => filled(view), "the rows are there");
  const row = view.find(".cnnw-row[data-channel='3']");
  hover(row.querySelector("canvas") as HTMLCanvasElement, 0.01);
  expect(row.title).toMatch(/^[\d.]+\n\w+\/\d{4}\.jpg\n\w+$/);
});

test("rows that cannot be had are said in words, not asked for again, and tried again at will", async () => {
  const view = await overviewOf({}, true);
  await until(() => questions(view).length === 1, "rows are asked for");
  const [first] = questions(view);
  view.model.say({
    kind: "rows",
    id: first.id,
    error: { message: "The folder is gone.", remedy: "Bring it back." },
  });
  await nextFrame();
  expect(view.find(".cnnw-trouble").textContent).toBe("The folder is gone. Bring it back.");
  const asked = questions(view)
    .slice(1)
    .flatMap((question) => question.channels);
  expect(asked.filter((channel) => first.channels.includes(channel))).toEqual([]);
  const second = questions(view).at(-1);
  view.model.say({ kind: "rows", id: second?.id, layer: LARGE, rows: "no list", sheet: {} });
  await nextFrame();
  expect(view.find(".cnnw-trouble").textContent).toBe('rows.rows is "no list", not a list.');
  view.button("Try again").click();
  await until(() => questions(view).length === 3, "they are asked for again");
  expect(questions(view)[2].channels).toEqual(first.channels);
});
