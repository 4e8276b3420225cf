/** What tasks may say to each other from one process to another: taken as it is, or refused in one line. */
import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { paths } from "../../../actors/master/colleagues.ts";
import { databaseProtocol } from "../../../actors/master/database.ts";
import { taskProtocols } from "../../../actors/master/protocols.ts";
import { requests } from "../../../db/requests.ts";
import { declareProtocol } from "../../../protocol/links/declare.ts";
import { chunkMessages, fetchMessages } from "../../../protocol/links/files.ts";
import { architectProtocol, type ToArchitect } from "../../../protocol/links/tasks/architect.ts";
import type { ToBigBrother } from "../../../protocol/links/tasks/big-brother.ts";
import type { ToCloudGazer } from "../../../protocol/links/tasks/cloud-gazer.ts";
import type { ToControl } from "../../../protocol/links/tasks/control.ts";
import type { ToFileJuggler } from "../../../protocol/links/tasks/file-juggler.ts";
import type { ToHttp } from "../../../protocol/links/tasks/http.ts";
import type { ToImportDesk } from "../../../protocol/links/tasks/import-desk.ts";
import type { ToPart } from "../../../protocol/links/tasks/part.ts";
import { type ToScribe, writingSchema } from "../../../protocol/links/tasks/scribe.ts";
import type { ToSecretary } from "../../../protocol/links/tasks/secretary.ts";
import { presenceSchema, type ToSlaveDriver } from "../../../protocol/links/tasks/slave-driver.ts";
import type { ToStatus } from "../../../protocol/links/tasks/status.ts";
import { newWorkSchema } from "../../../protocol/links/tasks/target-ids.ts";
import {
  buildOrderSchema,
  buildResultSchema,
  plainFilenameSchema,
  tokenSchema,
} from "../../../protocol/model/build.ts";
import { logPositionSchema } from "../../../protocol/model/build-log.ts";
import { collectedSchema, deliverySchema } from "../../../protocol/model/delivery.ts";
import { diskRoomSchema } from "../../../protocol/model/host.ts";
import { processVitalsSchema } from "../../../protocol/model/metric-family.ts";
import { logLevelSchema, partLogLevelsSchema } from "../../../protocol/model/order.ts";
import { pageRequestSchema } from "../../../protocol/model/page.ts";
import { signedStepSchema } from "../../../protocol/model/provenance.ts";
import { countSchema, rowIdSchema } from "../../../protocol/model/scalar.ts";
import { slaveNowStateSchema, whereaboutsSchema } from "../../../protocol/model/slave-now.ts";
import { everythingSchema, slaveFiguresSchema } from "../../../protocol/model/statistics.ts";
import { farmEventSchema } from "../../../protocol/model/status.ts";
import { slavesAskedSchema } from "../../../protocol/model/steering.ts";
import { taskNodeSchema } from "../../../protocol/model/task-tree.ts";
import { decode, encode } from "../../../protocol/transport/codec.ts";
import type { ActorRef, Protocol } from "../../../supervisor/index.ts";
import { valuesOf } from "./schema-values.ts";

/** A message as its sender would make it; undefined: it has no such value. */
interface Said {
  readonly body?: fc.Arbitrary<unknown>;
  readonly reply?: fc.Arbitrary<unknown>;
}
/** Every message of a protocol must be here: the compiler sees to that. */
type SaidTo<M> = { readonly [K in keyof M]: Said };

const list = (schema: z.ZodType) => fc.array(valuesOf(schema), { minLength: 1, maxLength: 4 });
const token = valuesOf(tokenSchema);
const position = valuesOf(logPositionSchema);
const logPart = fc.record(
  {
    position,
    skippedBytes: position,
    data: fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
    nextPosition: position,
    isEnd: fc.boolean(),
  },
  { noNullPrototype: true },
);
const chunk = fc.record(
  {
    token,
    filename: valuesOf(plainFilenameSchema),
    offset: fc.nat(),
    data: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  },
  { noNullPrototype: true },
);
const pages = list(pageRequestSchema);
const targetIds = list(rowIdSchema);

