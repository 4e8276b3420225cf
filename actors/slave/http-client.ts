/** How a slave speaks http: to fetch a sdist, and to ask an index whether it is there. */
import { type Dispatcher, interceptors } from "undici";
import { environmentAgent } from "../../protocol/upstream/index.ts";

export const USER_AGENT = "wheelwright";

/**
 * Follows a few redirects, goes through the machine's proxy where the environment names one, and decodes
 * nothing: a .tar.gz served with a Content-Encoding must arrive as it is. The caller destroys it.
 */
export const createDispatcher = (): Dispatcher =>
  environmentAgent({ connect: { timeout: 15_000 } }).compose(
    interceptors.redirect({ maxRedirections: 5 }),
  );
