/** The order of the tiles, computed from the sheet: the same rules as `explain`'s `rank`, without the kernel. */

import type { ActivationState, Sheet, Sort } from "./activation_state";
import { sameValues } from "./same";
import { cellsOf, planeOf, statisticsOf } from "./sheet";
import { createPainted, type Painted } from "./territory";

export interface Ranking {
  /** Channels, the first tile's first; dead ones are left out where the state hides them. */
  readonly order: Int32Array;
  /** By channel; null where the order is that of the channels. */
  readonly scores: Float32Array | null;
  /** What the order follows: not what was asked for, where that cannot be had. */
  readonly by: Sort;
  readonly units: string;
  /** By "maximum", by channel: the value before a function that clips, which orders equal maxima; else null. */
  readonly preactivation: Float32Array | null;
  /** What that function gives at most; infinite without. */
  readonly cap: number;
}

export type RankingState = Pick<
  ActivationState,
  "sort" | "channel" | "contributions" | "target" | "hide_dead" | "region"
>;

/** Only the first picture is ranked, except by what differs. */
const FIRST = 0;

/** Pearson's correlation of every map of the first picture with weights on the cells; 0 for a constant one. */
function correlations(sheet: Sheet, weights: Float32Array): Float32Array {
  const cells = cellsOf(sheet);
  const { mean, spread } = statisticsOf(sheet);
  let sum = 0;
  let squares = 0;
  const some: number[] = [];
  weights.forEach((weight, i) => {
    sum += weight;
    squares += weight * weight;
    if (weight !== 0) some.push(i);
  });
  const weightSpread = Math.max(0, squares - (sum * sum) / cells);
  const scores = new Float32Array(sheet.channels);
  if (!(weightSpread > 1e-12 * squares)) return scores;
  // A region covers few cells: only they are read.
  const places = Int32Array.from(some);
  const filled = Float32Array.from(some, (i) => weights[i]);
  const { values } = sheet;
  for (let channel = 0; channel < sheet.channels; channel++) {
    if (!(spread[channel] > 0)) continue;
    const start = channel * cells;
    const centre = mean[channel];
    let common = 0;
    for (let k = 0; k < places.length; k++) common += (values[start + places[k]] - centre) * filled[k];
    scores[channel] = Math.max(-1, Math.min(1, common / Math.sqrt(spread[channel] * weightSpread)));
  }
  return scores;
}

function differences({ channels }: Sheet, mean: Float64Array): Float32Array {
  return Float32Array.from({ length: channels }, (_, channel) =>
    Math.abs(mean[channel] - mean[channels + channel]),
  );
}

type Scored = Pick<Ranking, "scores" | "by" | "units">;

/** What decides between channels with equal scores, the former first: larger ones come first. */
function tiesOf(sheet: Sheet, by: Sort): readonly (Float32Array | Float64Array)[] {
  const { mean } = statisticsOf(sheet);
  if (by === "maximum") return sheet.preactivation ? [sheet.preactivation, mean] : [mean];
  return by === "active" ? [mean] : [];
}

/** What is not a number comes last. */
const asKey = (value: number) => (Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value);

function score(sheet: Sheet, state: RankingState, shares: Float32Array | null): Scored {
  const { maximum, mean, active } = statisticsOf(sheet);
  const { channels, units } = sheet;
  const maxima: Scored = { scores: maximum.subarray(0, channels), by: "maximum", units };
  const as = (scores: Float32Array | null, its: string): Scored => ({ scores, by: state.sort, units: its });
  switch (state.sort) {
    case "channel":
      return as(null, "");
    case "maximum":
      return maxima;
    case "mean":
      return as(Float32Array.from(mean.subarray(0, channels)), units);
    case "active":
      return as(active.subarray(0, channels), "share");
    case "contribution": {
      const { contributions, target } = state;
      const known = contributions?.layer === sheet.layer && contributions.target === target;
      if (!known) return maxima;
      return as(contributions.values.subarray(0, channels), contributions.units);
    }
    case "likeness": {
      const { channel } = state;
      if (channel === null || channel >= channels) return maxima;
      return as(correlations(sheet, planeOf(sheet, FIRST, channel)), "correlation");
    }
    case "region":
      if (!shares) return maxima;
      return as(correlations(sheet, shares), "correlation");
    case "difference":
      if (sheet.pictures < 2) return maxima;
      return as(differences(sheet, mean), units);
  }
}

/** `shares` is how much of each cell's territory is painted; null while nothing is. */
export function rank(sheet: Sheet, state: RankingState, shares: Float32Array | null): Ranking {
  const scored = score(sheet, state, shares);
  const { dead } = statisticsOf(sheet);
  const { scores } = scored;
  const channels = Array.from({ length: sheet.channels }, (_, channel) => channel);
  const shown = state.hide_dead ? channels.filter((channel) => !dead[channel]) : channels;
  if (scores) {
    const keys = [scores, ...tiesOf(sheet, scored.by)].map((each) => Array.from(each, asKey));
    // What is equal in all keeps the order of the channels: sorting is stable.
    shown.sort((a, b) => {
      const key = keys.find((each) => each[a] !== each[b]);
      return key ? key[b] - key[a] || 0 : 0;
    });
  }
  const preactivation = scored.by === "maximum" ? sheet.preactivation : null;
  return {
    ...scored,
    order: Int32Array.from(shown),
    preactivation,
    cap: sheet.cap ?? Number.POSITIVE_INFINITY,
  };
}

/** Ranks anew only when something changes that the order depends on: pointing at tiles does not. */
export function createRanker(): (sheet: Sheet, state: RankingState) => Ranking {
  const painted = new WeakMap<Sheet, Painted>();
  let needs: readonly unknown[] = [];
  let ranking: Ranking | null = null;

  const sharesOf = (sheet: Sheet, { region }: RankingState) => {
    const known = painted.get(sheet) ?? createPainted(sheet);
    painted.set(sheet, known);
    return known.sharesOf(region);
  };

  return (sheet, state) => {
    const { sort, hide_dead, channel, contributions, target } = state;
    const shares = sort === "region" ? sharesOf(sheet, state) : null;
    const own =
      sort === "likeness" ? [channel] : sort === "contribution" ? [contributions, target] : [shares];
    const now = [sheet, sort, hide_dead, ...own];
    if (!ranking || !sameValues(now, needs)) {
      ranking = rank(sheet, state, shares);
      needs = now;
    }
    return ranking;
  };
}
