/** piw token create, list, revoke: their options. */
import { flag, option, type Program } from "./option.ts";
import { importOptions } from "./package-tools.ts";
import { section } from "./tools.ts";
import { choiceFormat, lifetimeFormat } from "./value-format.ts";

const token = {
  name: "NAME",
  doc: "What it is called in lists and logs, such as prometheus or alice",
  variadic: false,
  required: true,
};
const json = flag("Print it as JSON", { stored: false });

export const createTokenProgram = {
  name: "piw token create",
  section,
  summary:
    "Makes a token by which a person or program is let in over HTTP, and shows it: this once, since the farm keeps only its hash.",
  operand: token,
  options: {
    ...importOptions,
    right: option(
      choiceFormat("watch", "control"),
      "RIGHT",
      "watch",
      "What it is good for: to watch the farm and its metrics, or also to control it",
      { stored: false },
    ),
    expire: option(
      lifetimeFormat,
      "DURATION",
      "never",
      "When it ends by itself: after 12h, 90d, 12w or 2y for instance",
      { stored: false },
    ),
    json,
  },
} satisfies Program;

export const listTokensProgram = {
  name: "piw token list",
  section,
  summary:
    "Shows who is let in over HTTP, and who was within a year. The tokens themselves are not known.",
  options: { ...importOptions, json },
} satisfies Program;

export const revokeTokenProgram = {
  name: "piw token revoke",
  section,
  summary: "Ends a token: who came in by it is out within five seconds.",
  operand: token,
  options: { ...importOptions, json },
} satisfies Program;
