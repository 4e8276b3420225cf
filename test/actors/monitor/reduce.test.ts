import { describe, expect, test } from "vitest";
import { dialogBox } from "../../../actors/monitor/state/dialog-box.ts";
import { layoutOf } from "../../../actors/monitor/state/layout.ts";
import { interestOf } from "../../../actors/monitor/state/monitor-state.ts";
import { building, farm, slave, task, watching } from "./shown-farm.ts";

const many = Array.from({ length: 500 }, (_, at) => slave(at + 1));

describe("keys that could do harm", () => {
  test("ask first, and do nothing unless the answer is yes", () => {
    for (const refusal of ["n", "escape", "enter", "q"]) {
      const monitor = watching(farm([building(1)])).press("down", "k");
      expect(monitor.state.dialog).toMatchObject({ kind: "confirm", question: "Kill slave-1?" });
      monitor.press(refusal);
      expect(monitor.state.dialog).toBeNull();
      expect(monitor.effects).toEqual([]);
    }
  });

  test("send the order once it is confirmed, and show what became of it", () => {
    const monitor = watching(farm([building(1)])).press("down", "k", "y");
    const order = { type: "STEER", action: "kill", whom: { id: 1, label: "slave-1" } };
    expect(monitor.effects).toEqual([{ kind: "order", id: 1, order }]);
    expect(monitor.notice).toBe("kill slave-1: asked the master…");
    monitor.take({ kind: "answered", id: 1, isDone: true, text: "told to end" });
    expect(monitor.notice).toBe("kill slave-1: done: told to end");
  });

  test("mean whom was asked about, also when the list has changed meanwhile", () => {
    const monitor = watching(farm([building(1), building(2)])).press("down", "k");
    monitor.take({ kind: "farm", view: farm([building(2)]) });
    monitor.press("y");
    expect(monitor.effects).toMatchObject([{ order: { whom: { id: 1 } } }]);
  });

  test.each([
    ["t", "Terminate the master?"],
    ["p", "Pause all tasks?"],
    ["S", "Put all slaves to sleep?"],
  ])("%s asks: %s", (key, question) => {
    const monitor = watching(farm([slave(1)])).press(key);
    expect(monitor.state.dialog).toMatchObject({ kind: "confirm", question });
    expect(monitor.press("left", "enter").effects).toHaveLength(1);
  });

  test("is not the wrong slave: without one chosen nothing is sent", () => {
    const monitor = watching(farm([slave(1)])).press("k", "s", "z", "w");
    expect(monitor.effects).toEqual([]);
    expect(monitor.notice).toContain("choose a slave first");
  });

  test("skip needs a build in hand", () => {
    const monitor = watching(farm([slave(1)])).press("down", "s");
    expect(monitor.notice).toBe("skip: it has no build in hand");
    expect(watching(farm([building(1)])).press("down", "s", "y").effects).toHaveLength(1);
  });

  test("are not taken from a paste", () => {
    const monitor = watching(farm([building(1)])).press("down");
    monitor.take({ kind: "input", input: { kind: "paste", text: "ky" } });
    expect(monitor.effects).toEqual([]);
    expect(monitor.state.dialog).toBeNull();
  });
});

describe("orders", () => {
  test("that are harmless are sent at once", () => {
    const monitor = watching(farm([slave(1, { isAsleep: true })])).press("down", "w", "z", "r");
    expect(monitor.effects.map((effect) => effect.kind === "order" && effect.order)).toMatchObject([
      { type: "STEER", action: "wake" },
      { type: "STEER", action: "sleep" },
      { type: "RESUME", task: "*" },
    ]);
  });

  test("are refused with the reason while the master is away", () => {
    const { connection } = farm([]);
    const away = farm([slave(1)], { connection: { ...connection, isHere: false } });
    const monitor = watching(away).press("down", "w");
    expect(monitor.effects).toEqual([]);
    expect(monitor.notice).toBe("wake slave-1: refused: the master is away");
  });

  test.each([
    [false, "wake slave-1: refused: it is not here"],
    [null, "wake slave-1: no answer: it is not here"],
  ])("whose answer is %s say so", (isDone, notice) => {
    const monitor = watching(farm([slave(1)])).press("down", "w");
    monitor.take({ kind: "answered", id: 1, isDone, text: "it is not here" });
    expect(monitor.notice).toBe(notice);
  });

  test("in the tree are for the selected task", () => {
    const tasks = [task("/services/farm/architect"), task("/services/publishing/scribe")];
    const monitor = watching(farm([], { tasks })).press("3", "tab", "down", "p");
    expect(monitor.effects).toMatchObject([{ order: { type: "PAUSE", task: "scribe" } }]);
    monitor.press("l", "down", "down", "down", "enter");
    const order = { type: "LOG_LEVEL", task: "scribe", level: "debug" };
    expect(monitor.effects.at(-1)).toMatchObject({ order });
  });

  test("are in a menu, and those that could do harm ask there too", () => {
    const monitor = watching(farm([building(1)])).press("down", "enter");
    const { dialog } = monitor.state;
    const labels = dialog?.kind === "menu" ? dialog.items.map(({ label }) => label) : [];
    expect(labels.slice(0, 3)).toEqual(["Skip the build of numpy", "Put to sleep", "Kill"]);
    monitor.press("down", "down", "enter");
    expect(monitor.state.dialog).toMatchObject({ question: "Kill slave-1?" });
    expect(monitor.effects).toEqual([]);
  });
});

