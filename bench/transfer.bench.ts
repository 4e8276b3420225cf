/**
 * How fast do finished files come from slaves into the farm? 256 MiB as one file, the same from eight slaves, and
 * 1,000 files of 64 KiB from one and from eight, pulled, hashed, checked, synced and published as piw-master does,
 * plain and with CURVE; by turns with them a raw zeromq.js copy that hashes and syncs, and `sha256sum` of the file.
 * With an argument: that many rounds in place of the default.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { generateKeyPair } from "../protocol/transport/index.ts";
import { type Child, startChild } from "./bench-child.ts";
import { atLeast, below, type Findings, median, runBench } from "./frame.ts";
import { type Contender, playRounds, quantile, type Rounds, rounded } from "./rounds.ts";
import { fillOutbox, type Held } from "./transfer/outboxes.ts";
import type {
  ReceiverOrder,
  ReceiverSays,
  RoundFigures,
  SenderName,
  SenderOrder,
  SenderSays,
} from "./transfer/words.ts";

const ROUNDS = Number(process.argv[2] ?? 5);
const SENDERS = 8;
const MIB = 1024 * 1024;
const LARGE_BYTES = 256 * MIB;
const SMALL_BYTES = 64 * 1024;
const SMALL_WHEELS = 25;
const SMALL_BUILDS = 40;

const run = promisify(execFile);

type Receiver = Child<ReceiverOrder, ReceiverSays>;
type Sender = Child<SenderOrder, SenderSays>;

interface Cast {
  readonly receiver: Receiver;
  readonly senders: readonly Sender[];
}

interface Stage {
  readonly folder: string;
  readonly link: Cast;
  /** Processes of its own, with nothing of ours set in them: our programs let more garbage gather than Node does. */
  readonly raw: Cast;
}

interface Way {
  readonly way: "link" | "raw";
  readonly isCurve: boolean;
}

