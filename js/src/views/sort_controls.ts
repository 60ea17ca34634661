/** The order of the channels, with what it compares and, where it cannot be had, what is missing. */
import { type ActivationState, ask, type Sort } from "../activation_state";
import { h, setClippedText } from "../dom";
import { missingFor, SORTS, type SortWords } from "../sorts";
import { className } from "../state";
import { createChoice } from "./choice";
import { createClassField } from "./class_field";
import type { Part, ViewContext } from "./context";

/** A second picture is given in Python: without one there is nothing to choose here. */
const isOffered = (state: ActivationState, sort: Sort) =>
  sort !== "difference" || state.other_photo !== null || state.sort === sort;

/** "Likeness (pick a channel first)": only what the person can do is said before the choice. */
function labelFor(state: ActivationState, { value, label }: SortWords): string {
  const missing = value === "contribution" ? "" : missingFor(state, value);
  return missing ? `${label} (${missing})` : label;
}

function explanation(state: ActivationState): string {
  const { sort, channel, target } = state;
  const found = SORTS.find(({ value }) => value === sort);
  if (!found) return "";
  const missing = missingFor(state, sort);
  if (missing) return `${found.label}: ${missing}. Until then by maximum.`;
  if (sort === "likeness") return `Correlation with channel ${channel} over the cells`;
  if (sort === "contribution" && target !== null)
    return `${found.title}: what adds to ${className(state, target)}`;
  return found.title;
}

export function createSortControls({ session, signal }: ViewContext<ActivationState>): Part<ActivationState> {
  const sort = createChoice(
    "Sort by",
    (value) => {
      const chosen = value as Sort;
      if (chosen === "contribution") ask(session, { sort: chosen });
      else session.put({ sort: chosen });
    },
    signal,
  );
  const target = createClassField({
    label: "Contribution to",
    placeholder: "Search classes",
    looked: () => session.state,
    likely: () => (session.state.target === null ? [] : [session.state.target]),
    pick: (index) => index !== session.state.target && ask(session, { target: index }),
    signal,
  });
  const words = h("p", { class: "cnnw-quiet cnnw-sort-words", "aria-live": "polite" });

  return {
    element: h(
      "div",
      { class: "cnnw-sort" },
      h("div", { class: "cnnw-pair" }, sort.element, target.element),
      words,
    ),
    update(state) {
      sort.update(
        SORTS.filter(({ value }) => isOffered(state, value)).map((each) => ({
          value: each.value,
          label: labelFor(state, each),
        })),
        state.sort,
      );
      target.element.hidden = state.sort !== "contribution";
      target.update(state.target === null ? "" : className(state, state.target));
      setClippedText(words, explanation(state));
    },
  };
}
