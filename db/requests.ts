/**
 * All database requests by name: what an Oracle can be asked. A task asks for one with
 * `ask("leaseBuild", {...})`; the types of arguments and result come from here.
 */
import type { z } from "zod";
import type { Immutable } from "../protocol/model/immutable.ts";
import { explainQueue } from "./explain.ts";
import {
  markPlaced,
  markRemoved,
  openTokens,
  referencedBlobs,
  unplaced,
  withdrawnFiles,
} from "./files.ts";
import { queueHealth, sleepingSlaves, wakeSlaves } from "./health.ts";
import { extendLeases, leaseBuild, releaseLeases, renewLeases, sweepQueue } from "./leases.ts";
import { duePages, pagesWritten, requestPage } from "./pages.ts";
import { setPopularity } from "./popularity.ts";
import { queueReport } from "./report.ts";
import { findDelivery, settleBuild } from "./settle.ts";
import { helloSlave, requeueStep } from "./slaves.ts";
import {
  configureFarm,
  ping,
  postponeProject,
  recordChanges,
  recordListing,
  recordProject,
  recordRemoval,
  resetSerial,
  unreadProjects,
  upstreamSerial,
} from "./upstream.ts";
import { homePage, projectPage, simpleNames, simplePage } from "./views.ts";
import { addWanted, releaseBlocked } from "./wanted.ts";

export const requests = {
  addWanted,
  configureFarm,
  duePages,
  explainQueue,
  extendLeases,
  findDelivery,
  helloSlave,
  homePage,
  leaseBuild,
  markPlaced,
  markRemoved,
  openTokens,
  pagesWritten,
  ping,
  postponeProject,
  projectPage,
  queueHealth,
  queueReport,
  recordChanges,
  recordListing,
  recordProject,
  recordRemoval,
  referencedBlobs,
  releaseBlocked,
  releaseLeases,
  renewLeases,
  requestPage,
  requeueStep,
  resetSerial,
  setPopularity,
  settleBuild,
  simpleNames,
  simplePage,
  sleepingSlaves,
  sweepQueue,
  unplaced,
  unreadProjects,
  upstreamSerial,
  wakeSlaves,
  withdrawnFiles,
};

export type RequestName = keyof typeof requests;
export type RequestArgs<N extends RequestName> = Immutable<z.infer<(typeof requests)[N]["args"]>>;
export type RequestResult<N extends RequestName> = Immutable<
  z.infer<(typeof requests)[N]["result"]>
>;

/** The protocol of Seraph: every request as a message with its reply. */
export type DatabaseMessages = {
  [N in RequestName]: (args: RequestArgs<N>) => RequestResult<N>;
};
