/**
 * Which servers a build may speak to with `network = index`: the followed index, the farm's own, the server
 * of the order's sdist (where an index keeps its files), and what the slave's owner adds. Called by the index
 * proxy for each request.
 */

/** Ports of http and https, where a host is allowed without one. */
const WEB_PORTS = [80, 443];

export class AllowedHosts {
  readonly #places = new Set<string>();

  /**
   * @param urls of indexes and files; what is no URL is no place
   * @param hosts `HOST` (both web ports), `HOST:PORT`
   */
  constructor(urls: readonly string[], hosts: readonly string[]) {
    for (const text of urls) {
      if (!URL.canParse(text)) continue;
      const url = new URL(text);
      this.#places.add(place(url.hostname, portOf(url)));
    }
    for (const text of hosts) {
      const [, host = "", port] = /^(.*?)(?::(\d+))?$/.exec(text) ?? [];
      for (const each of port === undefined ? WEB_PORTS : [Number(port)]) {
        this.#places.add(place(host, each));
      }
    }
  }

  has(host: string, port: number): boolean {
    return this.#places.has(place(host, port));
  }
}

export const portOf = (url: URL): number =>
  url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);

/** Names are compared as written, without regard to case; what they resolve to is not asked. */
const place = (host: string, port: number): string =>
  `${host
    .toLowerCase()
    .replace(/\.$/, "")
    .replace(/^\[(.*)\]$/, "$1")} ${port}`;
