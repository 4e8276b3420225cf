/**
 * piw token: who is let in over HTTP. A token is made here and its hash said over the import link, so that no other process ever
 * has it; it is shown once.
 */
import { createHash, randomBytes } from "node:crypto";
import { ConfigurationError } from "../../config/configuration-error.ts";
import { harmless } from "../../config/log-line.ts";
import { findNearest } from "../../config/nearest.ts";
import {
  createTokenProgram,
  listTokensProgram,
  revokeTokenProgram,
} from "../../config/token-tools.ts";
import { MOST_TOKENS, type TokenRow, tokenNameSchema } from "../../protocol/model/access-token.ts";
import { askMaster, importMaster } from "../ask-master.ts";
import { columns } from "../columns.ts";
import { runProgram } from "../program.ts";

const verbs: Readonly<Record<string, (argv: readonly string[]) => Promise<void>>> = {
  create,
  list,
  revoke,
};

/** `piw token VERB …`; with no verb, what there is. */
export async function token([verb, ...argv]: readonly string[]): Promise<void> {
  if (verb === undefined || verb === "--help" || verb === "-h") {
    process.stdout.write(
      "Usage: piw token create NAME | list | revoke NAME [options]\n\nWho is let in over HTTP. piw token VERB --help shows the options.\n",
    );
    return;
  }
  const run = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  if (run === undefined) {
    const nearest = findNearest(verb, Object.keys(verbs)) ?? "";
    process.stderr.write(
      `piw: there is no "piw token ${harmless(verb.slice(0, 60))}"; the nearest is "piw token ${nearest}"\n`,
    );
    process.exitCode = 2;
    return;
  }
  await run(argv);
}

function create(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: createTokenProgram,
      logLevel: "warn",
      run: async (values, [operand = ""], frame) => {
        const name = nameOf(operand);
        const { right, expire } = values;
        const lifetimeMs = expire === "never" ? null : expire;
        const text = `piw_${randomBytes(32).toString("base64url")}`;
        const sha256 = createHash("sha256").update(text).digest("hex");
        const { outcome } = await askMaster({
          ...importMaster(values, frame),
          type: "CREATE_TOKEN",
          body: { name, right, sha256, lifetimeMs },
        });
        if (outcome === "taken")
          throw new Error(
            `there is a token ${name} already: choose another name, or revoke that one first (piw token revoke ${name})`,
          );
        if (outcome === "full")
          throw new Error(
            `there are ${MOST_TOKENS} tokens, as many as there may be: revoke those that nobody needs (piw token list)`,
          );
        const expiresAt = lifetimeMs === null ? null : new Date(Date.now() + lifetimeMs);
        if (values.json) {
          const said = { name, right, expires: expiresAt?.toISOString() ?? null, token: text };
          frame.print(JSON.stringify(said, undefined, 2));
          return 0;
        }
        frame.print(text);
        const end = expiresAt === null ? "until it is revoked" : `until ${expiresAt.toISOString()}`;
        // Beside the token, so that `piw token create x > FILE` has the token alone.
        process.stderr.write(
          `${name}: may ${right}, ${end}. The token is shown this once: the farm keeps only its hash.\n`,
        );
        return 0;
      },
    },
    argv,
  );
}

function list(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: listTokensProgram,
      logLevel: "warn",
      run: async (values, _operands, frame) => {
        const rows = await askMaster({ ...importMaster(values, frame), type: "TOKENS", body: {} });
        if (values.json) frame.print(JSON.stringify(rows.map(asJson), undefined, 2));
        else tokenLines(rows).forEach(frame.print);
        return 0;
      },
    },
    argv,
  );
}

function revoke(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: revokeTokenProgram,
      logLevel: "warn",
      run: async (values, [operand = ""], frame) => {
        const name = nameOf(operand);
        const { isRevoked, known } = await askMaster({
          ...importMaster(values, frame),
          type: "REVOKE_TOKEN",
          body: { name },
        });
        if (!isRevoked) {
          const nearest = findNearest(name, known);
          throw new Error(
            `there is no valid token ${name}${nearest === undefined ? "" : `; the nearest is ${nearest}`}`,
          );
        }
        frame.print(values.json ? JSON.stringify({ name, revoked: true }) : `${name}: revoked`);
        return 0;
      },
    },
    argv,
  );
}

function nameOf(operand: string): string {
  if (tokenNameSchema.safeParse(operand).success) return operand;
  throw new ConfigurationError(
    `"${harmless(operand.slice(0, 60))}" is no name of a token: letters, digits and . _ @ - only, at most 100, a letter, digit or _ first`,
  );
}

const time = (at: number | null): string | null =>
  at === null ? null : new Date(at).toISOString();

const asJson = ({ name, right, state, ...at }: TokenRow) => ({
  name,
  right,
  state,
  created: time(at.createdAt),
  expires: time(at.expiresAt),
  revoked: time(at.revokedAt),
  used: time(at.usedAt),
});

function tokenLines(rows: readonly TokenRow[]): string[] {
  if (rows.length === 0) return ["no tokens yet: piw token create NAME makes one"];
  const day = (at: number | null, none: string) => time(at)?.slice(0, 16).replace("T", " ") ?? none;
  return columns(
    ["NAME", "RIGHT", "STATE", "CREATED", "EXPIRES", "LAST USED"],
    rows.map((row) => [
      row.name,
      row.right,
      row.state,
      day(row.createdAt, ""),
      day(row.expiresAt, "never"),
      day(row.usedAt, "never"),
    ]),
  );
}
