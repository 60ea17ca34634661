/** The status strip of a view that asks the kernel for work: watches for silence, turns its button into messages. */
import { SAY_SILENT_AFTER, SAY_WAITING_AFTER, SHOW_PROGRESS_AFTER } from "../notice";
import type { Status } from "../protocol";
import { createStopwatch } from "../stopwatch";
import { CANCEL, noticeFor, type Work } from "../work_notice";
import type { PlainContext } from "./context";
import { createStatusStrip } from "./status_strip";

/** The state of a view that numbers its questions. */
interface Asking {
  readonly status: Status;
  /** How often the browser has asked. */
  readonly ask: number;
}

export interface WorkStatus<S> {
  readonly element: HTMLElement;
  /** `refusal`: why what was tried cannot be done. `wait`: a wait for another answer of the kernel, told by identity. */
  update(state: S, refusal?: string, wait?: object | null): void;
}

export function createWorkStatus<S extends Asking>(
  { session, signal, refresh }: PlainContext<S>,
  workOf: (state: S) => Work,
): WorkStatus<S> {
  const silence = createStopwatch([SAY_WAITING_AFTER, SAY_SILENT_AFTER], refresh, signal);
  const working = createStopwatch([SHOW_PROGRESS_AFTER], refresh, signal);
  /** The status that a "retry" was sent under: until it changes, the kernel owes an answer. */
  let retriedUnder: unknown = null;

  const strip = createStatusStrip((action) => {
    if (action === CANCEL) {
      session.send({ kind: "cancel" });
      return;
    }
    retriedUnder = session.state.status;
    session.send({ kind: "retry" });
    refresh();
  }, signal);

  return {
    element: strip.element,
    update(state, refusal = "", wait = null) {
      const { status } = state;
      const asked = status.ask < state.ask || retriedUnder === status;
      const owed = asked || wait !== null;
      strip.update(
        noticeFor(status, workOf(state), {
          fault: session.fault,
          refusal,
          owed,
          silence: silence(asked || status.state === "busy" ? status : wait),
          working: working(status.state === "busy" ? `${status.method} ${status.ask}` : null),
        }),
      );
    },
  };
}
