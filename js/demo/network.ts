/** A made-up network: three things in the picture speak for and against five classes, as far as they are seen. */
import { covers } from "../src/occluder";
import type { Shape } from "../src/occlusion_state";
import type { Box } from "../src/protocol";

export interface Hidden {
  readonly boxes: readonly Box[];
  readonly shape: Shape;
  readonly keep: boolean;
}

interface Thing {
  /** Centre and radius as shares of the seen region. */
  readonly at: readonly [x: number, y: number];
  readonly radius: number;
}

const TREE: Thing = { at: [0.22, 0.42], radius: 0.16 };
const SUN: Thing = { at: [0.83, 0.38], radius: 0.1 };
const HILL: Thing = { at: [0.55, 0.8], radius: 0.2 };

const CLASSES = [285, 281, 287, 904, 750];
const POINTS = 9;

/** How much of a thing is seen, 0..1: points near its centre count more. */
function visible({ at: [x, y], radius }: Thing, seen: Box, { boxes, shape, keep }: Hidden): number {
  const [width, height] = [seen[2] - seen[0], seen[3] - seen[1]];
  let shown = 0;
  let total = 0;
  for (let i = 0; i < POINTS * POINTS; i++) {
    const dx = (2 * ((i % POINTS) + 0.5)) / POINTS - 1;
    const dy = (2 * (Math.floor(i / POINTS) + 0.5)) / POINTS - 1;
    const weight = Math.exp(-2 * (dx * dx + dy * dy));
    const [px, py] = [seen[0] + (x + dx * radius) * width, seen[1] + (y + dy * radius) * height];
    total += weight;
    if (boxes.some((box) => covers(box, shape, px, py)) === keep) shown += weight;
  }
  return shown / total;
}

export interface Output {
  readonly index: number;
  readonly probability: number;
  readonly logit: number;
}

/** The classes, the most probable first. */
export function run(seen: Box, hidden: Hidden): Output[] {
  const [tree, sun, hill] = [TREE, SUN, HILL].map((thing) => visible(thing, seen, hidden));
  const logits = [
    1 + 4.4 * tree - 1.3 * sun,
    2.1 + 1.2 * tree,
    1.6 + 0.9 * sun,
    -0.4 + 1.9 * hill,
    -3.6 + 0.3 * hill,
  ];
  const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
  const outputs = CLASSES.map((index, i) => ({
    index,
    logit: logits[i],
    probability: Math.exp(logits[i]) / sum,
  }));
  return outputs.sort((a, b) => b.probability - a.probability);
}