await runBench("transfer", async (signal) => {
  const folder = mkdtempSync(join(tmpdir(), "ww-bench-"));
  const start = (senders: number): Cast => ({
    receiver: startChild("transfer-receiver-child", signal),
    senders: Array.from({ length: senders }, () => startChild("transfer-sender-child", signal)),
  });
  const link = start(SENDERS);
  const raw = start(1);
  const all = [link, raw].flatMap(({ receiver, senders }) => [receiver, ...senders]);
  try {
    return await measure({ folder, link, raw }, signal);
  } finally {
    await Promise.all(all.map((child) => child.end()));
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});

async function measure(stage: Stage, signal: AbortSignal): Promise<Findings> {
  const fill = (name: string, token: number, builds: number, wheels: number, wheelBytes: number) =>
    fillOutbox(join(stage.folder, name), token, { builds, wheels, wheelBytes });
  const each = Array.from({ length: SENDERS }, (_, at) => at);
  const large = [await fill("large", 1, 1, 1, LARGE_BYTES)];
  const largeOfEight = await Promise.all(
    each.map((at) => fill(`large-${at}`, 10 + at, 1, 1, LARGE_BYTES / SENDERS)),
  );
  const small = [await fill("small", 100, SMALL_BUILDS, SMALL_WHEELS, SMALL_BYTES)];
  const smallOfEight = await Promise.all(
    each.map((at) =>
      fill(`small-${at}`, 200 + 10 * at, SMALL_BUILDS / SENDERS, SMALL_WHEELS, SMALL_BYTES),
    ),
  );
  const contender = (name: string, way: Way, held: readonly Held[]): Contender<RoundFigures> => ({
    name,
    play: () => play(stage, way, held),
  });
  const plain: Way = { way: "link", isCurve: false };
  const curve: Way = { way: "link", isCurve: true };
  const rounds = await playRounds(
    [
      contender("raw, plain", { way: "raw", isCurve: false }, large),
      contender("one file, plain", plain, large),
      contender("raw, CURVE", { way: "raw", isCurve: true }, large),
      contender("one file, CURVE", curve, large),
      { name: "sha256sum", play: () => sumAlone(large) },
      contender("8 x 32 MiB from eight, plain", plain, largeOfEight),
      contender("8 x 32 MiB from eight, CURVE", curve, largeOfEight),
      contender("1,000 x 64 KiB from one, plain", plain, small),
      contender("1,000 x 64 KiB from one, CURVE", curve, small),
      contender("1,000 x 64 KiB from eight, plain", plain, smallOfEight),
      contender("1,000 x 64 KiB from eight, CURVE", curve, smallOfEight),
    ],
    ROUNDS,
    signal,
  );
  return findings(rounds);
}

/** One copy of all that the senders hold, into an empty folder. */
async function play(
  stage: Stage,
  { way, isCurve }: Way,
  held: readonly Held[],
): Promise<RoundFigures> {
  const { folder } = stage;
  const { receiver, senders } = stage[way];
  const output = join(folder, "output");
  const secret = isCurve ? generateKeyPair() : undefined;
  receiver.tell({ type: "open", way, secret, output });
  const { address } = await receiver.said("opened");
  const taking = senders.slice(0, held.length);
  const names: SenderName[] = [];
  for (const [at, sender] of taking.entries()) {
    const own = isCurve ? generateKeyPair() : undefined;
    const name = { identity: own?.publicKey ?? `local:sender-${at}`, slot: `sender-${at}` };
    names.push(name);
    const outbox = held[at]?.folder ?? "";
    const serverPublicKey = secret?.publicKey;
    sender.tell({ type: "connect", way, address, outbox, own, serverPublicKey, name });
    await sender.said("connected");
  }
  const done = receiver.said("done");
  const lists = held.map(({ builds }, at) => ({
    sender: names[at] ?? { identity: "", slot: "" },
    builds,
  }));
  receiver.tell({ type: "go", lists });
  const [first] = held;
  const [build] = first?.builds ?? [];
  const [file] = build?.result.files ?? [];
  if (way === "raw" && first !== undefined && build !== undefined && file !== undefined)
    taking[0]?.tell({
      type: "send",
      path: join(first.folder, String(build.token), "files", file.filename),
    });
  const { figures } = await done;
  for (const sender of taking) {
    sender.tell({ type: "close" });
    await sender.said("closed");
  }
  receiver.tell({ type: "close" });
  await receiver.said("closed");
  rmSync(output, { recursive: true, force: true });
  return figures;
}

async function sumAlone([held]: readonly Held[]): Promise<RoundFigures> {
  const [build] = held?.builds ?? [];
  const [file] = build?.result.files ?? [];
  if (held === undefined || build === undefined || file === undefined) throw new Error("no file");
  const startedAt = performance.now();
  await run("sha256sum", [join(held.folder, String(build.token), "files", file.filename)]);
  const seconds = (performance.now() - startedAt) / 1_000;
  return { seconds, checkSeconds: 0, heldMs: 0, processorSeconds: 0, again: 0 };
}

function findings(rounds: Rounds<RoundFigures>): Findings {
  const of = (name: string): readonly RoundFigures[] => rounds.get(name) ?? [];
  const bytesOf = (name: string): number =>
    name.startsWith("1,000") ? SMALL_BUILDS * SMALL_WHEELS * SMALL_BYTES : LARGE_BYTES;
  const rate = (name: string, seconds: (round: RoundFigures) => number): number =>
    median(of(name).map((round) => bytesOf(name) / 1e6 / seconds(round)));
  const all = (name: string): number => rate(name, ({ seconds }) => seconds);
  /** Without the check of what is in the wheel, which a copy has not; one file at a time only. */
  const unchecked = (name: string): number =>
    rate(name, ({ seconds, checkSeconds }) => seconds - checkSeconds);
  const share = (name: string, raw: string, minus: (round: RoundFigures) => number): number =>
    rounded(
      median(
        of(name).map((round, at) => (of(raw)[at]?.seconds ?? 0) / (round.seconds - minus(round))),
      ),
    );
  const check = ({ checkSeconds }: RoundFigures): number => checkSeconds;
  const processor = (name: string): number =>
    median(of(name).map(({ processorSeconds }) => processorSeconds));
  const held = [...rounds.values()].flat().map(({ heldMs }) => heldMs);
  const figures = {
    rawPlainMBs: rounded(all("raw, plain")),
    onePlainMBs: rounded(all("one file, plain")),
    onePlainUncheckedMBs: rounded(unchecked("one file, plain")),
    onePlainToRaw: share("one file, plain", "raw, plain", () => 0),
    onePlainUncheckedToRaw: share("one file, plain", "raw, plain", check),
    rawCurveMBs: rounded(all("raw, CURVE")),
    oneCurveMBs: rounded(all("one file, CURVE")),
    oneCurveToRaw: share("one file, CURVE", "raw, CURVE", () => 0),
    oneCurveUncheckedToRaw: share("one file, CURVE", "raw, CURVE", check),
    sha256sumMBs: rounded(all("sha256sum")),
    smallFromOnePerSecond: rounded((all("1,000 x 64 KiB from one, plain") * 1e6) / SMALL_BYTES),
    smallFromEightPerSecond: rounded((all("1,000 x 64 KiB from eight, plain") * 1e6) / SMALL_BYTES),
    heldMs: rounded(Math.max(...held)),
    begunAgain: [...rounds.values()].flat().reduce((sum, { again }) => sum + again, 0),
    onePlainProcessorToRaw: rounded(processor("one file, plain") / processor("raw, plain")),
    oneCurveProcessorToRaw: rounded(processor("one file, CURVE") / processor("raw, CURVE")),
  };
  return {
    tables: [
      {
        title: "A copy until all is synced and public",
        head: [
          "",
          "MB/s",
          "seconds",
          "shortest",
          "longest",
          "checks, s",
          "processor, s",
          "loop held, ms",
        ],
        rows: [...rounds].map(([name, values]) => [
          name,
          ...[
            all(name),
            median(values.map(({ seconds }) => seconds)),
            Math.min(...values.map(({ seconds }) => seconds)),
            Math.max(...values.map(({ seconds }) => seconds)),
            median(values.map(check)),
            processor(name),
            quantile(
              values.map(({ heldMs }) => heldMs),
              1,
            ),
          ].map((value) => rounded(value).toString()),
        ]),
      },
    ],
    notes: [
      "The checks are what is left of the wheels' checks when all has come, beside the last sync: a copy has none of that.",
      "Of several at once they are added up. Small files come in builds of 25 wheels, four builds of a slave at once.",
      "Processor time is that of the receiving process with all its threads, the checks of wheels included.",
      "The loop is that of the receiving process: how long it was held at most, in any round.",
    ],
    figures,
    aims: [
      atLeast("onePlainToRaw", figures.onePlainToRaw, 0.6, "of the raw copy"),
      atLeast("oneCurveToRaw", figures.oneCurveToRaw, 0.6, "of the raw copy"),
      atLeast("onePlainMBs", figures.onePlainMBs, 400, "MB/s"),
      below("heldMs", figures.heldMs, 50, "ms"),
    ],
  };
}
