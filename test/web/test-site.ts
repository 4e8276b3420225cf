/** A site of a few files behind a real web server, for tests that ask it over HTTP. */
import { readdir, readlink, rm } from "node:fs/promises";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { buffer } from "node:stream/consumers";
import { renderSimpleProject } from "../../web/index/simple-project.ts";
import { renderSimpleRoot } from "../../web/index/simple-root.ts";
import { metadataKey, NOT_FOUND_PAGE_KEY, simplePageKeys, wheelKey } from "../../web/public-key.ts";
import { startWebServer, type WebServerOptions } from "../../web/server.ts";
import { openLocalStorage, type Storage } from "../../web/storage.ts";
import { makeScratchFolder } from "./scratch-folder.ts";

export const WHEEL = "tidepool-1.0-py3-none-any.whl";
export const silent = { error: () => undefined };
export const wheel = Buffer.from("0123456789".repeat(1_000));
export const log = "building\n".repeat(5_000);

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface TestSite {
  readonly output: string;
  readonly storage: Storage;
  readonly url: string;
  readonly wheelHash: string;
  /** Asks for a path exactly as it is written: no URL parser tidies it up first. */
  ask(path: string, headers?: Record<string, string>, method?: string): Promise<Answer>;
  /** Which of the site's files this process holds open, where the system can tell. */
  openFiles(): Promise<string[]>;
  close(): Promise<void>;
}

export async function startTestSite(options: Partial<WebServerOptions> = {}): Promise<TestSite> {
  const output = await makeScratchFolder();
  const storage = await openLocalStorage(output);
  const wheelHash = await storage.putBlob(wheel);
  await storage.publishOnce(wheelKey("tide-pool", WHEEL), wheelHash);
  await storage.replace(
    metadataKey("tide-pool", WHEEL),
    "Metadata-Version: 2.1\nName: tide-pool\n",
  );
  const logHash = await storage.putBlob(Buffer.from(log));
  await storage.publishCompressed("logs/0000/0000/0001.txt.gz", logHash);
  const pages = [
    [simplePageKeys(), renderSimpleRoot(["tide-pool"])],
    [
      simplePageKeys("tide-pool"),
      renderSimpleProject({ name: "tide-pool", files: [], upstream: null }),
    ],
  ] as const;
  for (const [keys, rendering] of pages) {
    await storage.replace(keys.html, rendering.html);
    await storage.replace(keys.json, rendering.json);
  }
  await storage.replace("index.html", "<h1>home</h1>");
  await storage.replace(NOT_FOUND_PAGE_KEY, "<h1>Nothing here</h1>");
  await storage.replace("project/tide-pool/index.html", "<h1>tide-pool</h1>");
  await storage.replace("faq/index.html", "<h1>faq</h1>");
  await storage.replace("assets/site.css", "body {}");
  const server = await startWebServer({
    address: "http://127.0.0.1:0",
    outputPath: output,
    log: silent,
    ...options,
  });
  return {
    output,
    storage,
    wheelHash,
    url: server.url,
    ask: (path, headers = {}, method = "GET") => askRaw(server.url, path, headers, method),
    openFiles: () => openFilesBelow(output),
    close: async () => {
      await server.close();
      await rm(output, { recursive: true, force: true });
    },
  };
}

function askRaw(
  url: string,
  path: string,
  headers: Record<string, string>,
  method: string,
): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const options = { hostname, port, path, headers, method, agent: false };
    const asked = httpRequest(options, (response) => {
      buffer(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    });
    asked.on("error", reject);
    asked.end();
  });
}

async function openFilesBelow(folder: string): Promise<string[]> {
  const descriptors = await readdir("/proc/self/fd").catch(() => []);
  const paths = descriptors.map((each) => readlink(`/proc/self/fd/${each}`).catch(() => ""));
  return (await Promise.all(paths)).filter((path) => path.startsWith(folder));
}