const vitalsOfProcess = valuesOf(processVitalsSchema);

const order = {
  body: fc.record({ task: fc.string({ unit: "grapheme" }) }, { noNullPrototype: true }),
  reply: fc.array(fc.string({ unit: "grapheme" }), { minLength: 1 }),
};

const said = {
  [paths.agent]: {
    PAUSE: order,
    RESUME: order,
    QUIT_TASK: order,
    QUIT: {},
    TREE: {
      body: fc.record({ sessions: fc.boolean() }, { noNullPrototype: true }),
      reply: list(taskNodeSchema),
    },
    LOG_LEVEL: {
      body: fc.record(
        {
          task: fc.option(fc.string({ unit: "grapheme" })),
          level: fc.option(valuesOf(logLevelSchema)),
        },
        { noNullPrototype: true },
      ),
      reply: order.reply,
    },
    LOG_LEVELS: { reply: valuesOf(partLogLevelsSchema) },
    VITALS: { reply: vitalsOfProcess },
  } satisfies SaidTo<ToPart>,
  [paths.status]: { EVENT: { body: valuesOf(farmEventSchema) } } satisfies SaidTo<ToStatus>,
  [paths.control]: {
    FOLLOWING: { body: fc.record({ isCaughtUp: fc.boolean() }, { noNullPrototype: true }) },
    VITALS: {
      reply: fc.record(
        {
          processes: fc.array(vitalsOfProcess, { maxLength: 3 }),
          silent: fc.array(fc.string({ unit: "grapheme" })),
          slaves: fc.option(list(z.object({ id: rowIdSchema, state: slaveNowStateSchema }))),
          disk: fc.option(valuesOf(diskRoomSchema)),
        },
        { noNullPrototype: true },
      ),
    },
  } satisfies SaidTo<ToControl>,
  [paths.fileJuggler]: {
    COLLECT: {
      body: fc.record(
        {
          delivery: valuesOf(deliverySchema),
          files: valuesOf(buildResultSchema.shape.files),
          log: fc.option(valuesOf(buildResultSchema.shape.log)),
        },
        { noNullPrototype: true },
      ),
      reply: valuesOf(collectedSchema),
    },
    PLACE: { body: fc.record({ token: fc.option(token) }, { noNullPrototype: true }) },
    ROOM: { reply: valuesOf(diskRoomSchema) },
    SIGN: {
      body: fc.record(
        {
          package: fc.option(fc.string({ minLength: 1, maxLength: 20 })),
          after: fc.nat(),
          limit: fc.integer({ min: 1, max: 1_000 }),
        },
        { noNullPrototype: true },
      ),
      reply: valuesOf(signedStepSchema),
    },
    CLEAR: { body: fc.record({ token }, { noNullPrototype: true }) },
    READ_LOG: {
      body: fc.record({ token, position }, { noNullPrototype: true }),
      reply: fc.option(logPart),
    },
    CHUNK: { body: chunk },
    MISSING: { body: valuesOf(chunkMessages.MISSING.body) },
  } satisfies SaidTo<ToFileJuggler>,
  [paths.importDesk]: {
    FETCH: { body: valuesOf(fetchMessages.FETCH.body) },
  } satisfies SaidTo<ToImportDesk>,
  [paths.architect]: {
    LEASE: {
      body: fc.record(
        { slaveId: valuesOf(rowIdSchema), targetIds, holding: list(tokenSchema) },
        { noNullPrototype: true },
      ),
      reply: fc.option(valuesOf(buildOrderSchema)),
    },
    RENEW: {
      body: fc.record({ token, slaveId: valuesOf(rowIdSchema) }, { noNullPrototype: true }),
      reply: fc.boolean(),
    },
    WAKE: { body: fc.record({ work: list(newWorkSchema) }, { noNullPrototype: true }) },
    REST: { body: fc.record({ reason: fc.option(fc.lorem()) }, { noNullPrototype: true }) },
    TARGETS_CHANGED: {},
    END_HANDOUTS: {},
  } satisfies SaidTo<ToArchitect>,
  [paths.slaveDriver]: {
    WAKE: {
      body: fc.record(
        { work: list(newWorkSchema.omit({ first: true })) },
        { noNullPrototype: true },
      ),
    },
    READ_LOG: {
      body: fc.record(
        { identity: fc.lorem(), slot: fc.lorem(), token, position, waitMs: fc.nat(30_000) },
        { noNullPrototype: true },
      ),
      reply: fc.option(logPart),
    },
    COUNT: { reply: valuesOf(countSchema) },
    DRAIN: { reply: valuesOf(countSchema) },
    WHEREABOUTS: { reply: valuesOf(whereaboutsSchema) },
    KILL: {
      body: fc.record(
        { slaves: valuesOf(slavesAskedSchema), reason: fc.lorem() },
        { noNullPrototype: true },
      ),
      reply: list(presenceSchema),
    },
    STEER: {
      body: fc.record(
        {
          slaveIds: list(rowIdSchema),
          action: fc.constantFrom("kill", "sleep", "wake", "skip"),
          reason: fc.lorem(),
        },
        { noNullPrototype: true },
      ),
      reply: list(presenceSchema),
    },
  } satisfies SaidTo<ToSlaveDriver>,
  [paths.scribe]: {
    WRITE: {
      body: fc.record({ pages }, { noNullPrototype: true }),
      reply: valuesOf(writingSchema),
    },
  } satisfies SaidTo<ToScribe>,
  [paths.secretary]: { HURRY: {} } satisfies SaidTo<ToSecretary>,
  [paths.cloudGazer]: { LOOK: {} } satisfies SaidTo<ToCloudGazer>,
  [paths.bigBrother]: {
    HOST: { body: valuesOf(slaveFiguresSchema.omit({ heardAt: true })) },
    LOOK: {},
    EVERYTHING: { reply: valuesOf(everythingSchema) },
  } satisfies SaidTo<ToBigBrother>,
  [paths.http]: {
    ADDRESS: {
      reply: fc.record({ url: fc.option(fc.webUrl()) }, { noNullPrototype: true }),
    },
  } satisfies SaidTo<ToHttp>,
  [paths.seraph]: Object.fromEntries(
    Object.entries(requests).map(([name, { args, result }]): [string, Said] => [
      name,
      { body: valuesOf(args), reply: valuesOf(result) },
    ]),
  ),
};

