import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isHelloProven, proveHello } from "../../../protocol/transport/hello-proof.ts";
import {
  EndpointConfigError,
  generateKeyPair,
  readAuthorizedKeys,
  readKeyFile,
  readPublicKeyFile,
  writeKeyFile,
  writePublicKeyFile,
} from "../../../protocol/transport/index.ts";
import { decodeZ85Key, encodeZ85Key } from "../../../protocol/transport/z85.ts";
import { until } from "./echo-link.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "keys-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe("Z85", () => {
  it("writes the example of RFC 32 twice over as the RFC does", () => {
    const bytes = Buffer.from("864fd26fb559f75b".repeat(4), "hex");
    expect(encodeZ85Key(bytes)).toBe("HelloWorld".repeat(4));
    expect(decodeZ85Key("HelloWorld".repeat(4))).toEqual(bytes);
  });

  it.each([
    { text: "" },
    { text: "HelloWorld" },
    { text: `${"HelloWorld".repeat(3)}Hello Worl` },
    { text: "#".repeat(40) },
    { text: "é".repeat(40) },
  ])("finds no key in '$text'", ({ text }) => {
    expect(decodeZ85Key(text)).toBeUndefined();
  });
});

describe("a key pair's file", () => {
  it("is read back as it was written, and only its owner can read it", () => {
    const path = join(folder, "master.key");
    const pair = writeKeyFile(path);
    expect(readKeyFile(path)).toEqual(pair);
    expect(readPublicKeyFile(path)).toBe(pair.publicKey);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("is not overwritten", () => {
    const path = join(folder, "master.key");
    const pair = writeKeyFile(path);
    expect(() => writeKeyFile(path)).toThrow(EndpointConfigError);
    expect(readKeyFile(path)).toEqual(pair);
  });

  it.each([0o640, 0o604, 0o660])("is refused with mode %o", (mode) => {
    const path = join(folder, "master.key");
    writeKeyFile(path);
    chmodSync(path, mode);
    expect(() => readKeyFile(path)).toThrow(/chmod 600/);
  });

  it("is refused when its keys do not belong together, when it is missing, and when it is none", () => {
    const path = join(folder, "mixed.key");
    const { secretKey } = generateKeyPair();
    writeKeyFile(path, { secretKey, publicKey: generateKeyPair().publicKey });
    expect(() => readKeyFile(path)).toThrow(/damaged/);
    expect(() => readKeyFile(join(folder, "none"))).toThrow(/cannot read the key file/);
    expect(() => readKeyFile(folder)).toThrow(/not a key file/);
    writeFileSync(join(folder, "text"), "hello\n", { mode: 0o600 });
    expect(() => readKeyFile(join(folder, "text"))).toThrow(/piw keygen/);
  });
});

describe("a public key's file", () => {
  it("may hold comments", () => {
    const { publicKey } = generateKeyPair();
    writePublicKeyFile(join(folder, "a.pub"), publicKey, "slave a\nsecond line");
    expect(readFileSync(join(folder, "a.pub"), "utf8")).toBe(
      `# slave a second line\n${publicKey}\n`,
    );
    expect(readPublicKeyFile(join(folder, "a.pub"))).toBe(publicKey);
  });

  it("with two keys is refused: nobody can say which is meant", () => {
    const path = join(folder, "two.pub");
    writeFileSync(path, `${generateKeyPair().publicKey}\n${generateKeyPair().publicKey}\n`);
    expect(() => readPublicKeyFile(path)).toThrow(/no public key/);
  });
});

describe("the directory of authorised keys", { timeout: 15_000 }, () => {
  const put = (name: string) => {
    const { publicKey } = generateKeyPair();
    writePublicKeyFile(join(folder, name), publicKey, "a slave");
    return publicKey;
  };

  it("lets in the keys of its .pub files, by name, and nothing else", () => {
    const a = put("a.pub");
    const hidden = put(".hidden.pub");
    const backup = put("b.pub.bak");
    writeFileSync(join(folder, "broken.pub"), "not a key");
    mkdirSync(join(folder, "folder.pub"));
    const keys = readAuthorizedKeys(folder);
    expect(keys.list()).toEqual([{ name: "a", publicKey: a }]);
    expect(keys.find(a)?.name).toBe("a");
    for (const key of [hidden, backup, "", "not a key"]) expect(keys.isAuthorised(key)).toBe(false);
    expect(keys.damaged()).toEqual(["broken.pub", "folder.pub"]);
  });

  it("follows files that come and go without a restart", async () => {
    const keys = readAuthorizedKeys(folder);
    const late = put("late.pub");
    await until(() => keys.isAuthorised(late), "the new key counts");
    unlinkSync(join(folder, "late.pub"));
    await until(() => !keys.isAuthorised(late), "the removed key does not");
  });

  it("follows a file that was added under the directory's old time stamp", async () => {
    const stamp = new Date();
    utimesSync(folder, stamp, stamp);
    const keys = readAuthorizedKeys(folder);
    const late = put("late.pub");
    utimesSync(folder, stamp, stamp);
    await until(() => keys.isAuthorised(late), "the new key counts", 8_000);
  });

  it("follows a file that was edited in place", async () => {
    const old = put("a.pub");
    const longAgo = new Date(Date.now() - 3_600_000);
    utimesSync(folder, longAgo, longAgo);
    const keys = readAuthorizedKeys(folder, { readAllMs: 1_000 });
    const { publicKey } = generateKeyPair();
    writeFileSync(join(folder, "a.pub"), `${publicKey}\n`);
    await until(() => keys.isAuthorised(publicKey) && !keys.isAuthorised(old), "the change");
  });

  it("lets nobody in when it cannot be read any more, and says so at start", async () => {
    const inner = join(folder, "inner");
    mkdirSync(inner);
    const { publicKey } = generateKeyPair();
    writePublicKeyFile(join(inner, "a.pub"), publicKey);
    const keys = readAuthorizedKeys(inner);
    expect(keys.isAuthorised(publicKey)).toBe(true);
    rmSync(inner, { recursive: true });
    await until(() => !keys.isAuthorised(publicKey), "nobody");
    expect(() => readAuthorizedKeys(inner)).toThrow(EndpointConfigError);
  });

  it("sends away only whose key was seen to be gone, and says once that it cannot be read", async () => {
    const inner = join(folder, "inner");
    mkdirSync(inner);
    const [stays, goes] = [generateKeyPair().publicKey, generateKeyPair().publicKey];
    writePublicKeyFile(join(inner, "stays.pub"), stays);
    writePublicKeyFile(join(inner, "goes.pub"), goes);
    const failures: unknown[] = [];
    const keys = readAuthorizedKeys(inner, {
      readAllMs: 1_000,
      failed: (error) => failures.push(error),
    });
    renameSync(inner, join(folder, "away"));
    await until(() => !keys.isAuthorised(stays), "it cannot be read");
    const failedAt = performance.now();
    // Looked at again meanwhile.
    await until(() => performance.now() - failedAt > 1_100 && !keys.isAuthorised(stays), "again");
    expect([keys.mayStay(stays), keys.mayStay(goes)]).toEqual([true, true]);
    expect(failures).toHaveLength(1);
    rmSync(join(folder, "away", "goes.pub"));
    renameSync(join(folder, "away"), inner);
    await until(() => keys.isAuthorised(stays), "it can be read again");
    expect([keys.mayStay(stays), keys.mayStay(goes)]).toEqual([true, false]);
  });

  it("sends nobody away for a file that cannot be read, and does not let its key in", async () => {
    const key = put("a.pub");
    const keys = readAuthorizedKeys(folder, { readAllMs: 0 });
    unlinkSync(join(folder, "a.pub"));
    // To root no file is unreadable but one that leads to itself.
    symlinkSync("a.pub", join(folder, "a.pub"));
    await until(() => !keys.isAuthorised(key), "it is not let in");
    expect(keys.mayStay(key)).toBe(true);
    expect(keys.damaged()).toEqual(["a.pub"]);
  });
});

describe("the proof in HELLO", () => {
  const server = generateKeyPair();
  const client = generateKeyPair();
  const claim = {
    link: "slave",
    linkVersion: 1,
    epoch: "e",
    session: "session-1",
    slot: "main",
    publicKey: client.publicKey,
    nonce: Buffer.alloc(16, 1),
    routingId: Buffer.from("a".repeat(32)),
  };
  const proof = proveHello(claim, client.secretKey, server.publicKey);

  it("convinces the server that it was made for", () => {
    expect(isHelloProven(claim, proof, server.secretKey)).toBe(true);
    expect(isHelloProven(claim, proof, generateKeyPair().secretKey)).toBe(false);
  });

  it.each([
    { changed: { link: "files" } },
    { changed: { linkVersion: 2 } },
    { changed: { epoch: "f" } },
    { changed: { session: "session-2" } },
    { changed: { slot: "other" } },
    { changed: { publicKey: generateKeyPair().publicKey } },
    { changed: { nonce: Buffer.alloc(16, 2) } },
    { changed: { routingId: Buffer.from("b".repeat(32)) } },
    { changed: { publicKey: "0".repeat(40) } },
    { changed: { publicKey: "no key" } },
  ])("does not hold for $changed", ({ changed }) => {
    expect(isHelloProven({ ...claim, ...changed }, proof, server.secretKey)).toBe(false);
    expect(isHelloProven(claim, proof.subarray(1), server.secretKey)).toBe(false);
  });
});
