/**
 * Arbitrary values of a zod schema, for properties of what crosses from one process to another. Knows the
 * kinds of schema that messages are made of, and says so where one is new. Texts are well-formed and numbers
 * are no -0: neither survives any codec of ours, and no schema promises it.
 */
import fc from "fast-check";
import type { z } from "zod";
import { accessBatchSchema } from "../../../protocol/model/access.ts";

/** Enough to be odd, few enough to be quick. */
const LONGEST_TEXT = 40;
const LONGEST_LIST = 4;

interface Check {
  readonly _zod: { readonly def: Readonly<Record<string, unknown>> };
}
interface Definition {
  readonly type: string;
  readonly checks?: readonly Check[];
  readonly format?: string;
  readonly element?: z.ZodType;
  readonly items?: readonly z.ZodType[];
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly innerType?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly entries?: Readonly<Record<string, string>>;
  readonly values?: readonly unknown[];
  readonly keyType?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly in?: z.ZodType;
}

/** What the schema takes and gives back unchanged. */
export function valuesOf(schema: z.ZodType): fc.Arbitrary<unknown> {
  if (schema === accessBatchSchema) return accessBatches();
  const definition = schema.def as unknown as Definition;
  return raw(schema, definition).filter((value) => schema.safeParse(value).success);
}

function raw(schema: z.ZodType, definition: Definition): fc.Arbitrary<unknown> {
  const missing = () => new Error(`${definition.type} without a part`);
  const part = (inner: z.ZodType | undefined) => {
    if (inner === undefined) throw missing();
    return valuesOf(inner);
  };
  switch (definition.type) {
    case "custom": {
      // Bytes, the only kind that links declare so; as Buffer, which is what a decoder gives.
      const bytes = fc.uint8Array({ maxLength: 50 }).map((each) => Buffer.from(each));
      return bytes.filter((each) => schema.safeParse(each).success);
    }
    case "null":
      return fc.constant(null);
    case "boolean":
      return fc.boolean();
    case "string":
      return definition.format === "uuid" ? fc.uuid() : texts(definition);
    case "number":
      return fc
        .oneof(
          fc.integer({ min: 0, max: 1_000 }),
          fc.maxSafeInteger(),
          fc.double({ noNaN: true, noDefaultInfinity: true }),
        )
        .map((number) => (number === 0 ? 0 : number))
        .filter((number) => schema.safeParse(number).success);
    // Its key is left out instead.
    case "optional":
      return part(definition.innerType);
    case "nullable":
      return fc.option(part(definition.innerType));
    case "array":
      return fc.array(part(definition.element), { minLength: 1, maxLength: LONGEST_LIST });
    case "tuple":
      return fc.tuple(...(definition.items ?? []).map(valuesOf));
    case "object":
      return fc.record(
        Object.fromEntries(
          Object.entries(definition.shape ?? {}).map(([key, value]) => [key, valuesOf(value)]),
        ),
        {
          noNullPrototype: true,
          requiredKeys: Object.entries(definition.shape ?? {})
            .filter(([, value]) => value.type !== "optional")
            .map(([key]) => key),
        },
      );
    case "record":
      return fc.dictionary(
        // The codec takes no such name across, and nothing is called that: see codec.test.ts.
        (part(definition.keyType) as fc.Arbitrary<string>).filter((key) => key !== "__proto__"),
        part(definition.valueType),
        {
          noNullPrototype: true,
          maxKeys: LONGEST_LIST,
        },
      );
    case "union":
      return fc.oneof(...(definition.options ?? []).map(valuesOf));
    case "enum":
      return fc.constantFrom(...Object.values(definition.entries ?? {}));
    case "literal":
      return fc.constantFrom(...(definition.values ?? []));
    // A transformation: what it has made of a value it leaves alone.
    case "pipe":
      return part(definition.in).map((value) => schema.parse(value));
    default:
      throw new Error(`no values of ${definition.type} yet`);
  }
}

function texts({ checks = [] }: Definition): fc.Arbitrary<string> {
  let longest = LONGEST_TEXT;
  for (const { _zod } of checks) {
    const { def } = _zod;
    if (def["check"] === "max_length") longest = Math.min(longest, Number(def["maximum"]));
    if (def["pattern"] instanceof RegExp) {
      const pattern = def["pattern"];
      // Of a class of Unicode fast-check makes a list of all its letters, which takes seconds.
      if (pattern.source.includes("\\p{"))
        return fc
          .string({ unit: "grapheme", maxLength: longest })
          .filter((text) => pattern.test(text));
      return fc.stringMatching(new RegExp(pattern.source, pattern.flags.replace("i", "")));
    }
  }
  return fc.string({ unit: "grapheme", maxLength: longest });
}

/** Chance does not make columns of one length, nor addresses. */
function accessBatches(): fc.Arbitrary<unknown> {
  const { ats, packages, filenames, paths, kinds, clients } = accessBatchSchema.shape;
  const one = (column: z.ZodArray): fc.Arbitrary<unknown> => valuesOf(column.element as z.ZodType);
  const rows = (values: fc.Arbitrary<unknown>, length: number) =>
    fc.array(values, { minLength: length, maxLength: length });
  return fc.integer({ min: 0, max: LONGEST_LIST }).chain((length) =>
    fc.record(
      {
        kinds: rows(one(kinds), length),
        ats: rows(one(ats), length),
        addresses: rows(fc.option(fc.oneof(fc.ipV4(), fc.ipV6())), length),
        packages: rows(one(packages), length),
        filenames: rows(one(filenames), length),
        paths: rows(one(paths), length),
        clientOf: rows(fc.constant(0), length),
        clients: rows(one(clients), 1),
      },
      { noNullPrototype: true },
    ),
  );
}
