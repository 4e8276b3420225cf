import { expect, test } from "vitest";
import { systemClock } from "../../supervisor/clock.ts";
import { type Due, setDeadline } from "../../supervisor/deadlines.ts";
import { currentScope, inScope, type Scope } from "../../supervisor/scope.ts";
import { VirtualClock } from "../../supervisor/virtual-clock.ts";

/** Resolves when its deadline has passed; `late` says in what scope, and how long after it was set. */
function waiter() {
  const setAtMs = performance.now();
  let tell: (late: { readonly afterMs: number; readonly scope: Scope | undefined }) => void;
  const late = new Promise<{ readonly afterMs: number; readonly scope: Scope | undefined }>(
    (resolve) => {
      tell = resolve;
    },
  );
  const due: Due = {
    deadlinePassed: () => tell({ afterMs: performance.now() - setAtMs, scope: currentScope() }),
  };
  return { due, late };
}

function scopeOf(path: string): Scope {
  const { signal } = new AbortController();
  return { owner: { path, number: 1, signal, crash: () => false }, isLive: true };
}

test("a deadline passes not before its time", async () => {
  const { due, late } = waiter();
  setDeadline(systemClock, 20, due);
  expect((await late).afterMs).toBeGreaterThanOrEqual(20);
});

test("one that is set while another of the same length waits has its whole time", async () => {
  const first = waiter();
  setDeadline(systemClock, 30, first.due);
  const between = waiter();
  setDeadline(systemClock, 15, between.due);
  await between.late;
  const second = waiter();
  setDeadline(systemClock, 30, second.due);
  expect((await first.late).afterMs).toBeGreaterThanOrEqual(30);
  expect((await second.late).afterMs).toBeGreaterThanOrEqual(30);
});

test.each([
  ["the first", 0],
  ["one in the middle", 2],
  ["the last", 4],
])(
  "%s of five that was cancelled does not pass, the others do in order",
  async (_what, cancelled) => {
    const passed: number[] = [];
    const deadlines = [0, 1, 2, 3, 4].map((n) =>
      setDeadline(systemClock, 25, { deadlinePassed: () => passed.push(n) }),
    );
    deadlines[cancelled]?.cancel();
    const { due, late } = waiter();
    setDeadline(systemClock, 25, due);
    // Twice is as once, and takes out nobody who came after.
    deadlines[cancelled]?.cancel();
    await late;
    expect(passed).toEqual([0, 1, 2, 3, 4].filter((n) => n !== cancelled));
  },
);

test("after all of a length were cancelled the next one still passes", async () => {
  const cancelled: number[] = [];
  for (const n of [1, 2])
    setDeadline(systemClock, 22, { deadlinePassed: () => cancelled.push(n) }).cancel();
  const { due, late } = waiter();
  setDeadline(systemClock, 22, due);
  expect((await late).afterMs).toBeGreaterThanOrEqual(22);
  expect(cancelled).toEqual([]);
});

test("what is set when one passes, or cancelled by it, is treated alike", async () => {
  const { due, late } = waiter();
  const passed: string[] = [];
  setDeadline(systemClock, 21, {
    deadlinePassed: () => {
      passed.push("first");
      second.cancel();
      setDeadline(systemClock, 21, due);
    },
  });
  const second = setDeadline(systemClock, 21, { deadlinePassed: () => passed.push("second") });
  expect((await late).afterMs).toBeGreaterThanOrEqual(42);
  expect(passed).toEqual(["first"]);
});

test("each is told in the scope in which it was set, whoever came first", async () => {
  const scopes = [scopeOf("/a"), scopeOf("/b")];
  const waiters = scopes.map(() => waiter());
  const nobody = waiter();
  scopes.forEach((scope, n) => {
    const one = waiters[n];
    if (one) inScope(scope, () => setDeadline(systemClock, 23, one.due));
  });
  setDeadline(systemClock, 23, nobody.due);
  const late = await Promise.all(waiters.map((one) => one.late));
  expect(late.map(({ scope }) => scope)).toEqual(scopes);
  expect((await nobody.late).scope).toBeUndefined();
});

test("more different lengths than have a list of their own all pass", async () => {
  const lengths = Array.from({ length: 100 }, (_, n) => 10 + n / 8);
  const waiters = lengths.map((lengthMs) => {
    const one = waiter();
    setDeadline(systemClock, lengthMs, one.due);
    return one;
  });
  expect(await Promise.all(waiters.map((one) => one.late))).toHaveLength(100);
});

test("on a virtual clock they pass when it is moved there", async () => {
  const clock = new VirtualClock();
  const passed: string[] = [];
  setDeadline(clock, 1_000, { deadlinePassed: () => passed.push("kept") });
  setDeadline(clock, 1_000, { deadlinePassed: () => passed.push("cancelled") }).cancel();
  await clock.advance(999);
  expect(passed).toEqual([]);
  await clock.advance(1);
  expect(passed).toEqual(["kept"]);
});