const messages: (Said & { at: string; type: string; protocol: Protocol })[] = Object.entries(
  said,
).flatMap(([at, types]) =>
  Object.entries<Said>(types).map(([type, values]) => ({
    ...values,
    at,
    type,
    protocol: protocolAt(at),
  })),
);
const withBody = messages.flatMap(({ body, ...rest }) => (body ? [{ ...rest, body }] : []));
const withReply = messages.flatMap(({ reply, ...rest }) => (reply ? [{ ...rest, reply }] : []));

function protocolAt(path: string): Protocol {
  const protocol = taskProtocols.get(path);
  if (protocol === undefined) throw new Error(`no protocol at ${path}`);
  return protocol;
}

/** One line, short, and from which protocol. */
function expectRefused(checked: ReturnType<Protocol["checkBody"]>, protocol: Protocol): void {
  expect(checked.ok).toBe(false);
  if (checked.ok) return;
  expect(checked.reason.startsWith(`${protocol.name}: `)).toBe(true);
  expect(checked.reason).toMatch(/^[^\p{C}\n\r]+$/u);
  expect(checked.reason.length).toBeLessThan(500);
}

const sample = (values: fc.Arbitrary<unknown>): unknown =>
  fc.sample(values, { numRuns: 1, seed: 7 })[0];

