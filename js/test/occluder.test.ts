import { expect, test } from "vitest";
import { grip, holdAt, pinned, removed, stepped } from "../src/hand";
import { another, around, covers, handleAt, moved, occluderAt, resized } from "../src/occluder";
import { EMPTY, type OcclusionState } from "../src/occlusion_state";
import type { Box } from "../src/protocol";
import { SEEN } from "./occlusion_harness";

const box: Box = [20, 10, 32, 22];
const state: OcclusionState = { ...EMPTY, seen: SEEN, boxes: [box] };

test("a moved box keeps its size and stops at the edge of what the network sees", () => {
  expect(moved(box, 5, -3, SEEN)).toEqual([25, 7, 37, 19]);
  expect(moved(box, 999, -999, SEEN)).toEqual([38, 0, 50, 12]);
  expect(around([30, 20], [100, 4], SEEN)).toEqual([10, 18, 50, 22]);
});

test("every handle pulls its own edges, down to one pixel of the input and out to what is seen", () => {
  const pulled = (handle: Parameters<typeof resized>[1]) => resized(box, handle, 3, 2, SEEN, [1, 1]);
  expect(pulled("nw")).toEqual([23, 12, 32, 22]);
  expect(pulled("n")).toEqual([20, 12, 32, 22]);
  expect(pulled("ne")).toEqual([20, 12, 35, 22]);
  expect(pulled("e")).toEqual([20, 10, 35, 22]);
  expect(pulled("se")).toEqual([20, 10, 35, 24]);
  expect(pulled("s")).toEqual([20, 10, 32, 24]);
  expect(pulled("sw")).toEqual([23, 10, 32, 24]);
  expect(pulled("w")).toEqual([23, 10, 32, 22]);
  expect(resized(box, "se", -99, -99, SEEN, [1, 2])).toEqual([20, 10, 21, 12]);
  expect(resized(box, "nw", -99, -99, SEEN, [1, 1])).toEqual([10, 0, 32, 22]);
});

test("an ellipse covers neither its corners nor less than its middle", () => {
  expect(covers(box, "rectangle", 20.5, 10.5)).toBe(true);
  expect(covers(box, "ellipse", 20.5, 10.5)).toBe(false);
  expect(covers(box, "ellipse", 26, 10.5)).toBe(true);
  expect(covers(box, "ellipse", 26, 16)).toBe(true);
});

test("a small box is taken by handles that stand off it, so that its inside can be dragged", () => {
  const small: Box = [20, 10, 22, 12];
  expect(handleAt(small, 21, 11, 3, 10)).toBe(null);
  expect(handleAt(small, 16, 6, 3, 10)).toBe("nw");
  expect(handleAt(small, 26, 11, 3, 10)).toBe("e");
});

test("the active occluder is taken before a pinned one above it, a newer pinned one before an older", () => {
  const boxes: Box[] = [box, [25, 15, 40, 30], [26, 16, 41, 31]];
  expect(occluderAt(boxes, 0, 27, 17)).toBe(0);
  expect(occluderAt(boxes, 0, 35, 25)).toBe(2);
  expect(occluderAt(boxes, 0, 25.5, 25)).toBe(1);
  expect(occluderAt(boxes, 0, 45, 35)).toBe(-1);
});

test("a finger takes a handle from further away than a mouse", () => {
  const at = [35, 25] as const;
  expect(holdAt(state, at, 5, false)).toEqual({ kind: "nothing" });
  expect(holdAt(state, at, 5, true)).toEqual({ kind: "handle", handle: "se", index: 0 });
});

test("the middle of a box moves it, however small it is and however broad the finger", () => {
  for (const scale of [5, 3, 1, 0.2]) {
    expect(holdAt(state, [26, 16], scale, true).kind).toBe("occluder");
    expect(holdAt(state, [27, 15], scale, true).kind).toBe("occluder");
  }
  expect(holdAt(state, [33, 16], 5, true)).toEqual({ kind: "handle", handle: "e", index: 0 });
  expect(holdAt(state, [31, 16], 5, true)).toEqual({ kind: "handle", handle: "e", index: 0 });
});

test("a grip on nothing brings the occluder there", () => {
  expect(grip(state, { kind: "nothing" }, [40, 30])([41, 31]).boxes).toEqual([[35, 25, 47, 37]]);
});

test("pinning adds one beside the last and holds it; the last one cannot be removed", () => {
  const two = pinned(state);
  if (!two) throw new Error("Nothing was pinned.");
  expect(two.active).toBe(1);
  expect(two.boxes[0]).toEqual(box);
  expect(two.boxes[1][0]).toBeGreaterThanOrEqual(box[2]);
  expect(removed({ ...state, ...two })).toEqual({ boxes: [box], active: 0 });
  expect(removed(state)).toBe(null);
  expect(another([], 0, SEEN).map(Math.round)).toEqual([26, 16, 34, 24]);
});

test("arrow keys step by whole pixels of the input, about a 48th of what is seen", () => {
  const fine = { ...state, grain: [0.25, 0.25] as const };
  expect(stepped(fine, [1, 0], false).boxes).toEqual([[20.75, 10, 32.75, 22]]);
  expect(stepped(fine, [0, -1], true).boxes).toEqual([[20, 10, 32, 21.25]]);
});
