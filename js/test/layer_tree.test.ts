import { expect, test } from "vitest";
import { denseNetwork } from "../demo/activation_networks";
import { nextFrame, type Rendered, until } from "./harness";
import { press, renderGrid, type } from "./layers_harness";

const rows = (view: Rendered) => view.all("[role=treeitem]");
const names = (view: Rendered) =>
  rows(view).map((row) => row.querySelector(".cnnw-tree-name")?.textContent ?? "");
const row = (view: Rendered, name: string) => {
  const found = rows(view).find((each) => each.querySelector(".cnnw-tree-name")?.textContent === name);
  if (!found) throw new Error(`no row ${name}`);
  return found;
};
const search = (view: Rendered) => view.find<HTMLInputElement>("[role=searchbox]");
const focused = () => document.activeElement?.querySelector(".cnnw-tree-name")?.textContent;

test("containers are folded but for the way to the layer on show", async () => {
  const view = await renderGrid("blocks.1.0.conv_dw");
  expect(names(view).slice(0, 8)).toEqual(["conv_stem", "bn1", "act1", "blocks", "0", "1", "0", "conv_pw"]);
  const current = rows(view).filter((each) => each.ariaSelected === "true");
  expect(current.map((each) => each.title)).toEqual([
    "blocks.1.0.conv_dw · Conv2d · 96×56×56 · stride 4 · receptive field 15×15 px · 864 parameters",
  ]);
  expect([row(view, "blocks").ariaExpanded, row(view, "blocks").ariaLevel]).toEqual(["true", "1"]);
  expect(row(view, "conv_stem").hasAttribute("aria-expanded")).toBe(false);
  expect(rows(view).filter((each) => each.tabIndex === 0)).toEqual(current);
});

test("a press goes to the layer; the arrow beside it only opens the container", async () => {
  const view = await renderGrid("act1");
  row(view, "blocks").querySelector<HTMLElement>(".cnnw-twisty")?.click();
  expect(names(view)).toContain("6");
  expect(view.model.saved).toEqual([]);
  row(view, "6").click();
  expect(view.model.saved).toEqual([{ layer: "blocks.6", channel: null, cell: null, _ask: 1 }]);
  await until(() => row(view, "6").ariaSelected === "true", "the row is marked");
  expect(row(view, "act1").ariaSelected).toBe("false");
});

test("arrow keys walk, open and close, and Enter goes to the layer", async () => {
  const view = await renderGrid("act1");
  row(view, "act1").focus();
  press(row(view, "act1"), "ArrowDown");
  expect(focused()).toBe("blocks");
  press(row(view, "blocks"), "ArrowRight");
  expect([row(view, "blocks").ariaExpanded, focused()]).toEqual(["true", "blocks"]);
  press(row(view, "blocks"), "ArrowRight");
  expect(focused()).toBe("0");
  press(row(view, "0"), "ArrowLeft");
  expect(focused()).toBe("blocks");
  press(row(view, "blocks"), "ArrowLeft");
  expect(row(view, "blocks").ariaExpanded).toBe("false");
  press(row(view, "blocks"), "End");
  expect(focused()).toBe("act2");
  press(row(view, "act2"), "Home");
  expect(focused()).toBe("conv_stem");
  expect(view.model.saved).toEqual([]);
  press(row(view, "conv_stem"), "Enter");
  expect(view.model.get("layer")).toBe("conv_stem");
  await nextFrame();
  expect(focused()).toBe("conv_stem");
});

test("typing shows what matches with what contains it, Enter goes to the first match, Escape shows all again", async () => {
  const view = await renderGrid("act1");
  const before = names(view);
  type(search(view), "conv_dw 480");
  expect(names(view)).toEqual(["blocks", "3", "1", "conv_dw", "2", "conv_dw", "4", "0", "conv_dw"]);
  const hits = rows(view).filter((each) => each.hasAttribute("data-hit"));
  expect(hits.length).toBe(3);
  expect(view.find(".cnnw-search-head .cnnw-quiet").textContent).toBe("3 of 164 layers");
  press(search(view), "Enter");
  expect(view.model.get("layer")).toBe("blocks.3.1.conv_dw");
  await nextFrame();
  press(search(view), "Escape");
  expect(search(view).value).toBe("");
  expect(names(view).length).toBeGreaterThan(before.length);
  expect(row(view, "conv_dw").ariaSelected).toBe("true");
});

test("a search that finds nothing says so", async () => {
  const view = await renderGrid("act1");
  type(search(view), "transformer");
  expect(rows(view)).toEqual([]);
  expect(view.find(".cnnw-search-head .cnnw-quiet").textContent).toBe("0 of 164 layers");
  press(search(view), "ArrowDown");
  press(search(view), "Enter");
  expect(view.model.saved).toEqual([]);
});

test("a letter typed in the tree goes to the search", async () => {
  const view = await renderGrid("act1");
  row(view, "act1").focus();
  press(row(view, "act1"), "c");
  expect(document.activeElement).toBe(search(view));
});

test("a layer that Python chooses is shown in its place, also where a hand has closed it", async () => {
  const view = await renderGrid("blocks.1.0.conv_dw");
  row(view, "blocks").querySelector<HTMLElement>(".cnnw-twisty")?.click();
  expect(names(view)).not.toContain("conv_dw");
  view.model.receive({ layer: "blocks.5.2.add()" });
  await until(() => names(view).includes("add()"), "the way is open");
  const tree = view.find(".cnnw-tree").getBoundingClientRect();
  const shown = row(view, "add()").getBoundingClientRect();
  expect([shown.top >= tree.top, shown.bottom <= tree.bottom]).toEqual([true, true]);
});

test("eight hundred layers are one tab stop and a few rows", async () => {
  const view = await renderGrid("features.denseblock3.denselayer24.conv1", {}, { layers: denseNetwork() });
  expect(rows(view).length).toBeLessThan(90);
  expect(rows(view).filter((each) => each.tabIndex === 0).length).toBe(1);
});
