/** What a verified statement says, for people: who, from what, where, when. What only the slave said is marked. */

import { IMPORTED, type SLSA_PROVENANCE } from "../../web/provenance/statement.ts";
import type { Statement, Verified } from "../../web/provenance/verify.ts";

type Build = Extract<Statement, { predicateType: typeof SLSA_PROVENANCE }>["predicate"];
type Row = readonly [name: string, value: string];

export function statementLines({ statement, farm, keyId }: Verified): string[] {
  const about =
    statement.predicateType === IMPORTED
      ? ([
          ["imported", `${statement.predicate.importedOn}: the farm did not build it`],
          ["package", `${statement.predicate.package} ${statement.predicate.version}`],
        ] satisfies Row[])
      : rowsOf(statement.predicate);
  const rows: Row[] = [["signed by", farm], ["key", keyId], ...about];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
}

function rowsOf({ buildDefinition, runDetails }: Build): Row[] {
  const { package: name, version, target, sdist } = buildDefinition.externalParameters;
  const { builder, metadata, byproducts } = runDetails;
  const said = buildDefinition.internalParameters.saidBySlave;
  const requirements = buildDefinition.resolvedDependencies
    .filter(({ annotations }) => annotations.role === "build-requirement")
    .map(({ uri, name: fallback = "" }) => decodeURIComponent(uri?.split("/").at(-1) ?? fallback));
  const [slave] = builder.builderDependencies;
  const [log] = byproducts;
  const key = slave?.annotations.publicKey ?? "a slave without a key";
  const product = builder.version?.["wheelwright"];
  const words = ["runner", "sandbox", "network"].flatMap((each) =>
    typeof said[each] === "string" ? [`${each} ${said[each]}`] : [],
  );
  return [
    ["package", `${name} ${version} for ${target}`],
    [
      "from",
      sdist === undefined
        ? "a source that was not recorded"
        : `${sdist.uri ?? sdist.name ?? "an sdist"} sha256:${sdist.digest.sha256}`,
    ],
    ["built by", `slave ${key}${product === undefined ? "" : `, Wheelwright ${product}`}`],
    ["when", `${metadata.startedOn} to ${metadata.finishedOn}, build ${metadata.invocationId}`],
    ...(words.length > 0 ? [["in", `${words.join(", ")} (as the slave says)`] as const] : []),
    ...(requirements.length > 0
      ? [["with", `${requirements.join(", ")} (as the slave says)`] as const]
      : []),
    ...(log === undefined ? [] : [["log", log.uri ?? log.name] as const]),
  ];
}
