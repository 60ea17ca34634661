import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createFlight, LOST_AFTER, OVERDUE_AFTER, type Sent } from "../src/flight";
import type { Place } from "../src/occlusion_state";
import type { Box } from "../src/protocol";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

function flying() {
  const sent: Sent<Place>[] = [];
  const life = new AbortController();
  const flight = createFlight<Place>((request) => sent.push(request), life.signal);
  const place = (x: number) => flight.place({ boxes: [[x, 0, x + 1, 1] as Box], active: 0 });
  const at = () => sent.map(({ boxes }) => boxes[0][0]);
  const last = () => sent[sent.length - 1];
  return { sent, flight, place, at, last, life };
}

test("one is in flight, one waits, the latest", () => {
  const { flight, place, at, last } = flying();
  for (let x = 0; x < 1_000; x++) place(x);
  expect(at()).toEqual([0]);
  expect(flight.waiting?.boxes).toEqual([[999, 0, 1_000, 1]]);
  expect(flight.answer(last().id)?.boxes).toEqual([[0, 0, 1, 1]]);
  expect(at()).toEqual([0, 999]);
  expect(flight.answer(last().id)?.boxes).toEqual([[999, 0, 1_000, 1]]);
  expect([flight.current, flight.waiting, flight.sent, flight.answered]).toEqual([null, null, 2, 2]);
});

test("every request has an id of its own, and another view's answers change nothing", () => {
  const { sent, flight, place, last } = flying();
  const other = flying();
  place(1);
  other.place(1);
  expect(last().id).not.toBe(other.last().id);
  expect(flight.answer(other.last().id)).toBe(null);
  place(2);
  expect(sent.length).toBe(1);
});

test("an overdue answer lets the newest place go out once, and no more for a long time", () => {
  const { flight, place, at } = flying();
  place(1);
  vi.advanceTimersByTime(OVERDUE_AFTER - 1);
  place(2);
  expect(at()).toEqual([1]);
  vi.advanceTimersByTime(1);
  expect(at()).toEqual([1, 2]);
  const owed = flight.owed;
  expect(owed).not.toBe(null);
  for (let x = 3; x < 1_000; x++) {
    place(x);
    vi.advanceTimersByTime(LOST_AFTER / 1_000);
  }
  expect(at()).toEqual([1, 2]);
  expect(flight.owed).toBe(owed);
  vi.advanceTimersByTime(LOST_AFTER);
  expect(at()).toEqual([1, 2, 999]);
});

test("late answers free the flight: at no time are more than two without one", () => {
  const { sent, flight, place, at } = flying();
  place(1);
  place(2);
  vi.advanceTimersByTime(OVERDUE_AFTER);
  place(3);
  expect(at()).toEqual([1, 2]);
  expect(flight.answer(sent[0].id)).toBe(sent[0]);
  expect([at(), flight.current]).toEqual([[1, 2], sent[1]]);
  expect(flight.answer(sent[1].id)).toBe(sent[1]);
  expect([at(), flight.current]).toEqual([[1, 2, 3], sent[2]]);
  expect(flight.answer(sent[2].id)).toBe(sent[2]);
  expect([flight.current, flight.owed, flight.sent, flight.answered]).toEqual([null, null, 3, 3]);
});

test("an answer to the second request says that the first was lost", () => {
  const { sent, flight, place, at } = flying();
  place(1);
  place(2);
  vi.advanceTimersByTime(OVERDUE_AFTER);
  place(3);
  expect(flight.answer(sent[1].id)).toBe(sent[1]);
  expect(at()).toEqual([1, 2, 3]);
  expect([flight.answer(sent[0].id), flight.current]).toEqual([null, sent[2]]);
});

test("after a sign of life patience begins anew", () => {
  const { sent, flight, place, at } = flying();
  place(1);
  place(2);
  vi.advanceTimersByTime(OVERDUE_AFTER);
  place(3);
  const owed = flight.owed;
  flight.answer(sent[0].id);
  expect(flight.owed).not.toBe(owed);
  vi.advanceTimersByTime(OVERDUE_AFTER - 1);
  expect(at()).toEqual([1, 2]);
  vi.advanceTimersByTime(1);
  expect(at()).toEqual([1, 2, 3]);
});

test("without a newer place an overdue request is not repeated", () => {
  const { place, at } = flying();
  place(1);
  vi.advanceTimersByTime(60_000);
  expect(at()).toEqual([1]);
  place(2);
  expect(at()).toEqual([1, 2]);
});

test("after the end nothing is sent any more", () => {
  const { place, at, life } = flying();
  place(1);
  place(2);
  life.abort();
  vi.advanceTimersByTime(60_000);
  place(3);
  expect(at()).toEqual([1]);
});
