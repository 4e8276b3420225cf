/** piw slaves list, kill, sleep, wake, skip: their options. They ask a running master over its control link. */
import { flag, optional, type Program } from "./option.ts";
import { controlOptions, section } from "./tools.ts";
import { numberFormat } from "./value-format.ts";

const said = { stored: false } as const;

export const listSlavesProgram = {
  name: "piw slaves list",
  section,
  summary: "Shows the slaves of a running master: what each does now, and for how long.",
  operand: {
    name: "LABEL",
    doc: "Only those of these labels; * stands for any letters",
    variadic: true,
    required: false,
  },
  options: { ...controlOptions, json: flag("Print everything as JSON", said) },
} satisfies Program;

const slaves = {
  name: "LABEL",
  doc: "Labels of slaves as piw slaves list has them, without a job's #2 all jobs of a slave; * stands for any letters",
  variadic: true,
  required: false,
} as const;

const steerOptions = {
  ...controlOptions,
  all: flag("Every slave that the master knows", said),
  id: optional(numberFormat, "N", "The slave of this number: labels may be shared", said),
  json: flag("Print what was done to whom as JSON", said),
  yes: flag("Go ahead without asking", { short: "y", ...said }),
};

export const killSlavesProgram = {
  name: "piw slaves kill",
  section,
  summary:
    "Has slaves drop what they build and end, with all their jobs. Who starts one again has a slave again.",
  operand: slaves,
  options: steerOptions,
} satisfies Program;

export const sleepSlavesProgram = {
  name: "piw slaves sleep",
  section,
  summary:
    "Gives slaves no more builds until piw slaves wake, also from a master that is started again; the build in hand goes on.",
  operand: slaves,
  options: steerOptions,
} satisfies Program;

export const wakeSlavesProgram = {
  name: "piw slaves wake",
  section,
  summary: "Gives slaves builds again that a person, or the farm for their failures, put to sleep.",
  operand: slaves,
  options: steerOptions,
} satisfies Program;

export const skipBuildsProgram = {
  name: "piw slaves skip",
  section,
  summary: "Has slaves drop the build in hand, which goes to other slaves first.",
  operand: slaves,
  options: steerOptions,
} satisfies Program;
