/**
 * A wheel's provenance file, in the layout of PEP 740: one attestation of the farm's own. Two things of the PEP are
 * not so: the certificate is the farm's own and not one of Sigstore's, and no transparency log has an entry.
 * docs/provenance.md says what follows from that.
 */
import { z } from "zod";
import type { ProvenanceFacts } from "../../protocol/model/provenance.ts";
import { preAuthenticationEncoding, STATEMENT_TYPE } from "./dsse.ts";
import type { SigningKey } from "./signing-key.ts";
import { builderId, makeStatement } from "./statement.ts";

/** What signs here, as PEP 740 calls it. */
export const PUBLISHER = "wheelwright";
/** Far above the statement with the most build requirements. */
export const MAX_PROVENANCE_BYTES = 4 * 1024 ** 2;

const base64 = z.base64();

/** Strict: whatever else stood there would be covered by no signature. */
export const provenanceSchema = z.strictObject({
  version: z.literal(1),
  attestation_bundles: z
    .array(
      z.strictObject({
        publisher: z.strictObject({
          kind: z.literal(PUBLISHER),
          farm: z.string().max(4_000),
          key: z.string().regex(/^[0-9a-f]{64}$/),
        }),
        attestations: z
          .array(
            z.strictObject({
              version: z.literal(1),
              verification_material: z.strictObject({
                certificate: base64,
                transparency_entries: z.array(z.never()),
              }),
              envelope: z.strictObject({ statement: base64, signature: base64 }),
            }),
          )
          .length(1),
      }),
    )
    .length(1),
});

/** The provenance file of a wheel, signed now. */
export async function signProvenance(
  facts: ProvenanceFacts,
  key: SigningKey,
  farmUrl: string | undefined,
): Promise<Buffer> {
  const farm = { url: farmUrl, keyId: key.id };
  const statement = Buffer.from(JSON.stringify(makeStatement(facts, farm, Date.now())), "utf8");
  const signature = await key.sign(preAuthenticationEncoding(STATEMENT_TYPE, statement));
  const provenance: z.infer<typeof provenanceSchema> = {
    version: 1,
    attestation_bundles: [
      {
        publisher: { kind: PUBLISHER, farm: builderId(farm), key: key.id },
        attestations: [
          {
            version: 1,
            verification_material: {
              certificate: key.certificate.raw.toString("base64"),
              transparency_entries: [],
            },
            envelope: {
              statement: statement.toString("base64"),
              signature: signature.toString("base64"),
            },
          },
        ],
      },
    ],
  };
  return Buffer.from(JSON.stringify(provenance), "utf8");
}
