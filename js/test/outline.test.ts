import { expect, test } from "vitest";
import { denseNetwork, liteNetwork, wireLayers } from "../demo/activation_networks";
import { factWords, layerWords } from "../src/layer_words";
import type { Layer } from "../src/layers";
import { containersOf, type Entry, matching, outlineOf, unfolded } from "../src/outline";

const layer = (name: string, more: Partial<Layer> = {}): Layer => ({
  name,
  kind: "Conv2d",
  shape: [64, 56, 56],
  parameters: 0,
  stride: [4, 4],
  field: [35, 35],
  sees_all: false,
  call: 0,
  ...more,
});

const paths = (entries: readonly Entry[]) => entries.map(({ path }) => path);

test("modules contain what they call, in order of execution, and a container may have a map of its own", () => {
  const layers = ["conv1", "layer1.0.conv1", "layer1.0.add()", "layer1.0", "head.relu#0", "head.relu#1"];
  const { roots, entries } = outlineOf(layers.map((name) => layer(name)));
  expect(paths(roots)).toEqual(["conv1", "layer1", "head"]);
  expect(paths(unfolded(roots, () => true))).toEqual([
    "conv1",
    "layer1",
    "layer1.0",
    "layer1.0.conv1",
    "layer1.0.add()",
    "head",
    "head.relu#0",
    "head.relu#1",
  ]);
  expect(entries.get("layer1.0")?.layer?.name).toBe("layer1.0");
  expect(entries.get("layer1")?.layer).toBe(null);
  const conv = entries.get("layer1.0.conv1");
  expect([conv?.label, conv?.level]).toEqual(["conv1", 3]);
  expect(paths(containersOf(conv))).toEqual(["layer1.0", "layer1"]);
});

test("no layer of a large network is lost", () => {
  for (const layers of [liteNetwork(), denseNetwork()].map(wireLayers)) {
    const rows = unfolded(outlineOf(layers).roots, () => true);
    const named = rows.flatMap((row) => row.layer?.name ?? []);
    expect([...named].sort()).toEqual(layers.map(({ name }) => name).sort());
    expect(new Set(paths(rows)).size).toBe(rows.length);
  }
});

test("every typed word must occur in name, kind or shape, and matches come with what contains them", () => {
  const outline = outlineOf([
    layer("layer1.0.conv1"),
    layer("layer1.0.relu", { kind: "ReLU" }),
    layer("layer2.0.conv1", { shape: [128, 28, 28] }),
    layer("fc", { kind: "Linear" }),
  ]);
  const found = matching(outline, "conv 128x28");
  expect(paths([...found.hits])).toEqual(["layer2.0.conv1"]);
  expect(paths(found.rows)).toEqual(["layer2", "layer2.0", "layer2.0.conv1"]);
  expect(paths([...matching(outline, "RELU").hits])).toEqual(["layer1.0.relu"]);
  expect(paths([...matching(outline, "×28").hits])).toEqual(["layer2.0.conv1"]);
  expect(matching(outline, "nothing like it").rows).toEqual([]);
});

test("a layer in words says what is known, and no more", () => {
  const known = layer("conv", { parameters: 36_928 });
  expect(factWords(known)).toBe("stride 4 · receptive field 35×35 px · 36,928 parameters");
  expect(factWords(layer("conv", { stride: [4, 2], field: null, parameters: 1 }))).toBe(
    "stride 4×2 · 1 parameter",
  );
  expect(factWords(layer("se", { field: null, sees_all: true }))).toContain(
    "each cell sees the whole picture",
  );
  expect(layerWords(layer("", { stride: null, field: null }))).toBe("(the network) · Conv2d · 64×56×56");
});
