/**
 * The dashboard behind nginx and Apache with the examples of `deploy/`: streams come as they are said, orders are those of
 * the browser's own site, and the headers are the farm's.
 */
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { siteServers } from "../support/web-servers.ts";
import {
  type DashboardSite,
  StreamReader,
  slave,
  startDashboardSite,
  tokenOf,
} from "../web/dashboard-site.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const patience = { timeout: 30_000, interval: 50 };

let farm: DashboardSite;
let folder: string;

beforeAll(async () => {
  farm = await startDashboardSite();
  farm.change({ slaves: [slave(1)] });
  folder = await mkdtemp(join(tmpdir(), "ww-proxied-"));
  await chmod(folder, 0o755);
  await mkdir(join(folder, "www"));
});
afterAll(async () => {
  await farm.close();
  await rm(folder, { recursive: true, force: true });
});

for (const { name, missing, start } of siteServers.filter((kind) => kind.name !== "built-in"))
  describe.skipIf(missing !== undefined)(
    `behind ${name}${missing ? ` (skipped: ${missing})` : ""}`,
    () => {
      test("it is live, takes orders of its own pages, and is for nobody else's", async () => {
        await mkdir(join(folder, name));
        const server = await start(join(folder, name), join(folder, "www"), farm.url);
        const near = server.url.replace(/\/$/, "");
        let reader: StreamReader | undefined;
        try {
          const page = await fetch(`${near}/farm/`);
          expect([page.status, page.headers.get("cache-control")]).toEqual([200, "no-store"]);
          expect(page.headers.get("access-control-allow-origin")).toBeNull();
          expect(page.headers.get("x-content-type-options")).toBe("nosniff");
          expect(page.headers.get("content-security-policy")).toMatch(/^default-src 'none';[^,]*$/);
          const plain = await fetch(`${near}/farm`, { redirect: "manual" });
          expect(plain.status).toBe(301);

          reader = new StreamReader(`${near}/farm/stream?view=slaves`);
          const { events } = reader;
          await expect.poll(() => events.length, patience).toBe(1);
          farm.change({ slaves: [slave(1, { label: `behind ${name}` })] });
          await expect.poll(() => events.at(-1)?.data ?? "", patience).toContain(`behind ${name}`);

          const before = farm.orders.length;
          const order = (origin: string) =>
            fetch(`${near}/farm/orders`, {
              method: "POST",
              headers: {
                origin,
                cookie: `piw_token=${tokenOf("control")}`,
                "content-type": "application/json",
                "x-farm-order": "1",
              },
              body: JSON.stringify({ what: "resume", task: "*" }),
            });
          expect((await order(near)).status).toBe(200);
          expect((await order("https://evil.example")).status).toBe(403);
          expect((await order(farm.url)).status).toBe(403);
          expect(farm.orders.length).toBe(before + 1);
          // The rest of the site is for reading.
          expect((await fetch(`${near}/simple/`, { method: "POST" })).status).toBe(405);
        } finally {
          reader?.close();
          await server.close();
        }
      });
    },
  );
