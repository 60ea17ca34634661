/** What is explained, as a sentence, and the score that it stands for. */
import { h, setClippedText } from "../dom";
import { type HeatmapState, mapOf, questionInWords } from "../heatmap_state";
import type { Part } from "./context";

export function createQuestionLine(): Part<HeatmapState> {
  const question = h("h3", { class: "cnnw-question" });
  const score = h("span", { class: "cnnw-score" });

  return {
    element: h("div", { class: "cnnw-headline" }, question, score),
    update(state) {
      setClippedText(question, questionInWords(state));
      setClippedText(score, mapOf(state, state.method)?.score ?? "");
    },
  };
}
