/**
 * How the farm's programs reach web servers: directly, or through the proxy that the environment names
 * (HTTPS_PROXY, HTTP_PROXY, NO_PROXY). Called by the upstream client and by the slave's downloads.
 */
import { Agent, type Dispatcher, EnvHttpProxyAgent } from "undici";

const variables = ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"];

export function environmentAgent(options: Agent.Options): Dispatcher {
  const hasProxy = variables.some((name) => (process.env[name] ?? "") !== "");
  return hasProxy ? new EnvHttpProxyAgent(options) : new Agent(options);
}
