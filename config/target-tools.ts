/** piw target list, add, skip, unskip: their options. */
import { flag, list, option, optional, type Program } from "./option.ts";
import { importOptions } from "./package-tools.ts";
import { section } from "./tools.ts";
import { rankFormat, reasonFormat, textFormat } from "./value-format.ts";

const target = {
  name: "NAME",
  doc: "A target's name such as cp311-linux_x86_64; piw target list has them",
  variadic: false,
  required: true,
};

const rank = optional(
  rankFormat,
  "N",
  "Its place: what nobody tried yet is built for the lowest first (default: 3011 for Python 3.11)",
  { stored: false },
);

export const listTargetsProgram = {
  name: "piw target list",
  section,
  summary: "Shows what wheels are built for, in order of rank, and how much is left to build.",
  options: {
    ...importOptions,
    json: flag("Print everything as JSON", { stored: false }),
  },
} satisfies Program;

export const addTargetProgram = {
  name: "piw target add",
  section,
  summary:
    "Adds a target before a slave brings it, from an interpreter or from its tags; or gives one that is known another rank.",
  operand: { ...target, required: false, doc: `${target.doc}; may be left out with --python` },
  options: {
    ...importOptions,
    rank,
    python: optional(textFormat, "PATH", "Ask this interpreter what it is", { stored: false }),
    tags: list(
      "TAGS",
      "The tags that its pip accepts, most specific first, separated by commas, as 'pip debug --verbose' lists them. Repeatable",
      { stored: false },
    ),
    "python-version": optional(
      textFormat,
      "X.Y.Z",
      "With --tags: the whole version of its Python, which Requires-Python is compared with (default: X.Y.0)",
      { stored: false },
    ),
  },
} satisfies Program;

export const skipTargetProgram = {
  name: "piw target skip",
  section,
  summary: "Builds nothing for a target any more; builds for it that run are dropped, files stay.",
  operand: target,
  options: {
    ...importOptions,
    reason: option(reasonFormat, "REASON", "skipped by hand", "Why", {
      short: "s",
      stored: false,
    }),
  },
} satisfies Program;

export const unskipTargetProgram = {
  name: "piw target unskip",
  section,
  summary: "Builds for a target again that was skipped.",
  operand: target,
  options: importOptions,
} satisfies Program;
