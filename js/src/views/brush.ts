/** The paint tool: strokes on the first photograph, by which the channels are sorted. */
import type { ActivationSession, Sort, Stroke } from "../activation_state";
import type { Tool } from "./explore";

export interface Brush extends Tool {
  /** Whether a press paints. */
  readonly on: boolean;
  readonly width: number;
  /** How wide the brush is, as a share of the shorter side of what the network sees. */
  share: number;
  toggle(): void;
  undo(): void;
  clear(): void;
}

const SHARE = 0.12;

export function createBrush(session: ActivationSession, refresh: () => void): Brush {
  let on = false;
  let share = SHARE;
  /** The sort to go back to when nothing is painted any more. */
  let before: Sort = "maximum";
  /** The stroke under the hand: a press that has not ended. */
  let painting = false;

  const widthNow = () => {
    const { seen } = session.state;
    return Math.max(1, share * Math.min(seen[2] - seen[0], seen[3] - seen[1]));
  };
  const put = (region: readonly Stroke[], how: "show" | "put") => {
    const { sort } = session.state;
    if (region.length > 0 && sort !== "region") before = sort;
    const back = region.length === 0 && sort === "region";
    session[how]({ region, sort: region.length > 0 ? "region" : back ? before : sort });
  };
  const begin = (x: number, y: number) =>
    put([...session.state.region, { width: widthNow(), points: [[x, y]] }], "show");
  const withoutLast = () => put(session.state.region.slice(0, -1), "put");

  return {
    get on() {
      return on && session.state.tab === "activations";
    },
    get width() {
      return widthNow();
    },
    get share() {
      return share;
    },
    set share(wanted) {
      share = Math.max(0.01, wanted);
      refresh();
    },
    toggle() {
      on = !on;
      refresh();
    },
    undo: withoutLast,
    clear: () => put([], "put"),
    press(x, y) {
      if (!this.on) return false;
      painting = true;
      begin(x, y);
      return true;
    },
    drag(x, y) {
      const { region } = session.state;
      const last = region.at(-1);
      if (!painting || !last) return;
      put([...region.slice(0, -1), { ...last, points: [...last.points, [x, y]] }], "show");
    },
    release() {
      painting = false;
      put(session.state.region, "put");
    },
    cancel() {
      if (painting) withoutLast();
      painting = false;
    },
    key({ key }, at) {
      if (!this.on || !at || key !== " ") return false;
      begin(...at);
      return true;
    },
  };
}
