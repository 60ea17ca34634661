/** The score over time, the top classes against the untouched picture, and which class is scored in which unit. */

import { h, setAttribute, setClippedText, setText } from "../dom";
import type { Answer, Hiding, OcclusionState } from "../occlusion_state";
import type { OutputKind } from "../protocol";
import { sameValues } from "../same";
import { className } from "../state";
import { createTrace, LENGTH } from "../trace";
import { createChoice } from "./choice";
import { createClassBars } from "./class_bars";
import { createClassField } from "./class_field";
import { ORIGIN } from "./classes_list";
import type { Part } from "./context";
import { type OcclusionContext, scoreWords } from "./occlusion_context";

const OUTPUT: Readonly<Record<OutputKind, string>> = {
  logits: "output (logit)",
  softmax: "output (softmax)",
  log_softmax: "output (log-softmax)",
};

/** The classes on show: those of the answer, else those of the untouched picture. */
function classesOf({ clean }: OcclusionState, answer: Answer | null) {
  if (answer) return answer.predictions;
  return (clean?.predictions ?? []).map((each) => ({ ...each, clean: each.probability }));
}

/** From 0 to the highest for probabilities, else from the lowest to the highest score. */
function endsOf(scores: readonly number[], clean: number, units: string): readonly [number, number] {
  const [low, high] = [Math.min(clean, ...scores), Math.max(clean, ...scores)];
  return units === "probability" ? [0, Math.max(0.05, high)] : [low, high];
}

export function createScorePanel({ session, signal, scoring }: OcclusionContext): Part<OcclusionState> {
  const trace = createTrace(signal);
  setAttribute(trace.canvas, "role", "img");
  const range = h("p", { class: "cnnw-quiet cnnw-trace-range" });
  const heading = h("h4", { class: "cnnw-heading" });
  const origin = h("p", { class: "cnnw-quiet" });

  const aim = (target: number) => {
    if (target !== session.state.target) scoring.change({ target });
  };
  const bars = createClassBars(aim, signal);
  const field = createClassField({
    label: "Score of",
    placeholder: "Search classes",
    looked: () => session.state,
    likely: () => classesOf(session.state, scoring.answer).map(({ index }) => index),
    pick: aim,
    signal,
  });
  const measure = createChoice(
    "Measured as",
    (value) => scoring.change({ measure: value as Hiding["measure"] }),
    signal,
  );
  let traced: readonly unknown[] = [];

  const paintTrace = ({ clean }: OcclusionState) => {
    const { color } = getComputedStyle(trace.canvas);
    const needs = [scoring.visits, scoring.visits.length, clean, trace.canvas.clientWidth, color];
    if (!clean || sameValues(needs, traced)) return;
    traced = needs;
    const scores = scoring.visits.slice(-LENGTH).map(({ score }) => score);
    const words = (score: number) => scoreWords(score, clean.units);
    const extent = scores.length
      ? `${words(Math.min(...scores))} to ${words(Math.max(...scores))}`
      : "no places visited yet";
    setClippedText(range, `${extent} · clean ${words(clean.score)}`);
    setAttribute(
      trace.canvas,
      "aria-label",
      `Score at the last ${scores.length} places: ${range.textContent}`,
    );
    trace.paint({ scores, clean: clean.score, ends: endsOf(scores, clean.score, clean.units) });
  };

  return {
    element: h(
      "section",
      { class: "cnnw-score-panel", "aria-label": "Score" },
      h("div", { class: "cnnw-course" }, trace.canvas, range),
      h("div", { class: "cnnw-top" }, heading, origin, bars.element),
      h("div", { class: "cnnw-pair" }, field.element, measure.element),
    ),
    update(state) {
      const { target, output_kind } = state;
      paintTrace(state);
      const classes = classesOf(state, scoring.answer);
      setText(heading, classes.length ? `Top ${classes.length} classes` : "Classes");
      setText(origin, classes.length ? ORIGIN[output_kind] : "No prediction yet.");
      bars.update(
        state,
        classes.map(({ index, probability, clean }) => ({
          index,
          probability,
          clean,
          pressed: index === target,
        })),
      );
      field.update(className(state, target));
      measure.update(
        [
          { value: "probability", label: "probability" },
          { value: "output", label: OUTPUT[output_kind] },
        ],
        state.measure,
      );
    },
  };
}
