/**
 * The door of `npm run farm`, `npm test`, `npm run bench` and `npm run check`.
 *
 * Looks only at the version of Node, in words that any version of it understands, and hands on to
 * `chores.js`. Nothing is installed yet when this runs.
 */
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `wheelwright needs Node 20.19 or later; this is ${process.versions.node}. See https://nodejs.org/\n`,
  );
  process.exitCode = 1;
} else {
  import("./chores.js").then((chores) => chores.run(process.argv.slice(2)));
}
