/** The channel's values over the data set, with a tick for every patch on show; ticks and patches point at each other. */
import { h, setAttribute, setText } from "../dom";
import { significant, withUnits } from "../format";
import { select } from "../gallery_asking";
import type { Histogram, Patch, Wall } from "../gallery_state";
import { type Axis, axisOf, groupsOf, kindWords, plural, shareAt } from "../patch_words";
import { type GalleryContext, readPatch, type WallPart } from "./gallery_context";

const SVG = "http://www.w3.org/2000/svg";
/** From this many times the median on, the highest bar would leave the others flat: heights are logarithms then. */
const LOG_FROM = 30;
/** A tick is pointed at from this far, in CSS pixels. */
const REACH = 12;

/** Whether the counts are drawn as logarithms. */
export function isLogarithmic({ counts }: Histogram): boolean {
  const some = counts.filter((count) => count > 0).sort((a, b) => a - b);
  return some.length > 2 && some[some.length - 1] > LOG_FROM * some[some.length >> 1];
}

function barsOf(histogram: Histogram, axis: Axis): string {
  const { counts, edges } = histogram;
  const height = isLogarithmic(histogram) ? (count: number) => Math.log1p(count) : (count: number) => count;
  const most = Math.max(...counts.map(height)) || 1;
  return counts
    .map((count, i) => {
      const [left, right] = [shareAt(axis, edges[i]), shareAt(axis, edges[i + 1])];
      // What is there shows, however little it is.
      const share = count > 0 ? Math.max(0.015, height(count) / most) : 0;
      return `M${left} 1v${-share}H${right}V1z`;
    })
    .join("");
}

export function createGalleryHistogram(context: GalleryContext): WallPart {
  const { session, signal, pointing } = context;
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 1 1");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.append(path);
  const rows = [0, 1, 2].map(() => h("div", { class: "cnnw-ticks" }));
  const zero = h("span", { class: "cnnw-histogram-zero" });
  const plot = h("div", { class: "cnnw-histogram-plot" }, svg, ...rows);
  const [low, high] = [h("span"), h("span")];
  const numbers = h("div", { class: "cnnw-numbers cnnw-histogram-numbers" }, low, zero, high);
  const caption = h("p", { class: "cnnw-quiet" });
  const element = h(
    "section",
    { class: "cnnw-histogram", role: "img" },
    h("p", { class: "cnnw-heading" }, "Activation over the data set"),
    plot,
    numbers,
    caption,
  );
  let wall: Wall | null = null;
  let painted: Histogram | null = null;
  let axis: Axis = [0, 0];
  let ticks: { readonly patch: Patch; readonly tick: HTMLElement; readonly row: number }[] = [];
  let shown = "";

  const patchAt = (event: PointerEvent | MouseEvent): Patch | null => {
    const { left, width } = plot.getBoundingClientRect();
    const row = rows.findIndex((each) => {
      const { top, bottom } = each.getBoundingClientRect();
      return !each.hidden && event.clientY >= top && event.clientY < bottom;
    });
    let best: Patch | null = null;
    let reach = REACH;
    for (const each of ticks) {
      if (row >= 0 && each.row !== row) continue;
      const distance = Math.abs(left + shareAt(axis, each.patch.value) * width - event.clientX);
      if (distance >= reach) continue;
      best = each.patch;
      reach = distance;
    }
    return best;
  };
  plot.addEventListener("pointermove", (event) => context.point(patchAt(event), false), { signal });
  plot.addEventListener("pointerleave", () => pointing.byKeyboard || context.point(null, false), { signal });
  plot.addEventListener(
    "click",
    (event) => {
      const patch = patchAt(event);
      if (wall && patch) select(session, wall, patch);
    },
    { signal },
  );

  const placeTicks = (of: Wall) => {
    const groups = groupsOf(session.state, of);
    ticks = groups.flatMap(({ kind, patches }, row) =>
      patches.map((patch) => {
        const style = `left:${100 * shareAt(axis, patch.value)}%`;
        return { patch, row, tick: h("span", { class: "cnnw-tick", "data-kind": kind, style }) };
      }),
    );
    rows.forEach((row, i) => {
      row.hidden = i >= groups.length;
      row.title = groups[i] ? kindWords(groups[i].kind, of) : "";
      row.replaceChildren(...ticks.filter((each) => each.row === i).map(({ tick }) => tick));
    });
  };

  const nameAxis = (histogram: Histogram, of: Wall) => {
    const { counts } = histogram;
    const [least, most] = axis;
    setText(low, significant(least));
    setText(high, withUnits(significant(most), of.units));
    const share = shareAt(axis, 0);
    // A number that would run into those at the ends is left out.
    zero.hidden = !(least < 0 && most > 0 && share > 0.2 && share < 0.6);
    setText(zero, "0");
    zero.style.left = `${100 * share}%`;
    const total = counts.reduce((sum, count) => sum + count, 0);
    const scale = isLogarithmic(histogram) ? ", heights on a log scale" : "";
    const highest = plural(Math.max(...counts), "cell");
    setText(caption, `${plural(total, "cell")} drawn at random; highest bar ${highest}${scale}.`);
    setAttribute(
      element,
      "aria-label",
      `Histogram of ${plural(total, "cell")} from ${significant(least)} to ${withUnits(significant(most), of.units)}`,
    );
  };

  return {
    element,
    update(state, now) {
      wall = now;
      const histogram = wall?.histogram ?? null;
      element.hidden = histogram === null;
      if (!wall || !histogram) return;
      if (histogram !== painted) {
        painted = histogram;
        axis = axisOf(histogram, wall);
        path.setAttribute("d", barsOf(histogram, axis));
        nameAxis(histogram, wall);
        shown = "";
      }
      const wanted = JSON.stringify([state.kind, state.label]);
      if (wanted !== shown) {
        shown = wanted;
        placeTicks(wall);
      }
      const read = readPatch(state, wall, pointing);
      for (const { patch, tick } of ticks) setAttribute(tick, "data-pointed", patch === read);
    },
  };
}
