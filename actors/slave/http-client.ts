/** How a slave speaks http: to fetch a sdist, and to ask an index whether it is there. */
import { Agent, type Dispatcher, EnvHttpProxyAgent, interceptors } from "undici";

export const USER_AGENT = "wheelwright";

/**
 * Follows a few redirects, goes through the machine's proxy where the environment names one, and decodes
 * nothing: a .tar.gz served with a Content-Encoding must arrive as it is. The caller destroys it.
 */
export function createDispatcher(): Dispatcher {
  const options = { connect: { timeout: 15_000 } };
  const hasProxy = ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"].some(
    (name) => (process.env[name] ?? "") !== "",
  );
  const agent = hasProxy ? new EnvHttpProxyAgent(options) : new Agent(options);
  return agent.compose(interceptors.redirect({ maxRedirections: 5 }));
}