describe("the list", () => {
  test("keeps the selected one in sight", () => {
    const monitor = watching(farm(many)).press("end");
    const { list } = layoutOf(monitor.state.size, 501);
    expect(monitor.state.selected).toBe(500);
    expect(monitor.state.top).toBe(501 - list.height);
    monitor.press("home");
    expect([monitor.state.selected, monitor.state.top]).toEqual(["master", 0]);
    monitor.press("pagedown");
    expect(monitor.state.selected).toBe(list.height - 1);
  });

  test("keeps the selection with the slave, wherever it moves to", () => {
    const monitor = watching(farm([slave(1), slave(2)])).press("down", "down");
    monitor.take({ kind: "farm", view: farm([slave(2), slave(1)]) });
    expect(monitor.state.selected).toBe(2);
    monitor.take({ kind: "farm", view: farm([slave(1)]) });
    expect(monitor.state.selected).toBe("master");
  });

  test("shows what fits the filter, and the keys typed for it are no orders", () => {
    const monitor = watching(farm([...many, building(501)])).press("/", ..."numpy".split(""));
    expect(monitor.state.selected).toBe(501);
    expect(monitor.press("enter").state).toMatchObject({ filter: "numpy", isFiltering: false });
    expect(monitor.press("escape").state.filter).toBe("");
    expect(monitor.effects).toEqual([]);
    monitor.press("/", "k", "backspace", "x", "ctrl-u", "q", "escape");
    expect(monitor.state).toMatchObject({ filter: "", isFiltering: false });
    expect(monitor.effects).toEqual([]);
  });
});

describe("the mouse", () => {
  test("selects a line, and opens it at the second click", () => {
    const monitor = watching(farm([slave(1), slave(2)]));
    const { list } = layoutOf(monitor.state.size, 3);
    monitor.click(5, list.y + 2);
    expect(monitor.state.selected).toBe(2);
    expect(monitor.click(5, list.y + 2).state.dialog).toMatchObject({ title: "slave-2" });
    expect(monitor.click(0, 0).state.dialog).toBeNull();
  });

  test("chooses a tab, scrolls the list, answers a question", () => {
    const monitor = watching(farm(many));
    const { tabs, list } = layoutOf(monitor.state.size, 501);
    expect(monitor.click(tabs.x + 24, tabs.y).state.tab).toBe("tasks");
    const wheel = { kind: "mouse", what: "wheel-down", column: 1, row: list.y } as const;
    monitor.take({ kind: "input", input: wheel });
    expect(monitor.state.selected).toBe(3);
    const { dialog } = monitor.press("k").state;
    if (dialog === null) throw new Error("there is no question");
    const { rect, lines } = dialogBox(dialog, monitor.state.size);
    const row = rect.y + lines.length;
    const column = rect.x + 2 + (lines.at(-1)?.text.indexOf("[ Yes ]") ?? 0);
    expect(monitor.click(column + 1, row).effects).toHaveLength(1);
  });
});

describe("the log", () => {
  test("is asked for while its tab is open, of the build in hand", () => {
    const monitor = watching(farm([building(1)])).press("down");
    expect(interestOf(monitor.state).log).toBeNull();
    expect(interestOf(monitor.press("2").state).log).toMatchObject({ token: 7 });
  });

  test("follows its end, and stands still for who has scrolled up", () => {
    const monitor = watching(farm([building(1)])).press("down", "2", "tab");
    const say = (text: string) =>
      monitor.take({ kind: "log-goes-on", token: 7, text, trouble: null, isEnd: false });
    monitor.take({ kind: "log-begins", token: 7, title: "numpy" });
    say("line\n".repeat(100));
    monitor.press("up", "up");
    expect(monitor.state.scroll.log).toBe(2);
    say("more\n".repeat(10));
    expect(monitor.state.scroll.log).toBe(12);
    expect(monitor.press("end").state.scroll.log).toBe(0);
  });

  test("of another build is not mixed with it", () => {
    const monitor = watching(farm([building(1)]));
    monitor.take({ kind: "log-begins", token: 8, title: "" });
    monitor.take({ kind: "log-goes-on", token: 7, text: "old\n", trouble: null, isEnd: true });
    expect(monitor.state.log).toMatchObject({ token: 8, lines: [], isEnd: false });
  });
});

test("q and Ctrl-C end the monitor, also while it asks something", () => {
  expect(watching(farm([])).press("q").effects).toEqual([{ kind: "quit" }]);
  expect(watching(farm([])).press("t", "ctrl-c").effects).toEqual([{ kind: "quit" }]);
});
