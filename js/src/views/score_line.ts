/** The target's score now, large and close to the picture, with the change and with news of another winner. */
import { h, setAttribute, setClippedText, setText } from "../dom";
import { inputSize } from "../occluder";
import type { Answer, OcclusionState } from "../occlusion_state";
import { className } from "../state";
import type { Part } from "./context";
import { changeSpoken, changeWords, type OcclusionContext, scoreWords } from "./occlusion_context";

/** "Top class is now lynx (was Egyptian cat)"; empty while the winner stays. */
function newsOf(state: OcclusionState, answer: Answer | null): string {
  const [now] = answer?.predictions ?? [];
  const was = state.clean?.predictions[0];
  if (!answer?.top_changed || !now || !was) return "";
  return `Top class is now ${className(state, now.index)} (was ${className(state, was.index)})`;
}

function spoken(state: OcclusionState, answer: Answer | null, comparable: boolean): string {
  const { clean } = state;
  if (!answer || !clean || !comparable) return "";
  const news = newsOf(state, answer);
  const score = `${className(state, answer.target.index)} ${scoreWords(answer.score, answer.units)}`;
  return `${score}, ${changeSpoken(answer.score, clean)}.${news && ` ${news}.`}`;
}

/** Where the occluder lies, in pixels of the network's input: finer than any step of the arrow keys. */
function placeSpoken({ boxes, active, seen, grain }: OcclusionState): string {
  const box = boxes[active];
  if (!box) return "";
  const [x, y] = [0, 1].map((axis) => Math.round((box[axis] - seen[axis]) / grain[axis]));
  const [width, height] = inputSize(box, grain);
  const which = boxes.length > 1 ? `Occluder ${active + 1} of ${boxes.length}` : "Occluder";
  return `${which} at ${x}, ${y}, ${width} by ${height} pixels.`;
}

export function createScoreLine({ scoring }: OcclusionContext): Part<OcclusionState> {
  const name = h("h3", { class: "cnnw-target" });
  const number = h("span", { class: "cnnw-number" });
  const change = h("span", { class: "cnnw-change" });
  const flag = h("p", { class: "cnnw-flag" });
  const aloud = h("p", { class: "cnnw-aloud", "aria-live": "polite" });

  return {
    element: h("div", { class: "cnnw-score-line" }, name, number, change, flag, aloud),
    update(state) {
      const { answer } = scoring;
      const { clean, target } = state;
      // Name, number and unit always belong together, even while the answer for another class is on its way.
      const comparable = answer?.target.index === target && answer.units === clean?.units;
      setClippedText(name, clean ? className(state, answer ? answer.target.index : target) : "");
      setText(number, clean ? scoreWords(answer?.score ?? clean.score, answer?.units ?? clean.units) : "");
      setText(change, clean && answer && comparable ? changeWords(answer.score, clean) : "");
      setAttribute(
        change,
        "title",
        clean ? `${scoreWords(clean.score, clean.units)} with nothing hidden` : null,
      );
      setClippedText(flag, newsOf(state, answer));
      if (!scoring.still) return;
      // A kernel that takes its time must not keep the place from being said.
      const score = scoring.resting ? spoken(state, answer, comparable) : "";
      setText(aloud, [score, placeSpoken(state)].filter(Boolean).join(" "));
    },
  };
}
