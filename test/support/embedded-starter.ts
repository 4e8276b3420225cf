/** Starts an embedded server in the folder of its first argument and stays, to be killed by a test. */
import { startEmbeddedPostgres } from "../../db/embedded.ts";

const [folder = "", guard] = process.argv.slice(2);
startEmbeddedPostgres({
  folder,
  allowRoot: true,
  durable: false,
  guard: guard !== "unguarded",
  log: () => undefined,
}).then(
  (server) => {
    process.stdout.write(`${server.pid}\n`);
    setInterval(() => undefined, 1_000_000);
  },
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
  },
);
