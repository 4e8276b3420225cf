/** All contenders of the bench `runtime`, for the process that is to be one of them. */
import type { Contender } from "../rounds.ts";
import { askers, askersInFlight } from "./ask.ts";
import { fanOuts, parents, spawners } from "./crowd.ts";
import { crowds } from "./memory.ts";
import { overloaded } from "./overload.ts";
import { players } from "./ping-pong.ts";
import { quitters } from "./quit.ts";
import { patients } from "./restart.ts";
import { tellers, tellersWithBody } from "./tell.ts";

export const duels: Readonly<Record<string, () => readonly Contender<unknown>[]>> = {
  tell: tellers,
  "tell-with-body": tellersWithBody,
  ask: askers,
  "ask-in-flight": askersInFlight,
  "ping-pong": players,
  spawn: spawners,
  "fan-out": fanOuts,
  "parent-of-many": parents,
  restart: patients,
  quit: quitters,
  memory: crowds,
  overload: overloaded,
};
