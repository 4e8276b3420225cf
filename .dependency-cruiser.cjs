/** Who may import whom. Arrows in ARCHITECTURE.md are drawn from this file. */
const only = (name, from, allowed, comment) => ({
  name,
  severity: "error",
  comment,
  from: { path: `^${from}/` },
  to: {
    path: "^(supervisor|protocol|db|web|actors|config|bin|test|bench|scripts|samples|examples)/",
    pathNot: allowed.map((a) => `^${a}/`),
  },
});
module.exports = {
  forbidden: [
    {
      name: "no-cycles",
      severity: "error",
      comment:
        "Data passes through each room once. Actors that talk to each other may know each other's messages (types).",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    only(
      "supervisor-stands-alone",
      "supervisor",
      ["supervisor"],
      "The runtime knows nothing of wheels, sockets or SQL.",
    ),
    only(
      "packaging-is-pure",
      "protocol/packaging",
      ["protocol/packaging"],
      "The standards as values.",
    ),
    only(
      "model-is-nouns",
      "protocol/model",
      ["protocol/model", "protocol/packaging"],
      "Nouns that rooms share.",
    ),
    only(
      "host-reads-the-machine",
      "protocol/host",
      ["protocol/host", "protocol/model"],
      "A machine's own figures, for every program.",
    ),
    only(
      "links-are-messages",
      "protocol/links",
      ["protocol/links", "protocol/model", "protocol/packaging", "supervisor"],
      "What is said.",
    ),
    only(
      "access-logs-are-pure",
      "protocol/accesslog",
      ["protocol/accesslog", "protocol/model", "protocol/packaging"],
      "Lines of web servers as values.",
    ),
    only(
      "transport-knows-no-wheels",
      "protocol/transport",
      ["protocol/transport", "supervisor"],
      "Frames, sessions, keys.",
    ),
    only(
      "watching-is-a-client",
      "protocol/watching",
      ["protocol/watching", "protocol/links", "protocol/model", "protocol/transport", "supervisor"],
      "A master from outside, by its links.",
    ),
    only(
      "upstream-is-a-client",
      "protocol/upstream",
      ["protocol/upstream", "protocol/packaging"],
      "The followed index.",
    ),
    only(
      "db-knows-only-values",
      "db",
      ["db", "protocol/model", "protocol/packaging"],
      "SQL in, typed rows out.",
    ),
    only(
      "web-knows-only-values",
      "web",
      ["web", "protocol/model", "protocol/packaging"],
      "Pages are pure functions of their input.",
    ),
    only("samples-speak-protocol", "samples", ["samples", "protocol"], "A sample upstream."),
    only("config-stands-alone", "config", ["config"], "Read once, at start."),
    only(
      "other-programs-have-no-database",
      "actors/(slave|farm|monitor)",
      ["actors/slave", "actors/farm", "actors/monitor", "supervisor", "protocol", "config"],
      "They know the master by its messages.",
    ),
    {
      name: "tasks-take-values",
      severity: "error",
      comment: "Only bin and the trees read configuration.",
      from: { path: "^actors/", pathNot: "/tree[a-z-]*[.]ts$" },
      to: { path: "^config/" },
    },
    {
      name: "processes-talk-by-message",
      severity: "error",
      comment: "master, slave and monitor share protocol/ only.",
      from: { path: "^actors/([^/]+)/" },
      to: { path: "^actors/[^/]+/", pathNot: "^actors/$1/" },
    },
    {
      name: "runtime-by-its-front-door",
      severity: "error",
      from: { path: "^(actors|protocol|bin)/" },
      to: { path: "^supervisor/", pathNot: "^supervisor/index[.]ts$" },
    },
    {
      name: "zeromq-behind-its-adapter",
      severity: "error",
      from: { pathNot: "^(protocol/transport/|test/|bench/)" },
      to: { path: "node_modules/zeromq/" },
    },
    {
      name: "postgres-behind-db",
      severity: "error",
      from: { pathNot: "^(db|test|bench)/" },
      to: { path: "node_modules/postgres/" },
    },
    {
      name: "convict-behind-config",
      severity: "error",
      from: { pathNot: "^(config|test)/" },
      to: { path: "node_modules/convict/" },
    },
    {
      name: "terminals-are-the-monitor's",
      severity: "error",
      comment: "Whatever else speaks to a person prints lines.",
      from: { pathNot: "^(actors/monitor|test)/" },
      to: { path: "node_modules/(ink|react)/" },
    },
    {
      name: "pages-do-no-io",
      severity: "error",
      from: { path: "^web/pages/" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "browser-scripts-stand-alone",
      severity: "error",
      comment:
        "They run in a browser: they import one another and nothing else, and nobody imports them.",
      // But for types of what web/assets.ts puts beside them.
      from: { path: "^web/scripts/", pathNot: "[.]d[.]ts$" },
      to: { pathNot: "^web/scripts/" },
    },
    {
      name: "nobody-imports-browser-scripts",
      severity: "error",
      from: { pathNot: "^(web/scripts|test)/" },
      to: { path: "^web/scripts/" },
    },
    {
      name: "product-knows-no-tests",
      severity: "error",
      from: { pathNot: "^(test|bench|scripts|examples)/" },
      to: { path: "^(test|bench|scripts|examples)/" },
    },
    {
      name: "no-dev-dependencies-in-product",
      severity: "error",
      from: { pathNot: "^(test|bench|scripts|examples)/|config[.](ts|js|cjs)$" },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
    },
    {
      name: "no-orphans",
      severity: "error",
      from: { orphan: true, pathNot: "[.]d[.]ts$|config[.](ts|js|cjs)$|^[.]|^web/scripts/" },
      to: {},
    },
  ],
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(dist|coverage|farm-data)/" },
  },
};
