/** The patches of a channel as a wall, or three walls to compare (the ARIA list box pattern). */
import { h, setAttribute, setText } from "../dom";
import { isSelected, select } from "../gallery_asking";
import type { Drawn, GalleryState, Patch, Wall } from "../gallery_state";
import { cutAt } from "../patch_painter";
import { type Group, groupsOf, kindWords, plural, tiesWords } from "../patch_words";
import { OWN_KEYS } from "./context";
import type { GalleryContext, WallPart } from "./gallery_context";
import { createPatchTile, type PatchTile } from "./patch_tile";
import { nextPatch } from "./wall_walk";

/** "16 patches", "5 of 16 patches", "16 patches · 58 pictures at the cap, 16 shown". */
function countWords(wall: Wall, group: Group): string {
  const { patches, of } = group;
  const all = plural(of, "patch", "patches");
  const count = patches.length === of ? all : `${patches.length} of ${all}`;
  return [count, tiesWords(wall, group)].filter((words) => words).join(" · ");
}

interface GroupParts {
  readonly element: HTMLElement;
  readonly heading: HTMLElement;
  readonly count: HTMLElement;
  readonly list: HTMLElement;
  readonly note: HTMLElement;
}

function createGroup(): GroupParts {
  const heading = h("span", { class: "cnnw-heading" });
  const count = h("span", { class: "cnnw-quiet" });
  const list = h("div", { class: "cnnw-patches", role: "group" });
  const note = h("p", { class: "cnnw-quiet" });
  const head = h("p", { class: "cnnw-patches-head" }, heading, count);
  return { element: h("div", { class: "cnnw-patches-group" }, head, list, note), heading, count, list, note };
}

export interface PatchWall extends WallPart {
  /** The patches on show, in the order in which keys walk them. */
  readonly shown: readonly Patch[];
}

export function createPatchWall(context: GalleryContext): PatchWall {
  const { session, signal, pictures, pointing, memory } = context;
  const groups = [createGroup(), createGroup(), createGroup()];
  const element = h("div", {
    class: "cnnw-wall",
    role: "listbox",
    "aria-label": "Patches",
    "aria-orientation": "horizontal",
    ...OWN_KEYS,
  });
  element.append(...groups.map((group) => group.element));
  let shown: readonly Patch[] = [];
  let wall: Wall | null = null;
  /** A pool: a tile keeps its element, and with it the focus, when it comes to show another patch. */
  const tiles: PatchTile[] = [];
  signal.addEventListener(
    "abort",
    () => {
      for (const tile of tiles.splice(0)) tile.end();
    },
    { once: true },
  );

  const patchAt = (event: Event): Patch | null => {
    const at = tiles.findIndex((tile) => tile.element.contains(event.target as Node));
    return shown[at] ?? null;
  };

  element.addEventListener("pointermove", (event) => context.point(patchAt(event), false), { signal });
  element.addEventListener("pointerleave", () => pointing.byKeyboard || context.point(null, false), {
    signal,
  });
  element.addEventListener(
    "click",
    (event) => {
      const patch = patchAt(event);
      if (wall && patch) select(session, wall, patch);
    },
    { signal },
  );
  element.addEventListener("focusin", (event) => context.point(patchAt(event), true), { signal });
  element.addEventListener("focusout", () => pointing.byKeyboard && context.point(null, false), { signal });
  element.addEventListener(
    "keydown",
    (event) => {
      const at = tiles.findIndex((tile) => tile.element.contains(event.target as Node));
      if (!wall || at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Enter" || event.key === " ") select(session, wall, shown[at]);
      else if (event.key === "Escape") select(session, wall, null);
      else {
        const elements = tiles.slice(0, shown.length).map((tile) => tile.element);
        const next = nextPatch(elements, at, event.key);
        if (next === null) return;
        elements[next].focus();
      }
      event.preventDefault();
      event.stopPropagation();
    },
    { signal },
  );

  /** Puts the tiles into their groups, as many as there are patches. */
  const arrange = (found: readonly Group[]) => {
    shown = found.flatMap(({ patches }) => patches);
    while (tiles.length < shown.length) tiles.push(createPatchTile());
    let start = 0;
    groups.forEach(({ list }, i) => {
      const count = found[i]?.patches.length ?? 0;
      const wanted = tiles.slice(start, start + count).map((tile) => tile.element);
      start += count;
      if (wanted.length !== list.children.length || wanted.some((tile, j) => tile !== list.children[j]))
        list.replaceChildren(...wanted);
    });
  };

  const nameGroups = (found: readonly Group[], state: GalleryState, of: Wall) => {
    groups.forEach((group, i) => {
      const each = found[i];
      group.element.hidden = !each;
      if (!each) return;
      setText(group.heading, kindWords(each.kind, of));
      setText(group.count, countWords(of, each));
      setAttribute(group.list, "aria-label", kindWords(each.kind, of));
      group.note.hidden = each.patches.length > 0;
      setText(group.note, each.of === 0 ? "There are none." : `None of them is of ${state.label}.`);
    });
  };

  return {
    element,
    get shown() {
      return shown;
    },
    update(state, now) {
      wall = now;
      element.hidden = !wall;
      if (!wall) return;
      const found = groupsOf(state, wall);
      arrange(found);
      // The focus stays where it is while the patches under it change.
      const focused = pointing.byKeyboard ? tiles.findIndex((tile) => tile.element.matches(":focus")) : -1;
      if (focused >= 0) pointing.patch = shown[focused] ?? null;
      nameGroups(found, state, wall);
      setAttribute(element, "data-groups", found.length);
      const drawn: Drawn | null = memory.drawn(wall.layer, wall.channel, state.mode);
      const cut = drawn?.maps ? cutAt(drawn.maps, state.quantile) : 0;
      const { mode, patch_size: side, opacity } = state;
      const pointedAt = pointing.patch ? shown.indexOf(pointing.patch) : -1;
      shown.forEach((patch, i) => {
        if (!wall) return;
        tiles[i].update(
          { wall, patch, mode, drawn, pictures, side, cut, opacity },
          {
            selected: isSelected(state, wall, patch),
            pointed: patch === pointing.patch,
            reachable: i === Math.max(0, pointedAt),
            position: i,
            count: shown.length,
          },
        );
      });
    },
  };
}
