/** The orders that channels can stand in, and why one cannot be had at the moment. */
import type { ActivationState, Sort } from "./activation_state";

export interface SortWords {
  readonly value: Sort;
  readonly label: string;
  /** What is compared, in words. */
  readonly title: string;
}

export const SORTS: readonly SortWords[] = [
  { value: "channel", label: "Channel", title: "In the order of the layer's channels" },
  {
    value: "maximum",
    label: "Maximum",
    title: "Largest activation of any cell; of equal ones the largest before the cap",
  },
  { value: "mean", label: "Mean", title: "Mean activation over the cells" },
  { value: "active", label: "Active cells", title: "Share of the cells that are above 0" },
  { value: "contribution", label: "Contribution", title: "Activation times gradient, summed over the cells" },
  { value: "likeness", label: "Likeness", title: "Correlation with the pinned channel over the cells" },
  { value: "region", label: "Region", title: "Correlation with the painted region over the cells" },
  { value: "difference", label: "Difference", title: "Difference between the means over the two pictures" },
];

/** What is missing for an order, as an instruction; empty if it can be had. */
export function missingFor(state: ActivationState, sort: Sort): string {
  switch (sort) {
    case "likeness":
      return state.channel === null ? "pick a channel first" : "";
    case "region":
      return state.region.length === 0 ? "paint a region on the picture first" : "";
    case "difference":
      return state.other_photo === null ? "give a second picture first" : "";
    case "contribution": {
      const { contributions, layer, target } = state;
      const known = contributions?.layer === layer && contributions.target === target;
      return known ? "" : "waiting for the gradient";
    }
    default:
      return "";
  }
}
