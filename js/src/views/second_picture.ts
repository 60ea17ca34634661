/** The second photograph as the parts of a view see the first: it shows the same part at the same magnification. */
import type { ActivationSession, ActivationState } from "../activation_state";
import type { PictureState } from "../protocol";
import type { Session } from "../session";
import type { Size } from "../viewport";

type Pan = PictureState["pan"];

function carried(pan: Pan, from: Size | null, to: Size | null): Pan {
  if (!pan || !from || !to) return pan;
  return [(pan[0] / from.width) * to.width, (pan[1] / from.height) * to.height];
}

export function secondState(state: ActivationState): ActivationState {
  const { photo, other_photo, other_seen, pan } = state;
  return { ...state, photo: other_photo, seen: other_seen, pan: carried(pan, photo, other_photo) };
}

/** For zooming and panning on the second photograph. */
export function secondSession(session: ActivationSession): Session<PictureState> {
  return {
    get state() {
      return secondState(session.state);
    },
    get fault() {
      return session.fault;
    },
    show(changes) {
      const { photo, other_photo } = session.state;
      const { pan, zoom } = changes;
      session.show({
        ...(zoom === undefined ? {} : { zoom }),
        ...(pan === undefined ? {} : { pan: carried(pan, other_photo, photo) }),
      });
    },
    put: session.put,
    send: session.send,
    listen: session.listen,
    subscribe: session.subscribe,
  };
}
