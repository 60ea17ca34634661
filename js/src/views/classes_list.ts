/** The most probable classes as bars; one click explains a class. */
import { h, setAttribute, setClippedText, setText } from "../dom";
import { percent } from "../format";
import type { HeatmapState, OutputKind } from "../protocol";
import { className } from "../state";
import type { Part, ViewContext } from "./context";

const ORIGIN: Readonly<Record<OutputKind, string>> = {
  logits: "probabilities from logits by softmax",
  softmax: "probabilities as the network gives them",
  log_softmax: "probabilities from log-softmax by exponential",
};

function createRow() {
  const name = h("span", { class: "cnnw-class-name" });
  const share = h("span", { class: "cnnw-class-share" });
  const fill = h("span", { class: "cnnw-bar-fill" });
  const bar = h("span", { class: "cnnw-bar", "aria-hidden": "true" }, fill);
  return {
    name,
    share,
    fill,
    button: h("button", { type: "button", class: "cnnw-class" }, name, share, bar),
  };
}

export function createClassesList({ session, signal }: ViewContext): Part {
  const heading = h("h4", { class: "cnnw-heading" });
  const origin = h("p", { class: "cnnw-quiet" });
  const listing = h("div", { class: "cnnw-classes", role: "group", "aria-label": "Most probable classes" });
  const rows: ReturnType<typeof createRow>[] = [];

  listing.addEventListener(
    "click",
    (event) => {
      const { predictions, target, instead_of } = session.state;
      const chosen = predictions[rows.findIndex((row) => row.button.contains(event.target as Node))];
      if (!chosen || chosen.index === target) return;
      // A class against itself is no question: the contrast falls away.
      const contrast = instead_of === chosen.index ? { instead_of: null } : {};
      session.ask({ target: chosen.index, ...contrast });
    },
    { signal },
  );

  const update = (state: HeatmapState) => {
    const { predictions } = state;
    setText(heading, predictions.length ? `Top ${predictions.length} classes` : "Classes");
    setText(origin, predictions.length ? ORIGIN[state.output_kind] : "No prediction yet.");
    while (rows.length < predictions.length) {
      const row = createRow();
      rows.push(row);
      listing.append(row.button);
    }
    for (const row of rows.splice(predictions.length)) row.button.remove();
    predictions.forEach(({ index, probability }, i) => {
      const { name, share, fill, button } = rows[i];
      setClippedText(name, className(state, index));
      setText(share, percent(probability));
      fill.style.width = `${100 * probability}%`;
      setAttribute(button, "aria-pressed", String(index === state.target));
      setAttribute(button, "data-contrast", index === state.instead_of);
    });
  };

  return { element: h("section", { class: "cnnw-top" }, heading, origin, listing), update };
}
