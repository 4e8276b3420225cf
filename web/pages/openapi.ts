/**
 * What programs can read on this site, as OpenAPI 3.1: `/openapi.json`, and the text of `/json.html`. All of it is
 * files; the description says what each holds. Members may be added to objects, and none is taken away.
 */
import { causes } from "../../protocol/model/cause.ts";
import { absoluteUrl, type Site } from "./site.ts";

export const OPENAPI_KEY = "openapi.json";

type Schema = Readonly<Record<string, unknown>>;

const count: Schema = { type: "integer", minimum: 0 };
const instant: Schema = { type: "string", format: "date-time" };
const text: Schema = { type: "string" };
const object = (properties: Readonly<Record<string, Schema>>, description?: string): Schema => ({
  type: "object",
  ...(description === undefined ? {} : { description }),
  required: Object.keys(properties),
  properties,
});
const of = (schema: Schema, description: string): Schema => ({ ...schema, description });
const orNull = (schema: Schema, description: string): Schema => ({
  anyOf: [schema, { type: "null" }],
  description,
});
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

export const schemas: Readonly<Record<string, Schema>> = {
  Farm: object(
    {
      as_of: of(instant, "When these figures were taken."),
      packages: of(count, "Packages with at least one wheel here."),
      versions_built: of(count, "Versions with at least one wheel here."),
      files: of(count, "Published wheels."),
      size_bytes: of(count, "Of all of them together."),
      failed: of(count, "Pairs of a version and a target whose last attempt failed and stands."),
      builds_last_hour: of(count, "Builds that ended, well or not."),
      new_versions_last_hour: of(count, "Versions that came to be known."),
      slaves: of(count, "Build slaves that were heard of within the last hour."),
      downloads_30_days: of(count, "Of today and the 29 days before, in UTC."),
      downloads: of(count, "Ever."),
      queue: object(
        {
          ready: of(count, "Wait for a slave."),
          building: of(count, "A slave is at it."),
          waiting: of(count, "Are tried again later."),
          blocked: of(count, "Wait for a package that no index has."),
        },
        "Pairs of a version and a target on the build queue, by state.",
      ),
      recent_builds: {
        type: "array",
        description: "The last builds that ended, newest first: 20 at most.",
        items: ref("Build"),
      },
    },
    "The farm as its home page shows it.",
  ),
  Build: object(
    {
      build: of(count, "Its number, which no other build ever has."),
      package: of(text, "The canonical name."),
      version: text,
      target: of(text, "What it was for, e.g. cp311-linux_x86_64."),
      cause: of(
        { type: "string", enum: [...causes] },
        "Why it ended as it did. New ones may come.",
      ),
      tone: of({ type: "string", enum: ["good", "bad", "busy", "calm"] }, "How bad that is."),
      outcome: of(text, "The cause in words."),
      message: of(text, "One line more; empty where the cause says it all."),
      ended: instant,
      duration_ms: of({ type: "number", minimum: 0 }, "How long it took, in milliseconds."),
      log: orNull(text, "The path of its log; null while that is not published."),
    },
    "A build that has ended.",
  ),
  Packages: {
    type: "array",
    description:
      "All packages with a wheel here, in the order of their names. Each is a list of three.",
    items: {
      type: "array",
      prefixItems: [
        of(text, "The canonical name."),
        of(count, "Downloads in 30 days."),
        of(count, "Downloads ever."),
      ],
      minItems: 3,
    },
  },
  SimpleRoot: {
    ...object(
      {
        meta: object({ "api-version": text }),
        projects: { type: "array", items: object({ name: text }) },
      },
      "All projects with a wheel here, as PEP 691 has it.",
    ),
  },
  SimpleProject: object(
    {
      meta: object({ "api-version": text }),
      name: text,
      versions: { type: "array", items: text },
      files: {
        type: "array",
        items: object({
          filename: text,
          url: of(text, "Relative to the page."),
          hashes: object({ sha256: text }),
          size: count,
        }),
      },
    },
    "The files of a project, as PEP 691 and PEP 700 have it.",
  ),
  Project: {
    type: "object",
    description: "A project with its releases and their files.",
    required: ["package", "releases"],
    properties: {
      package: of(text, "The canonical name."),
      releases: { type: "object", description: "By version." },
    },
  },
};

const html = { schema: { type: "string" } };
const json = (name: string) => ({ "application/json": { schema: ref(name) } });
const found = (description: string, content: object) => ({
  description,
  headers: { ETag: { description: "For If-None-Match, answered with 304.", schema: text } },
  content,
});
const notModified = { description: "It is what the asker has." };
const missing = { description: "There is nothing of this name." };
const name = {
  name: "name",
  in: "path",
  required: true,
  description: "The canonical name (PEP 503); others lead there.",
  schema: { type: "string", pattern: "^[a-z0-9]+(-[a-z0-9]+)*$", maxLength: 200 },
};
const read = (
  operationId: string,
  summary: string,
  content: object,
  parameters: readonly object[] = [],
) => ({
  get: {
    operationId,
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    responses: {
      "200": found(summary, content),
      "304": notModified,
      ...(parameters.length === 0 ? {} : { "404": missing }),
    },
  },
});
const simple = (schema: string) => ({
  "application/vnd.pypi.simple.v1+json": { schema: ref(schema) },
  "application/vnd.pypi.simple.v1+html": html,
  "text/html": html,
});
const atom = { "application/xml": html };

export const paths = {
  "/farm.json": read("readFarm", "The farm's figures, and the last builds", json("Farm")),
  "/packages.json": read("readPackages", "All packages with their downloads", json("Packages")),
  "/project/{name}/json/": read("readProject", "A project with its releases", json("Project"), [
    name,
  ]),
  "/simple/": read(
    "readSimpleRoot",
    "The package index, as Accept asks for it",
    simple("SimpleRoot"),
  ),
  "/simple/{name}/": read(
    "readSimpleProject",
    "A project in the package index, as Accept asks for it",
    simple("SimpleProject"),
    [name],
  ),
  "/badge/{name}.svg": read(
    "readBadge",
    "Whether the newest release of a project is built, as a picture",
    { "image/svg+xml": html },
    [name],
  ),
  "/feeds/builds.xml": read("readBuildsFeed", "The last builds as an Atom feed", atom),
  "/feeds/failures.xml": read("readFailuresFeed", "The last failures as an Atom feed", atom),
  "/project/{name}/builds.xml": read(
    "readProjectFeed",
    "The last builds of a project as an Atom feed",
    atom,
    [name],
  ),
  "/logs/{high}/{middle}/{low}.txt.gz": read(
    "readLog",
    "The log of a build, as plain text",
    { "text/plain": html },
    (["high", "middle", "low"] as const).map((part) => ({
      name: part,
      in: "path",
      required: true,
      description: "Four digits of the build's number.",
      schema: { type: "string", pattern: "^[0-9]{4,}$" },
    })),
  ),
} as const;

export const renderOpenApi = (site: Site): string =>
  `${JSON.stringify(
    {
      openapi: "3.1.0",
      info: {
        title: site.name,
        version: "1",
        summary: "What programs can read on this site.",
        description:
          "All of it is for reading, by anybody and from any page. Members may be added to objects; none is taken away.",
      },
      servers: [{ url: absoluteUrl(site, "/").replace(/\/$/, "") }],
      paths,
      components: { schemas },
    },
    null,
    1,
  )}\n`;
