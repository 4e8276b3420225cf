/** `[hook:NAME]` sections: what they mean, and the one line for each that means nothing. */
import { describe, expect, it } from "vitest";
import { type HookSettings, parseHook } from "../../config/hooks.ts";
import { parseIni } from "../../config/ini-file.ts";

function read(text: string): HookSettings {
  const [section] = parseIni(text, "FILE");
  if (section === undefined) throw new Error("no section");
  return parseHook(section, "FILE");
}

describe("[hook:NAME]", () => {
  it("is a command with its words, or for a shell", () => {
    expect(read("[hook:mail]\nevents = built, failed\ncommand = /usr/bin/x  -v\n")).toEqual({
      ...{ name: "mail", events: ["built", "failed"], match: [], timeoutMs: 30_000 },
      action: { kind: "command", argv: ["/usr/bin/x", "-v"] },
    });
    expect(read("[hook:m]\nevents = removed\ncommand = shell!cat | mail -s 'x' me").action).toEqual(
      {
        kind: "command",
        argv: ["/bin/sh", "-c", "cat | mail -s 'x' me"],
      },
    );
  });

  it("is a webhook, with a secret or without", () => {
    const text =
      "[hook:chat]\nevents = slave-lost disk-low\nmatch = numpy cp311-*/sci*\nurl = https://chat.example/x?y=1\nsecret-file = /etc/secret\ntimeout = 5s";
    expect(read(text)).toEqual({
      ...{ name: "chat", events: ["slave-lost", "disk-low"], match: ["numpy", "cp311-*/sci*"] },
      action: {
        ...{ kind: "webhook", url: "https://chat.example/x?y=1", secretFile: "/etc/secret" },
      },
      timeoutMs: 5_000,
    });
  });

  it.each([
    ["[hook:a b]\nevents = built\ncommand = x", 'FILE, line 1: "a b" is no name for a hook'],
    ["[hook:a]\ncommand = x", 'FILE, line 1: [hook:a] needs a key "events"'],
    [
      "[hook:a]\nevents = build\ncommand = x",
      'FILE, line 2: events: "build" never happens; the nearest that does is "built"',
    ],
    ["[hook:a]\nevents = built", 'FILE, line 1: [hook:a] needs either "command" or "url"'],
    [
      "[hook:a]\nevents = built\nurl = https://x\ncommand = y",
      'FILE, line 1: [hook:a] needs either "command" or "url"',
    ],
    ["[hook:a]\nevents = built\nurl = ftp://x", 'FILE, line 3: url: "ftp://x" is no http://'],
    ["[hook:a]\nevents = built\ncommand = shell!", "FILE, line 3: command: it is empty"],
    [
      "[hook:a]\nevents = built\ncommand = x\nsecret-file = /x",
      "FILE, line 4: secret-file goes with url",
    ],
    [
      "[hook:a]\nevents = built\nurl = https://x\nsecret-file = x",
      'FILE, line 4: secret-file: "x" is no absolute path',
    ],
    ["[hook:a]\nevents = built\nurl = https://x\nmatch = a/b/c", 'FILE, line 4: match: "a/b/c" is'],
    ["[hook:a]\nevents = built\nurl = https://x\ntimeout = 1h", "FILE, line 4: timeout: ten min"],
    [
      "[hook:a]\nevents = built\nurl = https://x\nsecretfile = x",
      'FILE, line 4: unknown key "secretfile" in [hook:a]; the nearest known one is "secret-file"',
    ],
  ])("%j is refused with one line", (text, line) => {
    expect(() => read(text)).toThrow(line);
  });
});
