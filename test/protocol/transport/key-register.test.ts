import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  addKey,
  EndpointConfigError,
  generateKeyPair,
  listKeys,
  readAuthorizedKeys,
  revokeKey,
} from "../../../protocol/transport/index.ts";
import { until } from "./echo-link.ts";

let parent = "";
let dir = "";
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "key-register-"));
  dir = join(parent, "authorized");
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

const newKey = () => generateKeyPair().publicKey;
const states = () =>
  listKeys(dir).map(({ name, state, publicKey }) => ({ name, state, publicKey }));

describe("the register of slaves' keys", { timeout: 15_000 }, () => {
  it("keeps what a key may do, and changes it when it is said again", () => {
    const key = newKey();
    const view = () => readAuthorizedKeys(dir).find(key);
    expect(addKey(dir, "alice", key, "watch")).toBe("added");
    expect(view()).toEqual({ name: "alice", publicKey: key, right: "watch" });
    expect(addKey(dir, "alice", key, "watch")).toBe("known");
    expect(addKey(dir, "alice", key, "control")).toBe("changed");
    expect(view()?.right).toBe("control");
    expect(readdirSync(dir)).toEqual(["alice.pub"]);
    expect(listKeys(dir)).toMatchObject([{ name: "alice", right: "control" }]);
    revokeKey(dir, "alice");
    expect(() => addKey(dir, "alice", key, "watch")).toThrow(/was revoked/);
  });

  it("adds a key once, in a folder that it makes, and the master's view of it lets the key in", () => {
    const key = newKey();
    expect(addKey(dir, "board-1", key)).toBe("added");
    expect(addKey(dir, "board-1", key)).toBe("known");
    expect(readdirSync(dir)).toEqual(["board-1.pub"]);
    expect(readAuthorizedKeys(dir).find(key)?.name).toBe("board-1");
    expect(states()).toEqual([{ name: "board-1", state: "authorised", publicKey: key }]);
    expect(Math.abs(Date.now() - (listKeys(dir)[0]?.sinceAtMs ?? 0))).toBeLessThan(60_000);
  });

  it.each([
    { name: "", says: /cannot be a key's name/ },
    { name: "../board", says: /cannot be a key's name/ },
    { name: ".hidden", says: /cannot be a key's name/ },
    { name: "-v", says: /cannot be a key's name/ },
    { name: "board-1.pub", says: /cannot be a key's name/ },
    { name: "a\nb", says: /cannot be a key's name/ },
    { name: "a".repeat(101), says: /cannot be a key's name/ },
  ])("refuses the name $name and writes nothing", ({ name, says }) => {
    expect(() => addKey(dir, name, newKey())).toThrow(says);
    expect(existsSync(dir)).toBe(false);
  });

  it("refuses what is no key, a name that is taken, and a key that has another name", () => {
    const key = newKey();
    addKey(dir, "board-1", key);
    expect(() => addKey(dir, "board-2", "no key")).toThrow(/neither a public key/);
    expect(() => addKey(dir, "board-1", newKey())).toThrow(/has another key already/);
    expect(() => addKey(dir, "board-2", key)).toThrow(/authorised already, as board-1/);
    expect(readdirSync(dir)).toEqual(["board-1.pub"]);
  });

  it("does not make a folder within a folder that is not there: it would be one that no master reads", () => {
    const wrong = join(parent, "wrong", "authorized");
    expect(() => addKey(wrong, "board-1", newKey())).toThrow(EndpointConfigError);
    expect(existsSync(wrong)).toBe(false);
  });

  it("revokes a key under all its names, and refuses it from then on", async () => {
    const key = newKey();
    const other = newKey();
    addKey(dir, "board-1", key);
    addKey(dir, "board-2", other);
    writeFileSync(join(dir, "again.pub"), `${key}\n`);
    const view = readAuthorizedKeys(dir);
    expect(revokeKey(dir, "board-1").sort()).toEqual(["again", "board-1"]);
    await until(() => !view.isAuthorised(key), "the view follows");
    expect(view.isAuthorised(other)).toBe(true);
    expect(revokeKey(dir, "board-1")).toEqual([]);
    expect(() => addKey(dir, "board-3", key)).toThrow(/was revoked.*make a new one/);
    expect(states()).toEqual([
      { name: "board-2", state: "authorised", publicKey: other },
      { name: "again", state: "revoked", publicKey: key },
      { name: "board-1", state: "revoked", publicKey: key },
    ]);
  });

  it("lets a revoked key in again only when it is removed from the folder revoked", async () => {
    const key = newKey();
    addKey(dir, "board-1", key);
    revokeKey(dir, "board-1");
    writeFileSync(join(dir, "board-1.pub"), `${key}\n`);
    const view = readAuthorizedKeys(dir);
    expect(view.isAuthorised(key)).toBe(false);
    expect(states().map(({ state }) => state)).toEqual(["revoked", "revoked"]);
    rmSync(join(dir, "revoked", "board-1.pub"));
    await until(() => view.isAuthorised(key), "it is trusted again");
  });

  it("keeps each key that a name has had", () => {
    const keys = [newKey(), newKey(), newKey()];
    for (const key of keys) {
      addKey(dir, "board-1", key);
      revokeKey(dir, "board-1");
    }
    expect(new Set(states().map(({ publicKey }) => publicKey))).toEqual(new Set(keys));
    expect(states().every(({ state }) => state === "revoked")).toBe(true);
  });

  it("finishes a revocation that was cut off between its two steps", () => {
    const key = newKey();
    addKey(dir, "board-1", key);
    const text = readFileSync(join(dir, "board-1.pub"));
    revokeKey(dir, "board-1");
    writeFileSync(join(dir, "board-1.pub"), text);
    expect(readAuthorizedKeys(dir).isAuthorised(key)).toBe(false);
    expect(revokeKey(dir, "board-1")).toEqual(["board-1"]);
    expect(readdirSync(dir)).toEqual(["revoked"]);
    expect(readdirSync(join(dir, "revoked"))).toEqual(["board-1.pub"]);
  });

  it("shows a file that holds no key, and takes it away", () => {
    mkdirSync(dir);
    writeFileSync(join(dir, "broken.pub"), "not a key\n");
    expect(states()).toEqual([{ name: "broken", state: "damaged", publicKey: undefined }]);
    revokeKey(dir, "broken");
    expect(readdirSync(dir)).toEqual(["revoked"]);
  });

  it("says which name it does not know, and that a folder cannot be read", () => {
    addKey(dir, "board-1", newKey());
    expect(() => revokeKey(dir, "board-2")).toThrow(/is called "board-2"/);
    expect(() => listKeys(join(parent, "none"))).toThrow(/cannot read the authorised keys/);
  });
});

describe("the directory of authorised keys", { timeout: 15_000 }, () => {
  it("is refused where anybody may write to it", () => {
    mkdirSync(dir);
    chmodSync(dir, 0o777);
    expect(() => readAuthorizedKeys(dir)).toThrow(/chmod o-w/);
    expect(() => addKey(dir, "board-1", newKey())).toThrow(/chmod o-w/);
  });

  it("lets nobody in while the folder of revoked keys cannot be read", () => {
    const key = newKey();
    addKey(dir, "board-1", key);
    writeFileSync(join(dir, "revoked"), "no folder");
    expect(() => readAuthorizedKeys(dir)).toThrow(EndpointConfigError);
  });

  it("refuses a revoked key whose file was put back also when the revoked one cannot be read", async () => {
    const key = newKey();
    addKey(dir, "board-1", key);
    const view = readAuthorizedKeys(dir);
    revokeKey(dir, "board-1");
    await until(() => !view.mayStay(key), "it is sent away");
    const revoked = join(dir, "revoked", "board-1.pub");
    rmSync(revoked);
    // To root no file is unreadable but one that leads to itself.
    symlinkSync("board-1.pub", revoked);
    writeFileSync(join(dir, "board-1.pub"), `${key}\n`);
    expect(() => readAuthorizedKeys(dir)).toThrow(/cannot read the directory of authorised keys/);
    expect(() => addKey(dir, "board-2", key)).toThrow(/cannot read the authorised keys/);
    rmSync(revoked);
    await until(() => view.isAuthorised(key), "it is trusted again");
  });

  it("can be read by its master, whatever umask the person who changes it has", () => {
    const before = process.umask(0o077);
    try {
      addKey(dir, "board-1", newKey());
      addKey(dir, "board-2", newKey());
      revokeKey(dir, "board-1");
    } finally {
      process.umask(before);
    }
    const modeOf = (...path: string[]) => statSync(join(dir, ...path)).mode & 0o777;
    expect([modeOf(), modeOf("revoked")]).toEqual([0o755, 0o755]);
    expect([modeOf("board-2.pub"), modeOf("revoked", "board-1.pub")]).toEqual([0o644, 0o644]);
  });

  it.skipIf(process.getuid?.() !== 0)(
    "what root makes in it belongs to its owner (only root can give away)",
    () => {
      mkdirSync(dir);
      chownSync(dir, 1234, 1234);
      addKey(dir, "board-1", newKey());
      revokeKey(dir, "board-1");
      const owners = ["revoked", join("revoked", "board-1.pub")].map(
        (path) => statSync(join(dir, path)).uid,
      );
      expect(owners).toEqual([1234, 1234]);
    },
  );
});
