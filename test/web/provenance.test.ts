/** What the farm signs about a wheel, and who can check it: this program, openssl, nobody who changed a byte. */
import { execFileSync } from "node:child_process";
import { createHash, generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { preAuthenticationEncoding } from "../../web/provenance/dsse.ts";
import { writeNewSigningKey } from "../../web/provenance/new-signing-key.ts";
import { provenanceSchema, signProvenance } from "../../web/provenance/provenance.ts";
import { renderKeys } from "../../web/provenance/published-keys.ts";
import { readSigningKey } from "../../web/provenance/signing-key.ts";
import { readTrustedKeys, type TrustedKeys } from "../../web/provenance/trusted-keys.ts";
import { verifyProvenance } from "../../web/provenance/verify.ts";
import { builtFacts, makeTestKey, sha256Of } from "../support/signing.ts";

let own: Awaited<ReturnType<typeof makeTestKey>>;
let other: Awaited<ReturnType<typeof makeTestKey>>;
let keys: TrustedKeys;
let signed: Buffer;
const folder = mkdtempSync(join(tmpdir(), "ww-provenance-"));
const farmUrl = "https://farm.example";
const wheel = { filename: builtFacts.filename, sha256: builtFacts.sha256 };

beforeAll(async () => {
  [own, other] = [await makeTestKey(), await makeTestKey("Another farm")];
  keys = readTrustedKeys(own.publicPem, "own");
  signed = await signProvenance(builtFacts, own.key, farmUrl);
});
afterAll(() => {
  own.end();
  other.end();
  rmSync(folder, { recursive: true });
});

const parse = (bytes: Buffer) =>
  provenanceSchema.parse(JSON.parse(bytes.toString("utf8"))) as unknown as Loose;
const statementOf = (bytes: Buffer) =>
  JSON.parse(
    Buffer.from(envelopeOf(parse(bytes))["statement"] as string, "base64").toString(),
  ) as Record<string, unknown>;

/** A JSON value to be reached into and spoilt. */
interface Loose {
  [key: string]: unknown;
}
const at = (value: Loose, ...path: (string | number)[]): Loose =>
  path.reduce<Loose>((within, key) => within[key] as Loose, value);
const set = (within: Loose, key: string, value: unknown): void => {
  within[key] = value;
};
const attestationOf = (value: Loose) => at(value, "attestation_bundles", 0, "attestations", 0);
const envelopeOf = (value: Loose) => at(attestationOf(value), "envelope");
const spoilt = (spoil: (value: Loose) => void): Buffer => {
  const value = parse(signed);
  spoil(value);
  return Buffer.from(JSON.stringify(value));
};
/** Another statement under the signature that stands. */
const restated = (spoil: (statement: Loose) => void): Buffer =>
  spoilt((value) => {
    const statement = statementOf(signed);
    spoil(statement);
    envelopeOf(value)["statement"] = Buffer.from(JSON.stringify(statement)).toString("base64");
  });

describe("a wheel's provenance", () => {
  it("says from what, where, when and in what it was built, and which of it only the slave said", () => {
    expect(statementOf(signed)).toEqual({
      _type: "https://in-toto.io/Statement/v1",
      subject: [{ name: wheel.filename, digest: { sha256: wheel.sha256 } }],
      predicateType: "https://slsa.dev/provenance/v1",
      predicate: {
        buildDefinition: {
          buildType: "urn:wheelwright:build:v1",
          externalParameters: {
            package: "foo-bar",
            version: "1.0",
            target: "cp311-linux_x86_64",
            sdist: {
              name: "foo_bar-1.0.tar.gz",
              uri: "https://files.example/foo_bar-1.0.tar.gz",
              digest: { sha256: sha256Of("b") },
            },
          },
          internalParameters: {
            saidBySlave: {
              ...{ runner: "pip", sandbox: "bubblewrap", network: "index", durationMs: 61_000 },
              limits: { memoryBytes: 1_000_000, files: null },
            },
          },
          resolvedDependencies: [
            {
              name: "foo_bar-1.0.tar.gz",
              uri: "https://files.example/foo_bar-1.0.tar.gz",
              digest: { sha256: sha256Of("b") },
              annotations: { role: "sdist", saidBy: "master" },
            },
            {
              name: "setuptools",
              uri: "pkg:pypi/setuptools@70.0",
              digest: { sha256: sha256Of("d") },
              annotations: { role: "build-requirement", saidBy: "slave" },
            },
            {
              name: "wheel",
              uri: "pkg:pypi/wheel@0.43%2Blocal",
              annotations: { role: "build-requirement", saidBy: "slave" },
            },
          ],
        },
        runDetails: {
          builder: {
            id: farmUrl,
            version: { wheelwright: "0.1.0" },
            builderDependencies: [
              {
                name: "slave",
                uri: "urn:wheelwright:slave:z85-key%23of-a-slave",
                annotations: { publicKey: "z85-key#of-a-slave", saidBy: "master" },
              },
            ],
          },
          metadata: {
            invocationId: "77",
            startedOn: "2026-01-02T03:04:05.000Z",
            finishedOn: "2026-01-02T03:05:06.000Z",
            wheelwright_signedOn: expect.stringMatching(/^20\d\d-.*Z$/) as string,
          },
          byproducts: [
            {
              name: "logs/0000/0000/0077.txt.gz",
              uri: "https://farm.example/logs/0000/0000/0077.txt.gz",
              digest: { sha256: sha256Of("c") },
              mediaType: "text/plain",
            },
          ],
        },
      },
    });
  });

  it("claims nothing of a build for a wheel that was imported", async () => {
    const bytes = await signProvenance({ ...builtFacts, isImport: true }, own.key, farmUrl);
    expect(statementOf(bytes)).toMatchObject({
      predicateType: "urn:wheelwright:imported:v1",
      predicate: {
        ...{ farm: farmUrl, package: "foo-bar", version: "1.0", invocationId: "77" },
        importedOn: "2026-01-02T03:05:06.000Z",
      },
    });
    expect(JSON.stringify(statementOf(bytes))).not.toMatch(
      /sdist|slave|setuptools|cp311-linux_x86_64"/,
    );
    expect(verifyProvenance(bytes, wheel, keys).farm).toBe(farmUrl);
  });

  it("leaves out what is not known, and calls a farm without an address by its key", async () => {
    const bytes = await signProvenance(
      {
        ...builtFacts,
        ...{ sdist: null, log: null, productVersion: null, slaveIdentity: "local:5f0d" },
        said: { durationMs: null, environment: null, resolved: null },
      },
      own.key,
      undefined,
    );
    const { farm } = verifyProvenance(bytes, wheel, keys);
    expect(farm).toBe(`urn:wheelwright:farm:${own.key.id}`);
    expect(statementOf(bytes)).toMatchObject({
      predicate: {
        buildDefinition: { internalParameters: { saidBySlave: {} }, resolvedDependencies: [] },
        runDetails: {
          builder: {
            builderDependencies: [{ annotations: { publicKey: null, saidBy: "slave" } }],
          },
          byproducts: [],
        },
      },
    });
  });

  it("is signed as DSSE has it: openssl verifies the bytes with the key and with the certificate", () => {
    const value = parse(signed);
    const statement = Buffer.from(envelopeOf(value)["statement"] as string, "base64");
    const file = (name: string, contents: string | Buffer) => {
      writeFileSync(join(folder, name), contents);
      return join(folder, name);
    };
    // Written down here once more, from the words of the specification.
    const head = `DSSEv1 28 application/vnd.in-toto+json ${statement.length} `;
    const message = file("message", Buffer.concat([Buffer.from(head), statement]));
    const signature = file(
      "signature",
      Buffer.from(envelopeOf(value)["signature"] as string, "base64"),
    );
    const material = at(attestationOf(value), "verification_material");
    const der = file("certificate.der", Buffer.from(material["certificate"] as string, "base64"));
    const openssl = (...args: string[]) => execFileSync("openssl", args, { encoding: "utf8" });
    const key = file("key.pem", own.publicPem);
    const verified = ["dgst", "-sha256", "-signature", signature, "-verify"];
    expect(openssl(...verified, key, message)).toContain("Verified OK");
    const fromCertificate = file(
      "from-certificate.pem",
      openssl("x509", "-inform", "DER", "-in", der, "-pubkey", "-noout"),
    );
    expect(openssl(...verified, fromCertificate, message)).toContain("Verified OK");
    const pem = file("certificate.pem", openssl("x509", "-inform", "DER", "-in", der));
    expect(openssl("verify", "-CAfile", pem, pem)).toContain("OK");
    const spki = openssl(
      "pkey",
      "-pubin",
      "-in",
      key,
      "-outform",
      "DER",
      "-out",
      join(folder, "spki"),
    );
    expect(spki).toBe("");
    expect(
      createHash("sha256")
        .update(readFileSync(join(folder, "spki")))
        .digest("hex"),
    ).toBe(own.key.id);
  });

  it("counts bytes, not characters", () => {
    expect(preAuthenticationEncoding("é", Buffer.from("ü")).toString()).toBe("DSSEv1 2 é 2 ü");
  });
});

describe("verifying", () => {
  it("gives who signed it and what is said", () => {
    expect(verifyProvenance(signed, wheel, keys)).toEqual({
      statement: statementOf(signed),
      farm: farmUrl,
      keyId: own.key.id,
    });
  });

  it.each<[string, () => Buffer, RegExp]>([
    ["its version", () => spoilt((v) => set(v, "version", 2)), /no provenance of a farm: version/],
    ["a field that nobody signed", () => spoilt((v) => set(v, "x", 1)), /no provenance of a farm/],
    ["no bundle", () => spoilt((v) => set(v, "attestation_bundles", [])), /no provenance of/],
    [
      "a second bundle",
      () =>
        spoilt((v) => {
          const bundles = v["attestation_bundles"] as unknown[];
          bundles.push(bundles[0]);
        }),
      /attestation_bundles/,
    ],
    [
      "another publisher's kind",
      () => spoilt((v) => set(at(v, "attestation_bundles", 0, "publisher"), "kind", "GitHub")),
      /not signed by a farm, but by: GitHub/,
    ],
    [
      "another farm",
      () => spoilt((v) => set(at(v, "attestation_bundles", 0, "publisher"), "farm", "https://x")),
      /names another farm/,
    ],
    [
      "another key's name",
      () => spoilt((v) => set(at(v, "attestation_bundles", 0, "publisher"), "key", other.key.id)),
      /not among those to trust/,
    ],
    [
      "the attestation's version",
      () => spoilt((v) => set(attestationOf(v), "version", 2)),
      /attestations\.0\.version/,
    ],
    [
      "another certificate",
      () =>
        spoilt((v) => {
          at(attestationOf(v), "verification_material")["certificate"] =
            other.key.certificate.raw.toString("base64");
        }),
      /certificate is not that of the key/,
    ],
    [
      "a certificate with a byte changed",
      () =>
        spoilt((v) => {
          const raw = Buffer.from(own.key.certificate.raw);
          raw[raw.length - 1] = (raw.at(-1) ?? 0) ^ 1;
          at(attestationOf(v), "verification_material")["certificate"] = raw.toString("base64");
        }),
      /certificate is not that of the key/,
    ],
    [
      "an entry of a log that there is not",
      () =>
        spoilt((v) =>
          set(at(attestationOf(v), "verification_material"), "transparency_entries", [{}]),
        ),
      /transparency_entries/,
    ],
    [
      "the signature",
      () =>
        spoilt((v) => {
          const raw = Buffer.from(envelopeOf(v)["signature"] as string, "base64");
          raw[raw.length - 1] = (raw.at(-1) ?? 0) ^ 1;
          envelopeOf(v)["signature"] = raw.toString("base64");
        }),
      /signature is not that of its statement/,
    ],
    ["no signature", () => spoilt((v) => set(envelopeOf(v), "signature", "")), /signature/],
    [
      "a signature in other letters",
      () =>
        spoilt((v) => set(envelopeOf(v), "signature", `${envelopeOf(v)["signature"] as string}\n`)),
      /signature|base64/,
    ],
    ["the statement's type", () => restated((s) => set(s, "_type", "x")), /signature is not/],
    [
      "the predicate's type",
      () => restated((s) => set(s, "predicateType", "x")),
      /signature is not/,
    ],
    [
      "the subject's name",
      () => restated((s) => set(at(s, "subject", 0), "name", "x.whl")),
      /signature is not/,
    ],
    [
      "the subject's hash",
      () => restated((s) => set(at(s, "subject", 0, "digest"), "sha256", sha256Of("e"))),
      /signature is not/,
    ],
    [
      "where it was built",
      () => restated((s) => set(at(s, "predicate", "runDetails", "builder"), "id", "https://x")),
      /signature is not/,
    ],
    [
      "what it was built from",
      () =>
        restated((s) =>
          set(at(s, "predicate", "buildDefinition", "externalParameters", "sdist"), "uri", "x"),
        ),
      /signature is not/,
    ],
    ["no JSON", () => Buffer.from("{"), /it is no JSON/],
    ["bytes that are no text", () => Buffer.from([0x22, 0xff, 0x22]), /it is no JSON/],
    ["nothing", () => Buffer.alloc(0), /it is no JSON/],
    ["null", () => Buffer.from("null"), /no provenance of a farm/],
    ["far too much", () => Buffer.alloc(5_000_000, 32), /over 4194304 bytes/],
  ])("refuses it with %s", (_what, make, words) => {
    expect(() => verifyProvenance(make(), wheel, keys)).toThrow(words);
  });

  it("refuses another wheel, another name, and a key that is not trusted", async () => {
    expect(() => verifyProvenance(signed, { ...wheel, sha256: sha256Of("f") }, keys)).toThrow(
      /not the one that was signed: its SHA-256 is f+ instead of a+/,
    );
    const renamed = { ...wheel, filename: "foo_bar-2.0-py3-none-any.whl" };
    expect(() => verifyProvenance(signed, renamed, keys)).toThrow(
      `it is the provenance of "${wheel.filename}"`,
    );
    const foreign = await signProvenance(builtFacts, other.key, farmUrl);
    expect(() => verifyProvenance(foreign, wheel, keys)).toThrow(/not among those to trust/);
    const both = readTrustedKeys(own.publicPem + other.publicPem, "both");
    expect(verifyProvenance(foreign, wheel, both).keyId).toBe(other.key.id);
  });

  it("does not take what the farm signed of another kind for a statement that it knows", async () => {
    const body = Buffer.from(JSON.stringify({ _type: "x", subject: [], predicateType: "y" }));
    const signature = await own.key.sign(
      preAuthenticationEncoding("application/vnd.in-toto+json", body),
    );
    const bytes = spoilt((v) => {
      envelopeOf(v)["statement"] = body.toString("base64");
      envelopeOf(v)["signature"] = signature.toString("base64");
    });
    expect(() => verifyProvenance(bytes, wheel, keys)).toThrow(/does not know/);
  });
});

describe("the signing key", () => {
  const put = (name: string, text: string, mode = 0o600): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode });
    chmodSync(path, mode);
    return path;
  };
  const pemOf = (kind: "rsa" | "ed25519" | "secp384r1" | "prime256v1"): string => {
    const { privateKey } =
      kind === "rsa"
        ? generateKeyPairSync("rsa", { modulusLength: 2048 })
        : kind === "ed25519"
          ? generateKeyPairSync("ed25519")
          : generateKeyPairSync("ec", { namedCurve: kind });
    return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  };
  const certificate = () => own.key.certificate.toString();

  it.each<[string, () => string, RegExp]>([
    ["that is not there", () => join(folder, "none"), /^cannot read the signing key .*none/],
    ["that is a folder", () => folder, /is not a key file: make one with piw keygen --signing/],
    [
      "that others may read",
      () => put("open", readFileSync(own.file, "utf8"), 0o640),
      /may be read by others than its owner: chmod 600 it/,
    ],
    ["that is empty", () => put("empty", ""), /holds no private key in PKCS#8/],
    ["that is a public key", () => put("public", own.publicPem), /holds no private key in PKCS#8/],
    [
      "without a certificate",
      () => put("bare", pemOf("prime256v1")),
      /holds no certificate of the key/,
    ],
    [
      "with another key's certificate",
      () => put("mixed", pemOf("prime256v1") + certificate()),
      /its certificate is that of another key/,
    ],
    ["of RSA", () => put("rsa", pemOf("rsa") + certificate()), /is RSA, and has to be an EC key/],
    ["of Ed25519", () => put("ed", pemOf("ed25519") + certificate()), /is ED25519, and has to/],
    [
      "on another curve",
      () => put("curve", pemOf("secp384r1") + certificate()),
      /is on secp384r1, and has to be an EC key on P-256/,
    ],
    [
      "that is encrypted",
      () =>
        put(
          "encrypted",
          generateKeyPairSync("ec", { namedCurve: "prime256v1" })
            .privateKey.export({
              ...{ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" },
            })
            .toString(),
        ),
      /is encrypted/,
    ],
    [
      "that is damaged",
      () => put("damaged", readFileSync(own.file, "utf8").replace(/MIG./, "AAAA")),
      /is damaged: its private key cannot be read/,
    ],
    [
      "whose certificate is damaged",
      () =>
        put(
          "damaged2",
          readFileSync(own.file, "utf8").replace(/(BEGIN CERTIFICATE-----\n)..../, "$1AAAA"),
        ),
      /is damaged: its certificate cannot be read/,
    ],
  ])("%s is refused with one line", (_what, make, words) => {
    const path = make();
    expect(() => readSigningKey(path)).toThrow(words);
    expect(() => readSigningKey(path)).toThrow(/^[^\n]+$/);
  });

  it("is made for its owner alone, with public key and certificate, and overwrites nothing", async () => {
    const file = join(folder, "new.key");
    const made = await writeNewSigningKey(file, 'A "farm", with=signs; ü');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readSigningKey(file).id).toBe(made.id);
    expect(readSigningKey(file).certificate.toString().trim()).toBe(
      readFileSync(made.certificateFile, "utf8").trim(),
    );
    expect([...readTrustedKeys(readFileSync(made.publicFile, "utf8"), "x").keys()]).toEqual([
      made.id,
    ]);
    await expect(writeNewSigningKey(file, "x")).rejects.toThrow(/exists already/);
    rmSync(file);
    await expect(writeNewSigningKey(file, "x")).rejects.toThrow(/new\.key\.pub exists already/);
  });

  it("stays published when another one takes its place", () => {
    const known = [own, other].map(({ key }, index) => ({
      id: key.id,
      certificate: key.certificate.toString(),
      firstUsedAt: Date.UTC(2026, index),
    }));
    const files = renderKeys(known, other.key.id);
    expect([...files.keys()].sort()).toEqual(
      [
        ...known.flatMap(({ id }) => [`keys/${id}.crt`, `keys/${id}.pem`]),
        ...["keys/all.pem", "keys/index.json"],
      ].sort(),
    );
    expect(files.get(`keys/${own.key.id}.pem`)).toBe(own.publicPem);
    expect([...readTrustedKeys(files.get("keys/all.pem") ?? "", "x").keys()]).toEqual([
      other.key.id,
      own.key.id,
    ]);
    expect(JSON.parse(files.get("keys/index.json") ?? "")).toMatchObject({
      keys: [
        { id: other.key.id, inUse: true },
        { id: own.key.id, inUse: false },
      ],
    });
  });

  it.each<[string, () => string, RegExp]>([
    ["a secret key", () => readFileSync(own.file, "utf8"), /is a secret key: give its public one/],
    ["no key", () => "hello", /holds no public key in PEM/],
    [
      "a key of another kind",
      () =>
        generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "pem" }).toString(),
      /no farm signs with such a key/,
    ],
    [
      "a damaged key",
      () => own.publicPem.replace(/(KEY-----\n)..../, "$1AAAA"),
      /is damaged: a key in it cannot be read/,
    ],
  ])("is not trusted from %s", (_what, make, words) => {
    expect(() => readTrustedKeys(make(), "FILE")).toThrow(words);
  });
});
