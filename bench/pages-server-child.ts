/**
 * The built-in server of the bench `pages serve`, in a process of its own as nginx is. Started by `pages/serve.ts` with the
 * folder that it serves; ends when its channel closes.
 */
import { once } from "node:events";
import { join } from "node:path";
import { openAccessLog, startWebServer } from "../web/server.ts";

process.on("message", (order: { output: string }) => void serve(order.output));

async function serve(output: string): Promise<void> {
  const log = await openAccessLog(join(output, "..", "built-in.log"), () => undefined);
  const server = await startWebServer({
    address: "127.0.0.1:0",
    outputPath: output,
    log: { error: (_fields, message) => process.stderr.write(`${message}\n`) },
    onAnswered: (answered) => log.add(answered),
  });
  process.send?.({ type: "serves", url: server.url });
  await once(process, "disconnect");
  await server.close();
  await log.close();
}
