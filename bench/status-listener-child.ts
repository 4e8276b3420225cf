/** A monitor for the bench `status`: listens to the status link, and counts. It is stopped with SIGSTOP to be one that does not read. */
import { once } from "node:events";
import { statusLink } from "../protocol/links/status.ts";
import { connectSubscriber, type Subscription } from "../protocol/transport/index.ts";
import { silentLogger } from "../supervisor/index.ts";
import { obeyOrders } from "./bench-child.ts";
import type { ListenerOrder, ListenerSays } from "./slaves/words.ts";

let subscription: Subscription | undefined;
let heard = 0;
let missed = 0;
const say = (said: ListenerSays): void => void process.send?.(said);

obeyOrders<ListenerOrder>(async (order) => {
  if (order.type === "listen") {
    [heard, missed] = [0, 0];
    await new Promise<void>((hears) => {
      subscription = connectSubscriber(statusLink, {
        address: order.address,
        log: silentLogger,
        onSign: hears,
        onMessage: () => {
          heard += 1;
        },
        onGap: (count) => {
          missed += count;
        },
      });
    });
    say({ type: "listening" });
  } else {
    await subscription?.close();
    subscription = undefined;
    say({ type: "silent", heard, missed });
  }
});
if (process.connected) await once(process, "disconnect");
await subscription?.close();
