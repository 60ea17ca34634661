import { expect, test } from "vitest";
import { MockModel } from "../demo/mock_model";
import { float16View } from "../demo/wire";
import { READERS } from "../src/activation_readers";
import {
  type ActivationSession,
  chooseLayer,
  EMPTY,
  filtersOf,
  pin,
  type Sort,
  sheetOf,
} from "../src/activation_state";
import { openSession } from "../src/session";
import { missingFor } from "../src/sorts";
import { gridTraits } from "./layers_harness";

async function open(change: Record<string, unknown> = {}) {
  const model = new MockModel({ ...(await gridTraits("act1")), ...change });
  const session: ActivationSession = openSession(model, READERS, EMPTY, new AbortController().signal);
  return { model, session };
}

test("a sheet is read with its grids, a value for every picture, channel, row and column", async () => {
  const values = [1, -2, 3, -4, 5, -6];
  const line = (from: number, count: number) => [Array.from({ length: count }, (_, i) => from + i)];
  const { session } = await open({
    layer: "a",
    _sheet: {
      layer: "a",
      data: float16View(values.map((value) => value / 6)),
      scale: 6,
      shape: [1, 3, 1, 2],
      merged: 2,
      cell_rows: [0],
      cell_columns: [0, 2],
      units: "activation",
      xs: line(3, 2),
      ys: line(5, 1),
      lefts: line(0, 2),
      rights: line(6, 2),
      tops: line(1, 1),
      bottoms: line(9, 1),
      x_edges: line(2, 3),
      y_edges: line(4, 2),
      sees_all: false,
      measured: true,
      filters: "conv",
    },
  });
  expect(session.fault).toBe("");
  const sheet = sheetOf(session.state);
  [...(sheet?.values ?? [])].forEach((value, i) => {
    expect(value).toBeCloseTo(values[i], 2);
  });
  expect([sheet?.pictures, sheet?.channels, sheet?.rows, sheet?.columns]).toEqual([1, 3, 1, 2]);
  expect([...(sheet?.grids[0].x_edges ?? [])]).toEqual([2, 3, 4]);
  expect([sheet?.merged, sheet?.measured, sheet?.filters]).toEqual([2, true, "conv"]);
});

test("what breaks the contract is named, and the last valid state stays", async () => {
  const { model, session } = await open();
  const before = session.state.sheet;
  const sheet = model.get("_sheet") as Record<string, unknown>;
  model.receive({ _sheet: { ...sheet, shape: [1, 32, 112, 111] } });
  expect(session.fault).toContain("_sheet.");
  expect(session.state.sheet).toBe(before);
  model.receive({ _sheet: { ...sheet, y_edges: [[1, 2, 3]] } });
  expect(session.fault).toContain("_sheet.y_edges");
  model.receive({ _sheet: { ...sheet } });
  expect(session.fault).toBe("");
});

test("the trait threshold is a quantile, and leaves the share that displays cut off at nothing", async () => {
  const { model, session } = await open({ threshold: 0.99 });
  expect([session.state.quantile, session.state.threshold]).toEqual([0.99, 0]);
  session.show({ quantile: 0.9 });
  expect(model.get("threshold")).toBe(0.9);
});

test("the sheet and filters of another layer are not those of the chosen one", async () => {
  const { model, session } = await open({ ...(await gridTraits("act1", { tab: "filters" })) });
  expect([sheetOf(session.state)?.layer, filtersOf(session.state)?.layer]).toEqual(["act1", "act1"]);
  model.receive({ layer: "bn1" });
  expect([sheetOf(session.state), filtersOf(session.state)]).toEqual([null, null]);
});

test("another layer unpins what belongs to the old one; the same layer asks for nothing", async () => {
  const { model, session } = await open({ channel: 3, cell: [1, 2], _ask: 6 });
  chooseLayer(session, "act1");
  expect(model.saved).toEqual([]);
  chooseLayer(session, "bn1");
  expect(model.saved).toEqual([{ layer: "bn1", channel: null, cell: null, _ask: 7 }]);
});

test("pinning asks the kernel only while the weights of the channel are looked at", async () => {
  const { model, session } = await open();
  pin(session, 5, [2, 3]);
  expect(model.saved).toEqual([{ channel: 5, cell: [2, 3] }]);
  session.put({ tab: "filters" });
  pin(session, 6);
  expect(model.saved.at(-1)).toEqual({ channel: 6, cell: null, _ask: 1 });
  pin(session, null);
  expect(model.saved.at(-1)).toEqual({ channel: null, cell: null });
});

test("what an order lacks is named until it is there", async () => {
  const { model, session } = await open();
  const lacks = (sort: Sort) => missingFor(session.state, sort);
  expect([lacks("maximum"), lacks("channel")]).toEqual(["", ""]);
  expect(lacks("likeness")).toBe("pick a channel first");
  model.receive({ channel: 0 });
  expect(lacks("likeness")).toBe("");
  expect(lacks("region")).toContain("paint");
  model.receive({ region: [{ width: 4, points: [[1, 2]] }] });
  expect(lacks("region")).toBe("");
  expect(lacks("difference")).toContain("second picture");
});

test("the contribution of another class or layer is not that of the chosen ones", async () => {
  const { model, session } = await open(await gridTraits("act1", { sort: "contribution" }));
  const lacks = () => missingFor(session.state, "contribution");
  expect(lacks()).toBe("");
  model.receive({ target: 17 });
  expect(lacks()).toBe("waiting for the gradient");
  model.receive({ target: 285, layer: "bn1" });
  expect(lacks()).toBe("waiting for the gradient");
});
