/** Pointer, touch and keys on the stage of OcclusionCanvas. */
import { broughtTo, grip, type Hold, holdAt, pinned, removed, selected, stepped } from "../hand";
import { centreOf, type Handle } from "../occluder";
import type { Place } from "../occlusion_state";
import { listenToPointer } from "../pointer";
import { revealing, type Size, toPicture } from "../viewport";
import { ARROWS } from "./explore";
import { createNavigation } from "./navigation";
import type { OcclusionContext } from "./occlusion_context";

/** A press that moves less than this many CSS pixels is a click. */
const CLICK = 4;

const CURSORS: Readonly<Record<Handle, string>> = {
  nw: "nwse-resize",
  se: "nwse-resize",
  ne: "nesw-resize",
  sw: "nesw-resize",
  n: "ns-resize",
  s: "ns-resize",
  e: "ew-resize",
  w: "ew-resize",
};

function cursorFor(hold: Hold, zoomed: boolean): string {
  if (hold.kind === "handle") return CURSORS[hold.handle];
  if (hold.kind === "occluder") return "move";
  return zoomed ? "grab" : "crosshair";
}

/** `stirred` hears of every event that moves an occluder, with its time stamp. */
export function guide(
  element: HTMLElement,
  sizeOf: () => Size,
  context: OcclusionContext,
  stirred: (stamp: number) => void,
  signal: AbortSignal,
): void {
  const { session, scoring, cursor, refresh } = context;
  const navigation = createNavigation(session, sizeOf);
  /** Follows the pointer while it is down; null while it pans, or is up. */
  let follow: ((to: readonly [number, number]) => Place) | null = null;
  let before: Place | null = null;
  /** Where a press on nothing began and how far it went: a click, if that is not far. */
  let press: { x: number; y: number; far: number } | null = null;

  const place = (to: Place, event: Event) => {
    stirred(event.timeStamp);
    scoring.move(to);
  };
  const pictureAt = (x: number, y: number): [number, number] | null => {
    const { photo } = session.state;
    return photo && toPicture(navigation.viewport(photo), x, y);
  };
  const scale = () => {
    const { photo } = session.state;
    return photo ? navigation.viewport(photo).scale : 1;
  };
  const isTouch = (event: PointerEvent) => event.pointerType === "touch";

  /** Brings the active occluder into the pane, when keys have moved it out. */
  const reveal = () => {
    const { photo, boxes, active, zoom } = session.state;
    const box = boxes[active];
    const view = photo && box && revealing(navigation.viewport(photo), photo, zoom, ...centreOf(box));
    if (view) session.show(view);
  };

  listenToPointer(
    element,
    {
      hover(x, y, event) {
        const { state } = session;
        const at = pictureAt(x, y);
        const inside = at && state.photo && at[0] >= 0 && at[1] >= 0;
        const within = inside && at[0] < state.photo.width && at[1] < state.photo.height;
        cursor.point = within ? at : null;
        if (at && !follow && !press) {
          element.style.cursor = cursorFor(holdAt(state, at, scale(), isTouch(event)), state.zoom > 1);
        }
        refresh();
      },
      leave() {
        cursor.point = null;
        refresh();
      },
      press(x, y, event) {
        const { state } = session;
        const at = pictureAt(x, y);
        if (!at) return false;
        const hold = holdAt(state, at, scale(), isTouch(event));
        before = { boxes: state.boxes, active: state.active };
        if (hold.kind === "nothing" && state.zoom > 1) {
          press = { x, y, far: 0 };
          element.style.cursor = "grabbing";
          return true;
        }
        follow = grip(state, hold, at);
        element.style.cursor = hold.kind === "nothing" ? "move" : cursorFor(hold, false);
        if (hold.kind === "nothing" || hold.index !== state.active) place(follow(at), event);
        return true;
      },
      drag(dx, dy, x, y, event) {
        const at = pictureAt(x, y);
        if (follow && at) place(follow(at), event);
        if (!press) return;
        press.far = Math.max(press.far, Math.hypot(x - press.x, y - press.y));
        if (press.far > CLICK) navigation.panBy(dx, dy);
      },
      release() {
        const at = press && press.far <= CLICK ? pictureAt(press.x, press.y) : null;
        follow = null;
        press = null;
        if (at) scoring.move(broughtTo(session.state, at));
      },
      pinch() {
        if (follow && before) scoring.move(before);
        follow = null;
        press = null;
      },
      pan: navigation.panBy,
      zoom: navigation.zoomBy,
      reset: navigation.reset,
    },
    signal,
  );

  element.addEventListener(
    "keydown",
    (event) => {
      const { state } = session;
      if (!state.photo || event.ctrlKey || event.metaKey || event.altKey) return;
      const arrow = ARROWS[event.key];
      if (arrow) {
        place(stepped(state, arrow, event.shiftKey), event);
        reveal();
      } else if (event.key === "p" || event.key === "P") {
        const more = pinned(state);
        if (more) place(more, event);
      } else if (event.key === "n" || event.key === "N") {
        const other = selected(state, event.shiftKey ? -1 : 1);
        if (other) place(other, event);
        reveal();
      } else if (event.key === "Delete" || event.key === "Backspace") {
        const rest = removed(state);
        if (rest) place(rest, event);
      } else if (!navigation.zoomByKey(event.key, null)) return;
      event.preventDefault();
      event.stopPropagation();
    },
    { signal },
  );
}
