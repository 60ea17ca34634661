/** Which rows the overview shows and in what order: plain arithmetic on what the browser holds. */
import { inGroups } from "./format";
import type { Memory } from "./gallery_memory";
import { type GalleryState, needsOrdering, type Ordered, type Overview } from "./gallery_state";
import { plural } from "./patch_words";
import { sameValues } from "./same";
import { searchNames } from "./search";

export interface Listing {
  readonly channels: readonly number[];
  /** By channel; null where the order is not by a score of the kernel's. */
  readonly scores: ReadonlyMap<number, number> | null;
  /** The classes that the search names, as indices; null without such a search. */
  readonly wanted: ReadonlySet<number> | null;
  /** What is shown, in words. */
  readonly note: string;
}

const NUMBER = /^\d+$/;

/** How many of a channel's top patches are of some classes. */
export function countOf({ labels, k }: Overview, channel: number, classes: ReadonlySet<number>): number {
  let count = 0;
  for (let i = channel * k; i < (channel + 1) * k; i++) if (classes.has(labels[i])) count += 1;
  return count;
}

/** The class that most of a channel's top patches have; null where none has one. */
export function commonest({ labels, k }: Overview, channel: number): { label: number; count: number } | null {
  const counts = new Map<number, number>();
  let best: { label: number; count: number } | null = null;
  for (let i = channel * k; i < (channel + 1) * k; i++) {
    const label = labels[i];
    if (label < 0) continue;
    const count = (counts.get(label) ?? 0) + 1;
    counts.set(label, count);
    if (count > (best?.count ?? 0)) best = { label, count };
  }
  return best;
}

function inOrder(state: GalleryState, overview: Overview, ordered: Ordered | null): number[] {
  const all = Array.from(overview.maximum, (_, channel) => channel);
  if (ordered) {
    // What likeness is to stands before the others.
    const first = typeof ordered.of === "number" ? [ordered.of] : [];
    return [...first, ...ordered.channels];
  }
  if (state.order !== "maximum") return all;
  const { maximum, preactivation, dead } = overview;
  return all.sort(
    (a, b) => dead[a] - dead[b] || maximum[b] - maximum[a] || preactivation[b] - preactivation[a] || a - b,
  );
}

/** ", most like channel 14 first (overlap of the patches)". */
function orderWords(ordered: Ordered | null): string {
  if (!ordered) return "";
  const { by, of, units } = ordered;
  return by === "class"
    ? `, most characteristic of ${of} first (${units})`
    : `, most like channel ${of} first (${units})`;
}

function noteFor(state: GalleryState, ordered: Ordered | null): string {
  if (!needsOrdering(state.order) || ordered) return "";
  if (state.order === "class" && state.target === null) return "Choose a class to rank for. ";
  return "Waiting for the order: until then by number. ";
}

function list(state: GalleryState, overview: Overview, ordered: Ordered | null): Listing {
  const channels = inOrder(state, overview, ordered);
  const all = plural(overview.maximum.length, "channel");
  const search = state.search.trim();
  const scores =
    ordered && new Map(Array.from(ordered.channels, (channel, i) => [channel, ordered.scores[i]]));
  const before = noteFor(state, ordered);
  const by = orderWords(ordered);
  if (search === "") return { scores, channels, wanted: null, note: before + all + by };
  if (NUMBER.test(search)) {
    const found = channels.filter((channel) => String(channel).startsWith(search));
    // The channel of that very number first.
    found.sort((a, b) => Number(b === Number(search)) - Number(a === Number(search)));
    return {
      scores,
      channels: found,
      wanted: null,
      note: `${before}${inGroups(found.length)} of ${all}${by}`,
    };
  }
  const wanted = new Set(searchNames(state.classes, search, state.classes.length).indices);
  const found = channels.filter((channel) => countOf(overview, channel, wanted) > 0);
  const [only] = wanted;
  const name = wanted.size === 1 ? state.classes[only] : plural(wanted.size, "class", "classes");
  const note =
    wanted.size === 0
      ? `No class has “${search}” in its name.`
      : `${before}${inGroups(found.length)} of ${all} with a top patch of ${name}${by}`;
  return { scores, channels: found, wanted, note };
}

/** Computes the list when what it depends on has changed. */
export function createLister(memory: Memory): (state: GalleryState, overview: Overview) => Listing {
  let known: readonly unknown[] = [];
  let found: Listing | null = null;
  return (state, overview) => {
    const ordered = memory.ordered(state);
    const needs = [overview, ordered, state.order, state.search, state.classes, state.target];
    if (found === null || !sameValues(needs, known)) {
      found = list(state, overview, ordered);
      known = needs;
    }
    return found;
  };
}
