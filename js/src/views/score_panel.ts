/** What the network says now: the target's score, its trace over time, the top classes, and news of another winner. */
import { h, setAttribute, setClippedText, setText } from "../dom";
import type { Answer, OcclusionState } from "../occlusion_state";
import { className } from "../state";
import { createTrace, LENGTH } from "../trace";
import { createClassBars } from "./class_bars";
import { createClassField } from "./class_field";
import { ORIGIN } from "./classes_list";
import type { Part } from "./context";
import { changeSpoken, changeWords, type OcclusionContext, scoreWords } from "./occlusion_context";

/** The classes on show: those of the answer, else those of the untouched picture. */
function classesOf({ clean }: OcclusionState, answer: Answer | null) {
  if (answer) return answer.predictions;
  return (clean?.predictions ?? []).map((each) => ({ ...each, clean: each.probability }));
}

function spoken(state: OcclusionState, answer: Answer | null): string {
  const { clean } = state;
  if (!answer || !clean) return "";
  const name = className(state, answer.target.index);
  const score = scoreWords(answer.score, answer.units);
  const top = answer.predictions[0];
  const flag = answer.top_changed && top ? ` Top class is now ${className(state, top.index)}.` : "";
  return `${name} ${score}, ${changeSpoken(answer.score, clean)}.${flag}`;
}

/** From 0 to 1 for probabilities, else from the lowest to the highest score. */
function endsOf(scores: readonly number[], clean: number, units: string): readonly [number, number] {
  const [low, high] = [Math.min(clean, ...scores), Math.max(clean, ...scores)];
  return units === "probability" ? [0, Math.max(0.05, high)] : [low, high];
}

export function createScorePanel(context: OcclusionContext): Part<OcclusionState> {
  const { session, signal, scoring } = context;
  const name = h("h3", { class: "cnnw-question" });
  const number = h("span", { class: "cnnw-number" });
  const change = h("span", { class: "cnnw-change" });
  const flag = h("p", { class: "cnnw-flag" });
  const trace = createTrace(signal);
  const range = h("p", { class: "cnnw-quiet cnnw-trace-range" });
  const heading = h("h4", { class: "cnnw-heading" });
  const origin = h("p", { class: "cnnw-quiet" });
  const aloud = h("p", { class: "cnnw-aloud", "aria-live": "polite" });

  const aim = (index: number) => {
    if (index !== session.state.target) scoring.change({ target: index });
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
  let traced: readonly unknown[] = [];

  const paintTrace = (state: OcclusionState) => {
    const { clean } = state;
    const scores = scoring.visits.slice(-LENGTH).map(({ score }) => score);
    const needs = [scoring.visits, scoring.visits.length, clean, trace.canvas.clientWidth];
    if (!clean || needs.every((need, i) => need === traced[i])) return;
    traced = needs;
    const words = (score: number) => scoreWords(score, clean.units);
    const extent = scores.length
      ? `${words(Math.min(...scores))} to ${words(Math.max(...scores))}`
      : "no places visited yet";
    setClippedText(range, `${extent} · clean ${words(clean.score)}`);
    setAttribute(
      trace.canvas,
      "aria-label",
      `Score over the last ${scores.length} places: ${range.textContent}`,
    );
    trace.paint({ scores, clean: clean.score, ends: endsOf(scores, clean.score, clean.units) });
  };
  setAttribute(trace.canvas, "role", "img");

  return {
    element: h(
      "section",
      { class: "cnnw-score-panel", "aria-label": "Score" },
      name,
      h("p", { class: "cnnw-score-line" }, number, change),
      flag,
      trace.canvas,
      range,
      aloud,
      h("div", { class: "cnnw-top" }, heading, origin, bars.element),
      field.element,
    ),
    update(state) {
      const { answer } = scoring;
      const { clean, target, output_kind } = state;
      // Name and number always belong together, even while another class is on its way.
      setClippedText(name, clean ? className(state, answer ? answer.target.index : target) : "");
      setText(number, clean ? scoreWords(answer?.score ?? clean.score, clean.units) : "");
      setText(change, !clean ? "" : answer ? changeWords(answer.score, clean) : "nothing is hidden yet");
      setAttribute(change, "data-direction", answer && clean ? Math.sign(answer.score - clean.score) : 0);
      const [now] = answer?.predictions ?? [];
      const was = clean?.predictions[0];
      const news = answer?.top_changed && now && was;
      setClippedText(
        flag,
        news ? `Top class is now ${className(state, now.index)} (was ${className(state, was.index)})` : "",
      );
      paintTrace(state);
      const classes = classesOf(state, answer);
      setText(heading, classes.length ? `Top ${classes.length} classes` : "Classes");
      setText(origin, classes.length ? ORIGIN[output_kind] : "No prediction yet.");
      bars.update(
        state,
        classes.map(({ index, probability, clean: before }) => ({
          index,
          probability,
          clean: before,
          pressed: index === target,
        })),
      );
      field.update(className(state, target));
      if (scoring.resting) setText(aloud, spoken(state, answer));
    },
  };
}
