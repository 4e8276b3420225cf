/**
 * `/farm/assets/…`: styles and scripts of the dashboard's pages, the same files as the site's. Given out by the dashboard
 * itself, to everybody: so its pages are whole also before the Scribe has written the site for the first time.
 */
import type { FastifyInstance } from "fastify";
import { assetUrl, siteAssets } from "../assets.ts";
import { contentTypeOf } from "../server/content-type.ts";
import { refuse } from "./gate.ts";

const PREFIX = "/farm";

/** `/farm/assets/site.0123456789ab.css` */
export const farmAssetUrl = (name: string): string => `${PREFIX}${assetUrl(name)}`;

const byKey = new Map(siteAssets.map(({ key, contents }) => [key, contents]));

export function giveAssets(app: FastifyInstance): void {
  app.get(`${PREFIX}/assets/:name`, (request, reply) => {
    const { name } = request.params as { name: string };
    const key = `assets/${name}`;
    const contents = byKey.get(key);
    if (contents === undefined) return refuse(reply, 404, "There is no such file.");
    return reply
      .type(contentTypeOf(key))
      .header("cache-control", "public, max-age=31536000, immutable")
      .send(contents);
  });
}
