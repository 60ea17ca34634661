/** What every part of OcclusionCanvas shares, and the words they have in common. */
import type { Fills } from "../fills";
import { percent, points, significant, wholePercent } from "../format";
import type { Clean, OcclusionState } from "../occlusion_state";
import type { HeatMap } from "../protocol";
import type { Scoring } from "../scoring";
import type { Visited } from "../visited";
import type { ViewContext } from "./context";

export interface OcclusionContext extends ViewContext<OcclusionState> {
  readonly scoring: Scoring;
  readonly fills: Fills;
  readonly visited: Visited;
}

/** The map that lies on the picture. */
export function shownMap({ scoring, visited }: OcclusionContext, state: OcclusionState): HeatMap | null {
  switch (state.show) {
    case "photo":
      return null;
    case "visited":
      return visited.mapOf(state, scoring.visits);
    case "sweep":
      return state.sweep?.map ?? null;
  }
}

/** A score as it is read: a probability in per cent, anything else in its own units. */
export function scoreWords(score: number, units: string): string {
  return units === "probability" ? percent(score) : significant(score);
}

/** The change against the untouched picture: "−24.1 points", "+0.31 logit". */
export function changeWords(score: number, clean: Clean): string {
  const change = score - clean.score;
  if (clean.units === "probability") return `${points(change)} points`;
  const sign = change > 0 ? "+" : "";
  return `${sign}${significant(change)} ${clean.units}`.trimEnd();
}

/** The change as a sentence would say it: "24 points less than clean". */
export function changeSpoken(score: number, clean: Clean): string {
  const change = score - clean.score;
  const probability = clean.units === "probability";
  const amount = probability
    ? `${wholePercent(Math.abs(change)).replace(" %", "")} points`
    : `${significant(Math.abs(change))} ${clean.units}`.trimEnd();
  if (probability ? Math.abs(change) < 0.005 : change === 0) return "as clean";
  return `${amount} ${change < 0 ? "less" : "more"} than clean`;
}
