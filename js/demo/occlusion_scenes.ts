/** Every state of OcclusionCanvas, by name: what differs from the plain example, and which kernel answers. */
import type { Box } from "../src/protocol";
import type { Traits } from "./example";
import type { MockModel } from "./mock_model";
import { cleanOf, historyOf, occlusionTraits, scoreMessage, sweepOf } from "./occlusion_example";
import { cancelledWords, type KernelOptions, playOcclusion } from "./occlusion_kernel";
import { landscape } from "./pictures";
import type { Scene } from "./scenes";

const play =
  (options: KernelOptions = {}) =>
  (model: MockModel, signal: AbortSignal) =>
    playOcclusion(model, signal, options);

const base = occlusionTraits;

/** A walk of the hand over the picture, as it lies in the history. */
function walked(traits: Traits): Traits {
  const [left, top, right, bottom] = traits._seen as Box;
  const [width, height] = [right - left, bottom - top];
  const visits = Array.from({ length: 160 }, (_, i) => {
    const [x, y] = [0.42 + 0.36 * Math.sin(i / 23), 0.42 + 0.24 * Math.sin(i / 11)];
    const [cx, cy] = [left + x * width, top + y * height];
    const box: Box = [cx - 0.09 * width, cy - 0.09 * height, cx + 0.09 * width, cy + 0.09 * height];
    return { box, score: scoreMessage(traits, 0, [box], 0).score as number };
  });
  const last = visits[visits.length - 1].box;
  return {
    ...traits,
    boxes: [last],
    _history: historyOf(visits),
    _answer: scoreMessage(traits, 0, [last], 0),
  };
}

const answered = (traits: Traits): Traits => ({
  ...traits,
  _answer: scoreMessage(traits, 0, traits.boxes as Box[], traits.active as number),
});

/** Over the tree, so that another class wins. */
const overTree = (traits: Traits): Traits => {
  const [left, top, right, bottom] = traits._seen as Box;
  const at = (x: number, y: number) => [left + x * (right - left), top + y * (bottom - top)];
  return answered({ ...traits, boxes: [[...at(0.06, 0.24), ...at(0.4, 0.62)]] });
};

function longNames(traits: Traits): Traits {
  const names = (traits._class_names as string[]).map(
    (name) => `${name}, with a name that goes on and on past any column`,
  );
  const named = { ...traits, _class_names: names };
  return overTree({ ...named, _clean: cleanOf(named) });
}

/** A sweep over 55 by 55 places, 180 of them done: in the last row of the coarse ones but one. */
const sweeping = (traits: Traits, status: Traits): Traits => ({
  ...answered(traits),
  show: "sweep",
  window: 8,
  stride: 4,
  _sweep: sweepOf({ ...traits, window: 8, stride: 4 }, 55, 180),
  _status: { ...(traits._status as object), done: 180, total: 3025, ...status },
});

export const OCCLUSION_SCENES: Readonly<Record<string, Scene>> = {
  occlusion: { base, play: play() },
  occlusion_another: { base, change: overTree, play: play() },
  occlusion_ellipse: {
    base,
    change: (traits) => overTree({ ...traits, shape: "ellipse", fill: "blur" }),
    play: play(),
  },
  occlusion_pinned: {
    base,
    change: (traits) => {
      const { boxes } = overTree(traits) as { boxes: Box[] };
      return answered({ ...traits, boxes: [...boxes, ...(traits.boxes as Box[])], active: 1, fill: "noise" });
    },
    play: play(),
  },
  occlusion_keep: { base, change: (traits) => overTree({ ...traits, keep: true }), play: play() },
  occlusion_visited: { base, change: (traits) => ({ ...walked(traits), show: "visited" }), play: play() },
  occlusion_swept: {
    base,
    change: (traits) => ({ ...answered(traits), show: "sweep", _sweep: sweepOf(traits, 13) }),
    play: play(),
  },
  occlusion_sweeping: {
    base,
    change: (traits) => sweeping(traits, { state: "busy", message: "places", seconds_left: 42 }),
  },
  occlusion_cancelled: {
    base,
    change: (traits) => sweeping(traits, { state: "cancelled", message: cancelledWords(180, 3025) }),
    play: play(),
  },
  occlusion_logit: {
    base,
    change: (traits) => {
      const measured = { ...traits, measure: "output" };
      return overTree({ ...measured, _clean: cleanOf(measured) });
    },
    play: play(),
  },
  occlusion_zoomed: {
    base,
    change: (traits) => ({ ...answered(traits), zoom: 3, pan: [260, 170] }),
    play: play(),
  },
  occlusion_slow: { base, play: play({ delay: 1_000 }) },
  occlusion_failing: { base, play: play({ failing: ([left]) => left > 300 }) },
  occlusion_dead: {
    base,
    change: (traits) => ({ ...walked(traits), show: "visited" }),
    play: play({ dead: true }),
  },
  occlusion_error: {
    base,
    change: (traits) => ({
      ...answered(traits),
      _status: {
        ...(traits._status as object),
        state: "error",
        message: "The sweep ran out of memory: 196 places of 3×224×224 need 1.9 GB.",
        remedy: "Choose a larger stride.",
      },
    }),
  },
  occlusion_long_names: { base, change: longNames, play: play() },
  occlusion_portrait: { base, picture: () => landscape(360, 640), change: overTree, play: play() },
  occlusion_empty: {
    base,
    change: (traits) => ({
      ...traits,
      _photo: {},
      _seen: [],
      _grain: [],
      _clean: {},
      _fills: {},
      _class_names: [],
      boxes: [],
    }),
  },
};
