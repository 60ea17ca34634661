/** Sends places to the kernel and keeps what comes back: the answer on show, the visits so far, errors in words. */
import { createFlight, type Flight, type Sent } from "./flight";
import { measured } from "./marks";
import {
  type Answer,
  type Hiding,
  type OcclusionSession,
  type OcclusionState,
  type Place,
  readReply,
  type Visit,
} from "./occlusion_state";
import { ProtocolError } from "./readers";

export interface Scoring {
  readonly flight: Flight<Place>;
  readonly answer: Answer | null;
  /** The places that were scored for the present question, oldest first. It grows; a new question is a new list. */
  readonly visits: readonly Visit[];
  /** Why the last request has no score; null if it has one. */
  readonly error: { readonly text: string; readonly remedy: string } | null;
  /** A message that breaks the contract, in words. */
  readonly fault: string;
  /** What the kernel owes an answer for; null for nothing. */
  readonly owed: object | null;
  /** The hand has been still for a while. */
  readonly still: boolean;
  /** The hand is still and every answer is there. */
  readonly resting: boolean;
  /** Occluders have moved: shown at once, scored when the kernel has time. */
  move(place: Place): void;
  /** Another question about the same place: the kernel scores it by itself. */
  change(changes: Partial<Hiding>): void;
  /** Asks for something that shows as another status or score. */
  ask(kind: "sweep" | "cancel" | "retry"): void;
  /** Clears the visits. */
  forget(): void;
  /** To be called when the answer has been painted. */
  painted(): void;
}

/** Milliseconds without a move after which the hand rests. */
const REST_AFTER = 300;
const UNASKED = -1;

/** What visits belong to: with another question they mean something else. */
function questionOf(state: OcclusionState): string {
  const { target, shape, fill, color, keep, measure, boxes, active } = state;
  const pinned = boxes.filter((_, i) => i !== active);
  return JSON.stringify([target, shape, fill, fill === "colour" && color, keep, measure, pinned]);
}

/** Whether the kernel has written down just what was seen here, but for the digits that float32 does not keep. */
function sameScores(seen: readonly Visit[], written: readonly Visit[]): boolean {
  return (
    seen.length === written.length && seen.every(({ score }, i) => Math.fround(score) === written[i].score)
  );
}

export function createScoring(session: OcclusionSession, refresh: () => void, signal: AbortSignal): Scoring {
  let { answer, history, photo, status } = session.state;
  let kept = answer;
  let question = questionOf(session.state);
  let visits: Visit[] = [...history];
  let error: Scoring["error"] = null;
  let fault = "";
  /** What the kernel has been asked for beside places, until a sign that it has heard. */
  let asked: object | null = null;
  let resting = true;
  let restless = false;
  let moving: ReturnType<typeof setTimeout> | undefined;
  let unpainted: { readonly id: number; readonly since: number } | null = null;

  /** What was asked with each request: the question may be another one when its answer comes. */
  const questions = new WeakMap<Sent<Place>, string>();
  const flight = createFlight<Place>((request) => {
    const { id, boxes, active } = request;
    questions.set(request, questionOf({ ...session.state, boxes, active }));
    session.send({ kind: "place", id, boxes, active });
  }, signal);

  const settle = () => {
    if (moving !== undefined || flight.current) return;
    resting = true;
    if (restless) session.send({ kind: "rest" });
    restless = false;
  };
  const stir = () => {
    resting = false;
    clearTimeout(moving);
    moving = setTimeout(() => {
      moving = undefined;
      settle();
      refresh();
    }, REST_AFTER);
  };
  signal.addEventListener("abort", () => clearTimeout(moving), { once: true });

  const take = (news: Answer, request: Sent<Place> | null) => {
    answer = news;
    error = null;
    const box = news.hidden[news.active] ?? news.boxes[news.active];
    const { state } = session;
    const current = !request || questions.get(request) === questionOf(state);
    if (box && current && news.target.index === state.target) visits.push({ box, score: news.score });
    if (moving === undefined) stir();
  };

  session.listen((content) => {
    try {
      const reply = readReply(content);
      if (!reply) return;
      fault = "";
      asked = null;
      const done = flight.answer(reply.id);
      if (reply.kind === "answer") {
        take(reply.answer, done);
        unpainted = done;
      } else if (reply.kind === "error" && (done || reply.id === UNASKED)) {
        error = { text: reply.error, remedy: reply.remedy };
      }
      settle();
    } catch (problem) {
      if (!(problem instanceof ProtocolError)) throw problem;
      fault = problem.message;
    }
    refresh();
  });

  session.subscribe(() => {
    const { state } = session;
    const now = questionOf(state);
    if (now !== question || state.photo !== photo) {
      if (state.photo !== photo) answer = null;
      question = now;
      photo = state.photo;
      visits = [];
    }
    if (state.status !== status) {
      status = state.status;
      asked = null;
    }
    if (state.history !== history) {
      history = state.history;
      if (!sameScores(visits, history)) visits = [...history];
    }
    if (state.answer !== kept) {
      kept = state.answer;
      // Mid-flight it is older than what the next reply brings; taken back, a new one is on its way.
      if (kept && !flight.current) answer = kept;
    }
  });

  return {
    flight,
    get answer() {
      return answer;
    },
    get visits() {
      return visits;
    },
    get error() {
      return error;
    },
    get fault() {
      return fault;
    },
    get owed() {
      return flight.owed ?? asked;
    },
    get still() {
      return moving === undefined;
    },
    get resting() {
      return resting;
    },
    move(place) {
      const { boxes, active } = place;
      restless = true;
      stir();
      session.show({ boxes, active });
      flight.place(place);
    },
    change(changes) {
      asked = {};
      session.put(changes);
      refresh();
    },
    ask(kind) {
      asked = {};
      session.send({ kind });
      refresh();
    },
    forget() {
      visits = [];
      session.send({ kind: "forget" });
      refresh();
    },
    painted() {
      if (unpainted && answer)
        measured("cnnw:score", unpainted.since, { id: answer.id, boxes: answer.boxes });
      unpainted = null;
    },
  };
}
