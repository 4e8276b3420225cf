/**
 * The three servers that a farm's site may be served by, on the same folder: the built-in one, and nginx and Apache with
 * the examples of `deploy/`, of which only what stands under "Yours" is changed. Each on a free port, as a
 * child process with all that it writes in a temporary folder.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { openAccessLog, startWebServer } from "../../web/server.ts";

export interface SiteServer {
  /** With a slash at the end. */
  readonly url: string;
  /** Lines of requests that were answered, in the format `combined`; written a moment later. */
  readonly accessLog: string;
  close(): Promise<void>;
}

export interface SiteServerKind {
  readonly name: "built-in" | "nginx" | "Apache";
  /** Why it cannot run here; undefined where it can. */
  readonly missing: string | undefined;
  /**
   * @param folder its own, readable by all users
   * @param output what it serves
   * @param farmUrl where the dashboard is, for those that pass it on; default: as the example says
   */
  start(folder: string, output: string, farmUrl?: string): Promise<SiteServer>;
}

const find = (...paths: readonly string[]): string | undefined => paths.find(existsSync);
const nginx = find("/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx");
const apache = find("/usr/sbin/apache2");
const apacheModules = "/usr/lib/apache2/modules";
const deployed = (name: string): Promise<string> =>
  readFile(new URL(`../../deploy/${name}`, import.meta.url), "utf8");

/** The address of --http in the examples. */
const DEPLOYED_FARM = "http://127.0.0.1:8080";

export const siteServers: readonly SiteServerKind[] = [
  { name: "built-in", missing: undefined, start: startBuiltIn },
  {
    name: "nginx",
    missing: nginx === undefined ? "nginx is not installed" : undefined,
    start: (folder, output, farmUrl = DEPLOYED_FARM) =>
      startProgram(folder, async (port) => {
        const accessLog = join(folder, "access.log");
        const site = replaced(await deployed("nginx.conf"), {
          [`proxy_pass ${DEPLOYED_FARM};`]: `proxy_pass ${farmUrl};`,
          "listen 80;": `listen 127.0.0.1:${port};`,
          "root /var/www;": `root "${output}";`,
          "access_log /var/log/nginx/wheels.log combined;": `access_log "${accessLog}" combined;`,
        });
        const kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        const paths = kinds.map((kind) => `${kind}_temp_path "${join(folder, kind)}";`);
        await writeFile(
          join(folder, "nginx.conf"),
          `worker_processes 1; daemon off; pid "${join(folder, "pid")}"; user ${serverUser()};
          error_log "${join(folder, "error.log")}";
          events { worker_connections 512; }
          http { ${paths.join(" ")}
          include "${join(folder, "site.conf")}"; }`,
        );
        await writeFile(join(folder, "site.conf"), site);
        const args = ["-c", join(folder, "nginx.conf"), "-e", join(folder, "error.log")];
        return { program: nginx ?? "nginx", args, accessLog };
      }),
  },
  {
    name: "Apache",
    missing: apache === undefined ? "Apache (apache2-bin) is not installed" : undefined,
    start: (folder, output, farmUrl = DEPLOYED_FARM) =>
      startProgram(folder, async (port) => {
        const accessLog = join(folder, "access.log");
        const site = replaced(await deployed("apache.conf"), {
          [`ProxyPass "${DEPLOYED_FARM}/farm/"`]: `ProxyPass "${farmUrl}/farm/"`,
          "<VirtualHost *:80>": `<VirtualHost 127.0.0.1:${port}>`,
          "DocumentRoot /var/www": `DocumentRoot "${output}"`,
          "<Directory /var/www>": `<Directory "${output}">`,
          "|/usr/local/bin/piw-logger --drop": `|/usr/bin/tee -a ${accessLog}`,
        });
        const named = [
          "mpm_event",
          "authz_core",
          "rewrite",
          "headers",
          "mime",
          "dir",
          "allowmethods",
          "proxy",
          "proxy_http",
        ];
        const modules = [...named, "setenvif", "deflate", "filter"].map(
          (name) => `LoadModule ${name}_module ${apacheModules}/mod_${name}.so`,
        );
        await writeFile(
          join(folder, "apache.conf"),
          [
            ...modules,
            'LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined',
            `ServerRoot "${folder}"`,
            "ServerName localhost",
            `DefaultRuntimeDir "${folder}"`,
            `PidFile "${join(folder, "pid")}"`,
            `ErrorLog "${join(folder, "error.log")}"`,
            "TypesConfig /dev/null",
            `User ${serverUser()}`,
            `Group ${serverUser()}`,
            `Listen 127.0.0.1:${port}`,
            site,
          ].join("\n"),
        );
        const args = ["-f", join(folder, "apache.conf"), "-D", "FOREGROUND"];
        return { program: apache ?? "apache2", args, accessLog };
      }),
  },
];

/** Root's servers give up root's rights; others stay who they are, and only warn of the line. */
const serverUser = (): string => "www-data";

/** @throws Error where the example does not say what is to be changed, once */
function replaced(text: string, changes: Readonly<Record<string, string>>): string {
  let changed = text;
  for (const [from, to] of Object.entries(changes)) {
    if (changed.split(from).length !== 2) throw new Error(`the example has not one "${from}"`);
    changed = changed.replace(from, () => to);
  }
  return changed;
}

async function startBuiltIn(folder: string, output: string): Promise<SiteServer> {
  await mkdir(folder, { recursive: true });
  const accessLog = join(folder, "access.log");
  const log = await openAccessLog(accessLog, () => undefined);
  const server = await startWebServer({
    address: "http://127.0.0.1:0",
    outputPath: output,
    log: { error: () => undefined },
    onAnswered: (answered) => log.add(answered),
  });
  return {
    url: server.url,
    accessLog,
    close: async () => {
      await server.close();
      await log.close();
    },
  };
}

interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly accessLog: string;
}

/** A port that was free may be taken before the program has it: then with another one. */
async function startProgram(
  folder: string,
  prepare: (port: number) => Promise<Command>,
): Promise<SiteServer> {
  for (let attempt = 1; ; attempt += 1) {
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o755);
    const port = await freePort();
    const { program, args, accessLog } = await prepare(port);
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    let complaints = "";
    child.stderr.on("data", (part: Buffer) => {
      complaints += part.toString();
    });
    const ended = once(child, "close");
    if (await isListening(child, join(folder, "pid"), port)) {
      return {
        url: `http://127.0.0.1:${port}/`,
        accessLog,
        close: async () => {
          child.kill("SIGTERM");
          await ended;
        },
      };
    }
    if (child.exitCode === null) child.kill("SIGKILL");
    await ended;
    const log = await readFile(join(folder, "error.log"), "utf8").catch(() => "");
    const said = `${complaints}${log}`;
    await rm(folder, { recursive: true, force: true });
    if (attempt === 5 || !/in use/.test(said)) throw new Error(`${program} did not start: ${said}`);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

/**
 * False when it ended first, or does not listen within a minute. Both write their number once they have the port: until
 * then whoever answers there is another program.
 */
async function isListening(child: ChildProcess, pidFile: string, port: number): Promise<boolean> {
  const deadlineAt = performance.now() + 60_000;
  while (child.exitCode === null && child.signalCode === null && performance.now() < deadlineAt) {
    const pid = await readFile(pidFile, "utf8").catch(() => "");
    if (Number(pid) === child.pid && (await isOpen(port))) return true;
    await delay(20);
  }
  return false;
}

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