describe("what is said from one process to another", () => {
  it("is told of here for every protocol", () => {
    expect(Object.keys(said).sort()).toEqual([...taskProtocols.keys()].sort());
  });

  it.each(withBody)(
    "$at $type: every body comes out of codec and check as it went in",
    ({ body, type, protocol }) => {
      fc.assert(
        fc.property(body, (value) => {
          expect(protocol.checkBody(type, decode(encode(value)))).toStrictEqual({
            ok: true,
            value,
          });
        }),
        { numRuns: 30 },
      );
    },
  );

  it.each(withReply)(
    "$at $type: every answer comes out of codec and check as it went in",
    ({ reply, type, protocol }) => {
      fc.assert(
        fc.property(reply, (value) => {
          expect(protocol.checkReply(type, decode(encode(value)))).toStrictEqual({
            ok: true,
            value,
          });
        }),
        { numRuns: 30 },
      );
    },
  );
});

describe("a body that is not of its message is refused in one line", () => {
  const alien = { alien: true };

  it.each(withBody)("$at $type: another thing, or nothing", ({ body, type, protocol }) => {
    for (const wrong of [alien, [alien], "alien", 1.5, true, undefined, { ["__proto__"]: 1 }])
      expectRefused(protocol.checkBody(type, wrong), protocol);
    // Only what takes nothing takes null.
    expect(protocol.checkBody(type, null).ok).toBe(sample(body) === null);
  });

  it.each(withBody)(
    "$at $type: each part left out, of another kind, huge",
    ({ body, type, protocol }) => {
      const good = sample(body);
      if (typeof good !== "object" || good === null) return;
      for (const [key, value] of Object.entries(good)) {
        const { [key]: _left, ...without } = good as Record<string, unknown>;
        expectRefused(protocol.checkBody(type, without), protocol);
        for (const wrong of [alien, Number.NaN, Number.POSITIVE_INFINITY, undefined])
          expectRefused(protocol.checkBody(type, { ...good, [key]: wrong }), protocol);
        const huge = hugeOf(value);
        if (huge !== undefined)
          expectRefused(protocol.checkBody(type, { ...good, [key]: huge }), protocol);
      }
    },
  );

  it.each(messages.filter(({ body }) => body === undefined))(
    "$at $type: something where there is to be nothing",
    ({ type, protocol }) => {
      for (const wrong of [alien, {}, [], "", 0, false])
        expectRefused(protocol.checkBody(type, wrong), protocol);
      for (const nothing of [undefined, null])
        expect(protocol.checkBody(type, nothing)).toEqual({ ok: true, value: undefined });
    },
  );
});

/** The same kind of thing, beyond any bound. */
function hugeOf(value: unknown): unknown {
  if (typeof value === "string") return "x".repeat(100_001);
  if (typeof value === "number") return 2 ** 1000;
  if (Array.isArray(value)) return new Array<unknown>(1_000_001).fill(value[0]);
  return undefined;
}

describe("an answer that is not of its question is refused in one line", () => {
  it.each(withReply)("$at $type", ({ type, protocol }) => {
    for (const wrong of [{ alien: true }, [{ alien: true }], "alien", -1.5, undefined])
      if (!(type === "simpleNames" && wrong === "alien"))
        expectRefused(protocol.checkReply(type, wrong), protocol);
  });

  it.each(messages.filter(({ reply }) => reply === undefined))(
    "$at $type: who asks learns that it was handled, as undefined, and nothing else",
    ({ type, protocol }) => {
      for (const nothing of [undefined, null])
        expect(protocol.checkReply(type, nothing)).toEqual({ ok: true, value: undefined });
      for (const wrong of [{}, [], "", 0, false])
        expectRefused(protocol.checkReply(type, wrong), protocol);
    },
  );
});

