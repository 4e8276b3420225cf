/** The subcommands of `piw` that ask a running master over its control link, and `piw keygen`. */
import { commonOptions } from "./common-options.ts";
import { controlQueueOption } from "./master.ts";
import { flag, option, optional, type Program } from "./option.ts";
import { durationFormat, pathFormat, positionFormat, textFormat } from "./value-format.ts";

export const waitOption = option(
  durationFormat,
  "DURATION",
  "5s",
  "Give up when the master has not answered",
);

/** The subcommands of `piw` that are no programs of their own share one. */
export const section = "piw";

/** How tools and monitors prove themselves to a master that they reach over tcp; kept in their own section. */
export const monitorKeyOptions = {
  key: optional(
    pathFormat,
    "FILE",
    "Secret key of whoever asks, from piw keygen; for a master at tcp:// with --monitor-keys",
  ),
  "master-key": optional(
    textFormat,
    "KEY",
    "Public key of that master: the FILE.pub of its --key, or the 40 characters in it",
  ),
};

export const controlOptions = {
  ...commonOptions,
  "control-queue": controlQueueOption,
  ...monitorKeyOptions,
  wait: waitOption,
};

export const statusProgram = {
  name: "piw status",
  section,
  summary:
    "Shows what a running master has built, is building and cannot build; of one package, why each build is on the queue or not, and where.",
  operand: {
    name: "PACKAGE",
    doc: "A project's name, and one of its versions after it",
    variadic: true,
    required: false,
  },
  options: {
    ...controlOptions,
    json: flag("Print the whole report as JSON", { stored: false }),
  },
} satisfies Program;

const taskOperand = {
  name: "TASK",
  doc: "A task's name such as scribe; * stands for any letters",
  variadic: false,
  required: true,
};

export const logProgram = {
  name: "piw log",
  section,
  summary:
    "Shows the log of a build: of a running one as far as it is, of a finished one from the output folder. Secrets were masked as it was written.",
  operand: {
    name: "BUILD",
    doc: "The build's number, as the site and the logs of the farm show it; or a slave's label, for the build that it has in hand",
    variadic: false,
    required: true,
  },
  options: {
    ...controlOptions,
    follow: flag("Go on until the build has ended, also after the slave or the master was away", {
      stored: false,
    }),
    from: option(positionFormat, "POSITION", "0", "Begin at this byte of the log", {
      stored: false,
    }),
    json: flag("Print a JSON object for each part, and one for the end", { stored: false }),
  },
} satisfies Program;

export const pauseProgram = {
  name: "piw pause",
  section,
  summary: "Pauses a task of a running master.",
  operand: taskOperand,
  options: controlOptions,
} satisfies Program;

export const resumeProgram = {
  name: "piw resume",
  section,
  summary: "Lets a task of a running master go on that was paused or told to quit.",
  operand: taskOperand,
  options: controlOptions,
} satisfies Program;

export const tasksProgram = {
  name: "piw tasks",
  section,
  summary: "Shows the tasks of a running master: what each does now, and what it lacks.",
  options: {
    ...controlOptions,
    json: flag("Print every actor and supervisor as JSON", { stored: false }),
  },
} satisfies Program;

export const quitProgram = {
  name: "piw quit",
  section,
  summary:
    "Stops a task of a running master in order, until piw resume; without a name the whole master, with all its parts.",
  operand: { ...taskOperand, required: false },
  options: controlOptions,
} satisfies Program;

export const keygenProgram = {
  name: "piw keygen",
  section,
  summary:
    "Makes a key pair for a master or a slave: FILE, which stays secret, and FILE.pub, which the other side is given. With --signing the key that a master signs wheels with, its public key FILE.pub and its certificate FILE.crt.",
  operand: {
    name: "FILE",
    doc: "Where the secret key goes (default: piwheels.key; with --signing piwheels-signing.key)",
    variadic: false,
    required: false,
  },
  options: {
    ...commonOptions,
    signing: flag("Make a key for --signing-key of the master", { stored: false }),
    name: option(
      textFormat,
      "NAME",
      "Wheelwright farm",
      "Of the farm, for the certificate of --signing",
      {
        stored: false,
      },
    ),
  },
} satisfies Program;
