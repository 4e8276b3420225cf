/**
 * Checks a provenance file against the wheel that it is said to be of, and against keys that somebody trusts.
 * Called by `piw verify`. Everything in the file counts: what no signature covers has to be what the
 * statement says, or the file is refused.
 */
import { verify, X509Certificate } from "node:crypto";
import { z } from "zod";
import { preAuthenticationEncoding, STATEMENT_TYPE } from "./dsse.ts";
import { MAX_PROVENANCE_BYTES, PUBLISHER, provenanceSchema } from "./provenance.ts";
import { BUILD_TYPE, IMPORTED, SLSA_PROVENANCE, STATEMENT } from "./statement.ts";
import type { TrustedKeys } from "./trusted-keys.ts";

/** The message says in one line what is wrong, for after `FILE: `. */
export class VerificationError extends Error {
  override readonly name = "VerificationError";
}

const sha256 = z.looseObject({ sha256: z.string() });
const buildSchema = z.looseObject({
  buildDefinition: z.looseObject({
    buildType: z.literal(BUILD_TYPE),
    externalParameters: z.looseObject({
      package: z.string(),
      version: z.string(),
      target: z.string(),
      sdist: z
        .looseObject({ name: z.string().optional(), uri: z.string().optional(), digest: sha256 })
        .optional(),
    }),
    internalParameters: z.looseObject({ saidBySlave: z.record(z.string(), z.unknown()) }),
    resolvedDependencies: z.array(
      z.looseObject({
        name: z.string().optional(),
        uri: z.string().optional(),
        digest: sha256.optional(),
        annotations: z.looseObject({ role: z.string() }),
      }),
    ),
  }),
  runDetails: z.looseObject({
    builder: z.looseObject({
      id: z.string(),
      version: z.record(z.string(), z.string()).optional(),
      builderDependencies: z.array(
        z.looseObject({
          uri: z.string(),
          annotations: z.looseObject({ publicKey: z.string().nullable() }),
        }),
      ),
    }),
    metadata: z.looseObject({
      invocationId: z.string(),
      startedOn: z.string(),
      finishedOn: z.string(),
      wheelwright_signedOn: z.string(),
    }),
    byproducts: z.array(
      z.looseObject({ name: z.string(), uri: z.string().optional(), digest: sha256 }),
    ),
  }),
});
const importSchema = z.looseObject({
  farm: z.string(),
  package: z.string(),
  version: z.string(),
  invocationId: z.string(),
  importedOn: z.string(),
  signedOn: z.string(),
});
const subject = z
  .array(z.strictObject({ name: z.string(), digest: z.strictObject({ sha256: z.string() }) }))
  .length(1);
const statementSchema = z.discriminatedUnion("predicateType", [
  z.strictObject({
    _type: z.literal(STATEMENT),
    subject,
    predicateType: z.literal(SLSA_PROVENANCE),
    predicate: buildSchema,
  }),
  z.strictObject({
    _type: z.literal(STATEMENT),
    subject,
    predicateType: z.literal(IMPORTED),
    predicate: importSchema,
  }),
]);

export type Statement = z.infer<typeof statementSchema>;

export interface Verified {
  readonly statement: Statement;
  /** The farm's URL, or its key's name. */
  readonly farm: string;
  readonly keyId: string;
}

/** @throws VerificationError */
export function verifyProvenance(
  bytes: Uint8Array,
  wheel: { readonly filename: string; readonly sha256: string },
  keys: TrustedKeys,
): Verified {
  const { publisher, attestation } = readProvenance(bytes);
  const key = keys.get(publisher.key);
  if (key === undefined)
    throw new VerificationError(
      `it is signed with the key ${publisher.key}, which is not among those to trust (${[...keys.keys()].join(", ")})`,
    );
  const { certificate } = attestation.verification_material;
  if (!isCertificateOf(certificate, key))
    throw new VerificationError("its certificate is not that of the key that it names");
  const body = fromBase64(attestation.envelope.statement);
  const signature = fromBase64(attestation.envelope.signature);
  if (!verify("sha256", preAuthenticationEncoding(STATEMENT_TYPE, body), key, signature))
    throw new VerificationError("the signature is not that of its statement: one was changed");
  const statement = readStatement(body);
  const farm = farmOf(statement);
  if (publisher.farm !== farm)
    throw new VerificationError("it names another farm than its statement does");
  const [about] = statement.subject;
  if (about?.name !== wheel.filename)
    throw new VerificationError(`it is the provenance of ${JSON.stringify(about?.name ?? "")}`);
  if (about.digest.sha256 !== wheel.sha256)
    throw new VerificationError(
      `the wheel is not the one that was signed: its SHA-256 is ${wheel.sha256} instead of ${about.digest.sha256}`,
    );
  return { statement, farm, keyId: publisher.key };
}

const farmOf = (statement: Statement): string =>
  statement.predicateType === IMPORTED
    ? statement.predicate.farm
    : statement.predicate.runDetails.builder.id;

function readProvenance(bytes: Uint8Array) {
  if (bytes.byteLength > MAX_PROVENANCE_BYTES)
    throw new VerificationError(`it has over ${MAX_PROVENANCE_BYTES} bytes`);
  const value = parseJson(bytes, "it is no JSON");
  const kinds = otherPublishers(value);
  if (kinds !== undefined)
    throw new VerificationError(`it is not signed by a farm, but by: ${kinds.join(", ")}`);
  const parsed = provenanceSchema.safeParse(value);
  if (!parsed.success)
    throw new VerificationError(`it is no provenance of a farm: ${whereOf(parsed.error)}`);
  const [bundle] = parsed.data.attestation_bundles;
  const [attestation] = bundle?.attestations ?? [];
  if (bundle === undefined || attestation === undefined) throw new VerificationError("it is empty");
  return { publisher: bundle.publisher, attestation };
}

/** Who signed, where it is somebody else's provenance: such as upstream's own. */
function otherPublishers(value: unknown): string[] | undefined {
  const shape = z.object({
    attestation_bundles: z
      .array(z.object({ publisher: z.object({ kind: z.string().max(100) }) }))
      .min(1),
  });
  const parsed = shape.safeParse(value);
  if (!parsed.success) return undefined;
  const kinds = parsed.data.attestation_bundles.map(({ publisher }) => publisher.kind);
  return kinds.includes(PUBLISHER) ? undefined : kinds.slice(0, 5);
}

function readStatement(body: Uint8Array): Statement {
  const parsed = statementSchema.safeParse(parseJson(body, "its statement is no JSON"));
  if (!parsed.success)
    throw new VerificationError(
      `its statement says what this program does not know: ${whereOf(parsed.error)}`,
    );
  return parsed.data;
}

/** Self-signed, since the key itself is what is trusted. */
function isCertificateOf(base64: string, key: Parameters<X509Certificate["verify"]>[0]): boolean {
  try {
    const raw = fromBase64(base64);
    const certificate = new X509Certificate(raw);
    return (
      raw.equals(certificate.raw) && certificate.verify(key) && certificate.publicKey.equals(key)
    );
  } catch {
    return false;
  }
}

/** Only one spelling of the same bytes passes. */
function fromBase64(text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text)
    throw new VerificationError("its base64 is not as it is written");
  return bytes;
}

function parseJson(bytes: Uint8Array, problem: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown;
  } catch (error) {
    throw new VerificationError(problem, { cause: error });
  }
}

const whereOf = (error: z.ZodError): string => {
  const [issue] = error.issues;
  return `${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.trim().slice(0, 300);
};
