/** Patches in words. */
import { inGroups, significant, withUnits } from "./format";
import type { GalleryState, Histogram, Patch, PatchKind, Wall } from "./gallery_state";
import { touched } from "./touched";

export interface Group {
  readonly kind: PatchKind;
  readonly patches: readonly Patch[];
  /** Patches of this kind, of any class. */
  readonly of: number;
}

const KINDS: readonly PatchKind[] = ["top", "sample", "bottom"];

/** The patches on show: one group, or three to compare. */
export function groupsOf({ kind, label }: Pick<GalleryState, "kind" | "label">, wall: Wall): Group[] {
  const kinds = kind === "compare" ? KINDS : [kind];
  return kinds.map((each) => {
    const all = wall.patches.filter((patch) => patch.kind === each);
    const patches =
      label === null ? all : all.filter(({ picture }) => wall.pictures[picture].label === label);
    return { kind: each, patches, of: all.length };
  });
}

/** The classes of the patches on show, each with how many there are, the most frequent first. */
export function labelsOf({ kind }: Pick<GalleryState, "kind">, wall: Wall): [label: string, count: number][] {
  const counts = new Map<string, number>();
  for (const { patches } of groupsOf({ kind, label: null }, wall))
    for (const { picture } of patches) {
      const { label } = wall.pictures[picture];
      if (label !== null) counts.set(label, (counts.get(label) ?? 0) + 1);
    }
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
}

/** "Most negative", where anything is. */
export function kindWords(kind: PatchKind, wall: Wall | null): string {
  if (kind === "top") return "Strongest";
  if (kind === "sample") return "Random sample";
  const bottom = wall?.patches.filter((patch) => patch.kind === "bottom") ?? [];
  return bottom.length > 0 && bottom.every(({ value }) => value >= 0) ? "Smallest" : "Most negative";
}

/** "58 pictures at the cap, 16 shown"; empty where no two pictures share the first value. */
export function tiesWords(wall: Wall, { kind, patches }: Group): string {
  const ties = kind === "sample" ? null : wall.ties[kind];
  if (!ties) return "";
  const { images, value, place } = ties;
  const shown = new Set(patches.filter((patch) => patch.value === value).map(({ picture }) => picture)).size;
  const where = place === "extreme" ? `at the same value, ${significant(value)}` : `at the ${place}`;
  return `${inGroups(images)} pictures ${where}${shown === images ? "" : `, ${inGroups(shown)} shown`}`;
}

/** "1 patch", "2,000 images". */
export const plural = (count: number, noun: string, nouns = `${noun}s`): string =>
  `${inGroups(count)} ${count === 1 ? noun : nouns}`;

/** "tabby, which the model takes for lynx". */
export function classWords(wall: Wall, { picture }: Patch): string {
  const { label, predicted } = wall.pictures[picture];
  if (label === null) return predicted === null ? "" : `the model says ${predicted}`;
  if (predicted === null) return label;
  return label === predicted ? `${label} (the model agrees)` : `${label} (the model says ${predicted})`;
}

/** Everything about a patch, for who does not see it. */
export function patchWords(wall: Wall, patch: Patch): string {
  const { source, missing } = wall.pictures[patch.picture];
  const value = withUnits(significant(patch.value), wall.units);
  const parts = [value, source, classWords(wall, patch), missing && `missing: ${missing}`];
  return parts.filter((part) => part).join(", ");
}

/** "columns 32–66, rows 0–34 of the picture · cell row 3, column 5". */
export function placeWords(wall: Wall, { box, cell: [row, column], picture }: Patch): string {
  const [left, top, right, bottom] = touched(box, wall.pictures[picture].size);
  const pixels = `columns ${left}–${right - 1}, rows ${top}–${bottom - 1}`;
  return `${pixels} of the picture · cell row ${row}, column ${column}`;
}

export type Axis = readonly [low: number, high: number];

/** From the lowest to the highest of what a sample has met and of the patches, which are rarer than any sample. */
export function axisOf({ edges }: Histogram, { patches }: Wall): Axis {
  const values = patches.map(({ value }) => value);
  return [Math.min(edges[0], ...values), Math.max(edges[edges.length - 1], ...values)];
}

/** Share of an axis where a value lies, 0..1. */
export function shareAt([low, high]: Axis, value: number): number {
  return high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5;
}
