/** The web server over TLS: with its files, with new ones, and with wrong ones. */
import { execFileSync } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { type DetailedPeerCertificate, TLSSocket } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startWebServer } from "../../web/server.ts";
import { startTestSite, type TestSite } from "./test-site.ts";

const hasOpenssl = ((): boolean => {
  try {
    execFileSync("openssl", ["version"]);
    return true;
  } catch {
    return false;
  }
})();

let folder: string;
let site: TestSite;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "server-tls-"));
  site = await startTestSite();
  if (hasOpenssl) for (const name of ["first", "second"]) make(name);
});
afterAll(async () => {
  await site.close();
  await rm(folder, { recursive: true, force: true });
});

const path = (name: string): string => join(folder, name);

function make(name: string): void {
  const files = ["-keyout", path(`${name}.key`), "-out", path(`${name}.crt`)];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  execFileSync(
    "openssl",
    ["req", "-x509", ...kind, "-days", "2", "-subj", `/CN=${name}`, ...files],
    {
      stdio: "ignore",
    },
  );
}

const ask = (url: string): Promise<{ name: string; body: string }> =>
  new Promise((resolve, reject) => {
    const asked = get(
      new URL("/faq/", url),
      { rejectUnauthorized: false, agent: false },
      (answer) => {
        const { socket } = answer;
        const peer: DetailedPeerCertificate | undefined =
          socket instanceof TLSSocket ? socket.getPeerCertificate(true) : undefined;
        buffer(answer).then(
          (body) => resolve({ name: String(peer?.subject.CN), body: body.toString() }),
          reject,
        );
      },
    );
    asked.on("error", reject);
  });

test.skipIf(!hasOpenssl)(
  "serves over TLS, and takes a new certificate once it is whole, without a restart",
  async () => {
    const tls = { certificate: path("now.crt"), key: path("now.key") };
    await copyFile(path("first.crt"), tls.certificate);
    await copyFile(path("first.key"), tls.key);
    const complaints: string[] = [];
    const server = await startWebServer({
      address: "http://127.0.0.1:0",
      outputPath: site.output,
      log: { error: (_fields, message) => complaints.push(message) },
      tls,
      certificateLookMs: 20,
    });
    try {
      expect(server.url).toMatch(/^https:/);
      expect(await ask(server.url)).toEqual({ name: "first", body: "<h1>faq</h1>" });
      await copyFile(path("second.crt"), tls.certificate);
      await expect
        .poll(() => complaints, { timeout: 8_000 })
        .toContain("the new certificate is not used");
      expect((await ask(server.url)).name).toBe("first");
      await copyFile(path("second.key"), tls.key);
      await expect
        .poll(async () => (await ask(server.url)).name, { timeout: 8_000 })
        .toBe("second");
    } finally {
      await server.close();
    }
  },
);

test("files that are no certificate and key are one clear line, and nothing listens", async () => {
  await writeFile(path("odd.crt"), "no certificate");
  const start = (certificate: string, key: string) =>
    startWebServer({
      address: "http://127.0.0.1:0",
      outputPath: site.output,
      log: { error: () => undefined },
      tls: { certificate: path(certificate), key: path(key) },
    });
  await expect(start("odd.crt", "odd.crt")).rejects.toMatchObject({
    code: "bad-certificate",
    message: expect.stringMatching(
      /odd\.crt and .* are no certificate with its key, both in PEM/,
    ) as string,
  });
  await expect(start("absent.crt", "odd.crt")).rejects.toMatchObject({
    code: "bad-certificate",
    message: expect.stringMatching(/absent\.crt cannot be read \(ENOENT/) as string,
  });
  expect(await readFile(path("odd.crt"), "utf8")).toBe("no certificate");
});
