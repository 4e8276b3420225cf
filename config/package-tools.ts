/** piw-add, piw-remove, piw-rebuild: their options. They ask a running master over its import link. */
import { commonOptions } from "./common-options.ts";
import { requirementOption } from "./farm.ts";
import { importQueueOption } from "./master.ts";
import { flag, list, optional, type Program } from "./option.ts";
import { waitOption } from "./tools.ts";
import { dateFormat, descriptionFormat, priorityFormat, reasonFormat } from "./value-format.ts";

const said = { stored: false } as const;

export const importOptions = {
  ...commonOptions,
  "import-queue": importQueueOption,
  wait: waitOption,
};

const yes = flag("Go ahead without asking", { short: "y", ...said });

const subjects = {
  name: "PACKAGE",
  variadic: true,
} as const;

export const addProgram = {
  name: "piw-add",
  section: "add",
  summary:
    "Adds packages to what a master builds, by name, by requirement or from a file; or says something of packages and versions that it knows. What is said here comes before what upstream says. Exit code: 0 done; 1 refused, or nobody answers; 2 wrong usage.",
  operand: {
    ...subjects,
    doc: "A project's name or a requirement such as 'numpy>=2'; versions that follow a name (numpy 1.26.4 2.0) are versions of it",
    required: false,
  },
  options: {
    ...importOptions,
    requirement: requirementOption,
    "with-deps": flag("Want what these need at run time too, and what that needs", said),
    "with-build-deps": flag("Want what is needed to build these too, and what that needs", said),
    yes,
    skip: optional(reasonFormat, "REASON", "Do not build it, and say why; its files stay", {
      short: "s",
      ...said,
    }),
    unskip: flag("Build it again, as far as upstream lets", said),
    yank: optional(
      reasonFormat,
      "REASON",
      "Mark these versions as yanked (PEP 592), whatever upstream says",
      said,
    ),
    unyank: flag("Mark them as not yanked; until upstream takes a yank of its own back", said),
    alias: list("NAME", "Another name by which the tools know the package. Repeatable", {
      short: "a",
      ...said,
    }),
    description: optional(
      descriptionFormat,
      "TEXT",
      "One line on what the package is; an empty one is upstream's again",
      { short: "d", ...said },
    ),
    released: optional(
      dateFormat,
      "DATE",
      "When these versions were released: 2024-01-31 or 2024-01-31T12:00:00Z",
      said,
    ),
    priority: optional(
      priorityFormat,
      "N",
      "Build it before what has less, -1000 to 1000; 0 is what all others have",
      { short: "p", ...said },
    ),
  },
} satisfies Program;

export const removeProgram = {
  name: "piw-remove",
  section: "remove",
  summary:
    "Removes packages or versions with their builds and files, or only those. File names stay taken for ever. Exit code: 0 done; 1 refused, or nobody answers; 2 wrong usage.",
  operand: {
    ...subjects,
    doc: "A project's name; versions that follow it are all that is removed of it. With --wanted a project's name or a requirement, as it was added",
    required: true,
  },
  options: {
    ...importOptions,
    yes,
    skip: optional(
      reasonFormat,
      "REASON",
      "Keep it out, and say why; without this upstream can bring it back",
      { short: "s", ...said },
    ),
    builds: flag("Remove only what was built: it is built again, under a build tag", said),
    wanted: flag(
      "Remove nothing: take these requirements, or all of these projects, back from the wanted set",
      said,
    ),
  },
} satisfies Program;

export const rebuildProgram = {
  name: "piw-rebuild",
  section: "rebuild",
  summary:
    "Has pages of the site written again: home, search, project [PACKAGE] or index [PACKAGE]; without PACKAGE those of all packages, in the background; all: everything. With provenance [PACKAGE] it has wheels signed that have no provenance. Exit code: 0 done; 1 refused, or nobody answers; 2 wrong usage.",
  operand: {
    name: "WHAT",
    doc: "home, search, project, index, all or provenance, and a PACKAGE where only its page or wheels are meant",
    variadic: true,
    required: false,
  },
  options: {
    ...importOptions,
    yes,
    detach: flag("Do not wait for the end of a rebuild; --progress shows how far it is", said),
    progress: flag("Rebuild nothing: say how far the rebuilds of all pages are", said),
  },
} satisfies Program;
