/** piw verify: its options. */
import { commonOptions } from "./common-options.ts";
import { flag, optional, type Program } from "./option.ts";
import { pathFormat, urlFormat } from "./value-format.ts";

export const verifyProgram = {
  name: "piw verify",
  section: "verify",
  summary:
    "Checks a wheel against its provenance: that a farm's key signed it, and that it is the wheel that was signed; and shows what it was built from, where and when. Exit code: 0 verified; 1 not, or it could not be had; 2 wrong usage.",
  operand: {
    name: "WHEEL",
    doc: "A wheel's file, with FILE.provenance beside it unless --index-url is given; or its address",
    variadic: false,
    required: true,
  },
  options: {
    ...commonOptions,
    key: optional(
      pathFormat,
      "FILE",
      "The farm's public keys or certificates in PEM; without it those that its site has now, which shows as much as the site can be trusted",
    ),
    "index-url": optional(
      urlFormat,
      "URL",
      "The farm's Simple API, to ask it for the provenance of a file",
    ),
    json: flag("Print what was verified as JSON", { stored: false }),
  },
} satisfies Program;
