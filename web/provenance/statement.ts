/**
 * The statement that the farm signs about a wheel: in-toto Statement v1, with SLSA provenance v1 for what was
 * built here and a predicate of our own for what was imported. Pure. docs/provenance.md describes each field.
 *
 * It claims what the master knows; what only the slave said stands under `saidBySlave`, or is marked
 * `saidBy: slave`.
 */
import type { ProvenanceFacts } from "../../protocol/model/provenance.ts";
import { logKey, urlPathOf } from "../public-key.ts";

export const STATEMENT = "https://in-toto.io/Statement/v1";
export const SLSA_PROVENANCE = "https://slsa.dev/provenance/v1";
/** Names of our own: they are described in docs/provenance.md and lead nowhere. */
export const BUILD_TYPE = "urn:wheelwright:build:v1";
export const IMPORTED = "urn:wheelwright:imported:v1";

/** Who signs. */
export interface Farm {
  /** Where its site is, without a slash at the end; undefined: it is known by its key only. */
  readonly url: string | undefined;
  readonly keyId: string;
}

export const builderId = ({ url, keyId }: Farm): string => url ?? `urn:wheelwright:farm:${keyId}`;

/** The statement's JSON, as a value. `signedAt` is the master's clock, in ms since 1970. */
export function makeStatement(facts: ProvenanceFacts, farm: Farm, signedAt: number) {
  return {
    _type: STATEMENT,
    subject: [{ name: facts.filename, digest: { sha256: facts.sha256 } }],
    ...(facts.isImport
      ? { predicateType: IMPORTED, predicate: importOf(facts, farm, signedAt) }
      : { predicateType: SLSA_PROVENANCE, predicate: buildOf(facts, farm, signedAt) }),
  };
}

/** Whoever ran piw-import vouches for it; how it was built the farm does not know. */
function importOf(facts: ProvenanceFacts, farm: Farm, signedAt: number) {
  return {
    farm: builderId(farm),
    package: facts.package,
    version: facts.version,
    invocationId: String(facts.token),
    importedOn: instant(facts.finishedAt),
    signedOn: instant(signedAt),
  };
}

function buildOf(facts: ProvenanceFacts, farm: Farm, signedAt: number) {
  const { sdist, said } = facts;
  const { environment, durationMs } = said;
  return {
    buildDefinition: {
      buildType: BUILD_TYPE,
      externalParameters: {
        package: facts.package,
        version: facts.version,
        target: facts.target,
        ...(facts.buildTag !== null && { buildTag: facts.buildTag }),
        ...(sdist !== null && { sdist: sdistOf(sdist) }),
      },
      internalParameters: {
        saidBySlave: {
          ...(environment !== null && environment),
          ...(durationMs !== null && { durationMs }),
        },
      },
      resolvedDependencies: [
        ...(sdist === null
          ? []
          : [{ ...sdistOf(sdist), annotations: { role: "sdist", saidBy: "master" } }]),
        ...(said.resolved ?? []).map((each) => ({
          name: each.name,
          uri: `pkg:pypi/${encodeURIComponent(each.name)}@${encodeURIComponent(each.version)}`,
          ...(each.sha256 !== null && { digest: { sha256: each.sha256 } }),
          annotations: { role: "build-requirement", saidBy: "slave" },
        })),
      ],
    },
    runDetails: {
      builder: {
        id: builderId(farm),
        ...(facts.productVersion !== null && { version: { wheelwright: facts.productVersion } }),
        builderDependencies: [slaveOf(facts.slaveIdentity)],
      },
      metadata: {
        invocationId: String(facts.token),
        startedOn: instant(facts.startedAt),
        finishedOn: instant(facts.finishedAt),
        // SLSA leaves names with a vendor's prefix to the vendor.
        wheelwright_signedOn: instant(signedAt),
      },
      byproducts: facts.log === null ? [] : [logOf(facts.log, farm)],
    },
  };
}

const sdistOf = ({ filename, url, sha256 }: NonNullable<ProvenanceFacts["sdist"]>) => ({
  ...(filename !== null && { name: filename }),
  ...(url !== null && { uri: url }),
  digest: { sha256 },
});

/** A slave is its key. Where links have none it is only what it says it is. */
function slaveOf(identity: string) {
  const isProven = !identity.startsWith("local:");
  return {
    name: "slave",
    uri: `urn:wheelwright:slave:${encodeURIComponent(identity)}`,
    annotations: isProven
      ? { publicKey: identity, saidBy: "master" }
      : { publicKey: null, saidBy: "slave" },
  };
}

/** The hash is that of the text: the file is gzip-compressed, and servers hand it out as text. */
function logOf({ token, sha256 }: NonNullable<ProvenanceFacts["log"]>, { url }: Farm) {
  const key = logKey(token);
  return {
    name: key,
    ...(url !== undefined && { uri: `${url}${urlPathOf(key)}` }),
    digest: { sha256 },
    mediaType: "text/plain",
  };
}

const instant = (ms: number): string => new Date(ms).toISOString();
