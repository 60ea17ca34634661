import { expect, test } from "vitest";
import { nextFrame, type Rendered, until } from "./harness";
import { press, renderGrid, type } from "./layers_harness";

const labelled = <T extends HTMLElement>(view: Rendered, label: string): T => {
  const found = view.all<HTMLLabelElement>("label").filter((each) => each.textContent === label);
  const control = found[0]?.control as HTMLElement | null;
  if (found.length !== 1 || !control) throw new Error(`${found.length} fields are called ${label}`);
  return control as T;
};
const sort = (view: Rendered) => labelled<HTMLSelectElement>(view, "Sort by");
const words = (view: Rendered) => view.find(".cnnw-sort-words").textContent;
const options = (view: Rendered) => [...sort(view).options].map((option) => option.textContent);

function choose(select: HTMLSelectElement, value: string): void {
  select.value = value;
  select.dispatchEvent(new Event("change"));
}

function slide(input: HTMLInputElement, value: number): void {
  input.valueAsNumber = value;
  input.dispatchEvent(new Event("input"));
}

test("orders that the browser has need no kernel; contribution is asked for", async () => {
  const view = await renderGrid("act1");
  choose(sort(view), "mean");
  expect(view.model.saved).toEqual([{ sort: "mean" }]);
  choose(sort(view), "contribution");
  expect(view.model.saved.at(-1)).toEqual({ sort: "contribution", _ask: 1 });
  await until(
    () => words(view)?.includes("what adds to Egyptian cat") ?? false,
    "the contributions are there",
  );
});

test("an order that lacks something says what, and what stands in for it", async () => {
  const view = await renderGrid("act1");
  expect(options(view)).toEqual([
    "Channel",
    "Maximum",
    "Mean",
    "Active cells",
    "Contribution",
    "Likeness (pick a channel first)",
    "Region (paint a region on the picture first)",
  ]);
  choose(sort(view), "likeness");
  await nextFrame();
  expect(words(view)).toBe("Likeness: pick a channel first. Until then by maximum.");
  view.model.receive({ channel: 7 });
  await nextFrame();
  expect(words(view)).toBe("Correlation with channel 7 over the cells");
  expect(options(view)).toContain("Likeness");
});

test("difference is offered with a second picture, or where Python has chosen it", async () => {
  const view = await renderGrid("act1");
  view.model.receive({ sort: "difference" });
  await nextFrame();
  expect([sort(view).value, options(view).at(-1)]).toEqual([
    "difference",
    "Difference (give a second picture first)",
  ]);
});

test("the class of the contribution is found by name, and asked for", async () => {
  const view = await renderGrid("act1", { sort: "contribution" });
  const field = labelled<HTMLInputElement>(view, "Contribution to");
  expect([field.checkVisibility(), field.value]).toEqual([true, "Egyptian cat"]);
  field.focus();
  type(field, "tabby, tabby");
  press(field, "Enter");
  expect(view.model.saved.at(-1)).toEqual({ target: 281, _ask: 1 });
  await until(() => words(view)?.includes("tabby, tabby cat") ?? false, "the answer is there");
  choose(sort(view), "maximum");
  await nextFrame();
  expect(field.checkVisibility()).toBe(false);
});

test("the highlight slider gives high quantiles room", async () => {
  const view = await renderGrid("act1");
  const slider = labelled<HTMLInputElement>(view, "Highlight");
  expect(slider.ariaValueText).toBe("off");
  for (const [position, quantile, text] of [
    [33, 0.898, "top 10 %"],
    [77, 0.9951, "top 0.49 %"],
    [100, 0.999, "top 0.1 %"],
    [0, 0, "off"],
  ] as const) {
    slide(slider, position);
    await nextFrame();
    expect(view.model.get("threshold")).toBeCloseTo(quantile, 3);
    expect(slider.ariaValueText).toBe(text);
  }
  await until(() => view.model.saved.at(-1)?.threshold === 0, "the kernel has the hand's last value");
  view.model.receive({ threshold: 1 });
  await nextFrame();
  expect([slider.value, slider.ariaValueText]).toEqual(["100", "top 0.1 %"]);
});

test("the size of the tiles goes in equal factors, from end to end", async () => {
  const view = await renderGrid("act1");
  const [slider] = view
    .all<HTMLInputElement>(".cnnw-tile-controls input[type=range]")
    .filter((each) => each.checkVisibility());
  expect(slider.ariaValueText).toBe("72 px");
  const sizes: unknown[] = [];
  for (const position of [0, 50, 100]) {
    slide(slider, position);
    sizes.push(view.model.get("tile_size"));
  }
  expect(sizes).toEqual([24, 78, 256]);
});

test("scale and dead channels are put to the model", async () => {
  const view = await renderGrid("act1");
  const shared = view.all("[role=radio]").find((each) => each.textContent === "Shared");
  shared?.click();
  expect(view.model.get("scale")).toBe("shared");
  await nextFrame();
  expect(shared?.ariaChecked).toBe("true");
  const dead = labelled<HTMLInputElement>(view, "Hide dead channels");
  dead.click();
  expect(view.model.get("hide_dead")).toBe(true);
});

test("looking at the filters is asked for, coming back is not", async () => {
  const view = await renderGrid("act1");
  const tab = (label: string) => view.all("[role=radio]").find((each) => each.textContent === label);
  tab("Filters")?.click();
  expect(view.model.saved).toEqual([{ tab: "filters", _ask: 1 }]);
  await until(
    () => view.find(".cnnw-filters").textContent?.includes("32 filters") ?? false,
    "the filters come",
  );
  tab("Activations")?.click();
  expect(view.model.saved.at(-1)).toEqual({ tab: "activations" });
  await nextFrame();
  expect(view.find(".cnnw-filters").checkVisibility()).toBe(false);
});