describe("a message that a protocol does not declare is refused", () => {
  const own = ["SWEEP", "FLUSH", "PASS", "TICK", "PEER_MESSAGE", "COLLECTED", "ENDED", "RUN"];
  const inherited = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"];

  it.each([...taskProtocols])(
    "%s: what it says to itself, and what every object has",
    (_, protocol) => {
      for (const type of [...own, ...inherited, "", "x".repeat(100_000), "a\nb\u0000\u202e"]) {
        expect(protocol.declares(type)).toBe(false);
        for (const value of [{}, null, undefined]) {
          expectRefused(protocol.checkBody(type, value), protocol);
          expectRefused(protocol.checkReply(type, value), protocol);
        }
      }
    },
  );
});

describe("a declaration", () => {
  it("says which messages may be lost: news only", () => {
    const lossy = [...taskProtocols].flatMap(([path, protocol]) =>
      [...protocol.lossy].map((type) => `${path} ${type}`),
    );
    expect(lossy).toEqual(["/observers/status EVENT", "/services/statistics/big-brother HOST"]);
  });

  it("of a lossy question is refused", () => {
    const messages = { ASK: { reply: z.boolean(), lossy: true } } as const;
    expect(() => declareProtocol({ name: "odd", messages })).toThrow("odd: ASK is lossy");
  });

  it("names what is wrong without the sender's line breaks and without end", () => {
    const messages = { SET: { body: z.record(z.string(), z.number()) } };
    const odd = declareProtocol({ name: "odd", messages });
    expectRefused(odd.checkBody("SET", { [`a\nb\u0007${"c".repeat(10_000)}`]: "x" }), odd);
  });
});

describe("a ref of a task", () => {
  it("takes and answers what its protocol declares, and nothing of another's", () => {
    expectTypeOf(uses).returns.resolves.toBeVoid();
    expectTypeOf(refusedByTheCompiler).returns.toBeVoid();
    expectTypeOf<ToArchitect["TARGETS_CHANGED"]>().toEqualTypeOf<() => void>();
    expectTypeOf(architectProtocol).toExtend<Protocol<ToArchitect>>();
    expectTypeOf(databaseProtocol).toExtend<Protocol>();
  });
});

interface Refs {
  readonly architect: ActorRef<ToArchitect>;
  readonly juggler: ActorRef<ToFileJuggler>;
  readonly http: ActorRef<ToHttp>;
}

async function uses({ architect, juggler, http }: Refs): Promise<void> {
  const first = { ord: 1, versionId: 1 };
  architect.tell("WAKE", { work: [{ targetId: 1, count: 1, first }] });
  architect.tell("TARGETS_CHANGED");
  const order = await architect.ask("LEASE", { slaveId: 1, targetIds: [1], holding: [] });
  expectTypeOf(order?.sdist.sizeBytes).toEqualTypeOf<number | null | undefined>();
  expectTypeOf(await architect.ask("RENEW", { token: 1, slaveId: 1 })).toBeBoolean();
  expectTypeOf(await juggler.ask("PLACE", { token: null })).toBeVoid();
  expectTypeOf(await http.ask("ADDRESS")).toEqualTypeOf<{ readonly url: string | null }>();
}

function refusedByTheCompiler({ architect, juggler, http }: Refs): void {
  // @ts-expect-error what the Architect says to itself
  architect.tell("SWEEP");
  // @ts-expect-error a message of File Juggler
  architect.tell("CLEAR", { token: 1 });
  // @ts-expect-error it wants a body
  architect.tell("WAKE");
  // @ts-expect-error it has none
  architect.tell("TARGETS_CHANGED", {});
  // @ts-expect-error a body of another message
  architect.tell("WAKE", { token: 1 });
  // @ts-expect-error a token is a number
  juggler.tell("CLEAR", { token: "1" });
  // @ts-expect-error another task
  const _other: ActorRef<ToArchitect> = juggler;
  // @ts-expect-error another task that has fewer messages
  const _fewer: ActorRef<ToHttp> = architect;
  void http.ask("ADDRESS").then((address) => {
    // @ts-expect-error nothing in a message may be changed
    address.url = "x";
  });
}
