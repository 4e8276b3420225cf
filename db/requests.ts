/**
 * All database requests by name: what an Oracle can be asked. A task asks for one with
 * `ask("leaseBuild", {...})`; the types of arguments and result come from here.
 */
import type { z } from "zod";
import type { Immutable } from "../protocol/model/immutable.ts";
import { countedDownloads, recordAccess, tendAccessLog } from "./access-log.ts";
import { findLogs } from "./build-log.ts";
import { recordChanges, recordLateChanges, recordListing } from "./changes.ts";
import { endedBuilds } from "./ended-builds.ts";
import { explainQueue } from "./explain.ts";
import { farmMetrics } from "./farm-metrics.ts";
import {
  markPlaced,
  markRemoved,
  openTokens,
  referencedBlobs,
  unplaced,
  withdrawnFiles,
  yieldNames,
} from "./files.ts";
import {
  followIndex,
  foundChangelog,
  listedNames,
  listingTaken,
  listingValidators,
  lookAt,
  lookAtWanted,
  postponeProject,
  recordUnchanged,
  resetSerial,
  unreadProjects,
  upstreamSerial,
} from "./following.ts";
import { asleepSlaves, queueHealth, sleepingSlaves } from "./health.ts";
import { historyOf, recordFigures, thinHistory } from "./history.ts";
import {
  announceEvent,
  disableHook,
  dueDeliveries,
  endDelivery,
  putOffDelivery,
  setHooks,
  trimDeliveries,
} from "./hooks.ts";
import { importedFiles, openImport, settleImport } from "./imports.ts";
import { extendLeases, leaseBuild, releaseLeases, renewLeases, sweepQueue } from "./leases.ts";
import { keepOrder, listOrders } from "./orders.ts";
import { changePackage, lookUp } from "./packages.ts";
import { duePages, failingPages, pagesFailed, pagesWritten, requestPage } from "./pages.ts";
import { setPopularity } from "./popularity.ts";
import {
  draftProvenance,
  dropDraft,
  markSigned,
  provenanceFacts,
  signWith,
  unsignedFiles,
} from "./provenance.ts";
import {
  nextOfRebuild,
  openSite,
  rebuildAdvanced,
  rebuilds,
  startRebuild,
  tendPages,
} from "./rebuilds.ts";
import { removePackage } from "./removal.ts";
import { queueReport } from "./report.ts";
import { rootChanges, rootWritten } from "./root-changes.ts";
import { findDelivery, settleBuild } from "./settle.ts";
import { helloSlave, requeueStep } from "./slaves.ts";
import { farmFigures } from "./statistics.ts";
import { listSlaves, steerSlaves } from "./steering.ts";
import { foldTallies } from "./tallies.ts";
import { addTarget, changeTarget, listTargets } from "./targets.ts";
import { checkToken, createToken, listTokens, revokeToken } from "./tokens.ts";
import { configureFarm, ping, recordProject, recordRemoval } from "./upstream.ts";
import { configureIndex } from "./upstream-standing.ts";
import { farmFailures, homePage, searchList } from "./views-farm.ts";
import { projectBuilds, projectPages, projectReleases, projectSpellings } from "./views-project.ts";
import { queuePage } from "./views-queue.ts";
import { simpleNames, simplePages, upstreamListing } from "./views-simple.ts";
import { statisticsPage } from "./views-statistics.ts";
import { addWanted, releaseBlocked, removeWanted } from "./wanted.ts";
import { deriveWants } from "./wanted-closure.ts";

export const requests = {
  addTarget,
  addWanted,
  announceEvent,
  changePackage,
  changeTarget,
  checkToken,
  configureFarm,
  configureIndex,
  countedDownloads,
  createToken,
  deriveWants,
  disableHook,
  draftProvenance,
  dropDraft,
  dueDeliveries,
  duePages,
  endDelivery,
  endedBuilds,
  explainQueue,
  failingPages,
  extendLeases,
  farmFailures,
  farmFigures,
  farmMetrics,
  findDelivery,
  findLogs,
  followIndex,
  foundChangelog,
  foldTallies,
  helloSlave,
  historyOf,
  homePage,
  importedFiles,
  keepOrder,
  leaseBuild,
  listOrders,
  listSlaves,
  listTargets,
  listTokens,
  lookUp,
  listedNames,
  listingTaken,
  listingValidators,
  lookAt,
  lookAtWanted,
  markPlaced,
  markRemoved,
  markSigned,
  nextOfRebuild,
  openImport,
  openSite,
  openTokens,
  pagesFailed,
  pagesWritten,
  ping,
  postponeProject,
  projectBuilds,
  projectPages,
  projectReleases,
  projectSpellings,
  provenanceFacts,
  putOffDelivery,
  queueHealth,
  queuePage,
  queueReport,
  rebuildAdvanced,
  rebuilds,
  recordAccess,
  recordChanges,
  recordLateChanges,
  recordFigures,
  recordListing,
  recordProject,
  recordRemoval,
  recordUnchanged,
  referencedBlobs,
  releaseBlocked,
  releaseLeases,
  removePackage,
  removeWanted,
  renewLeases,
  requestPage,
  requeueStep,
  resetSerial,
  revokeToken,
  rootChanges,
  rootWritten,
  searchList,
  setHooks,
  setPopularity,
  settleBuild,
  settleImport,
  signWith,
  simpleNames,
  asleepSlaves,
  simplePages,
  sleepingSlaves,
  statisticsPage,
  startRebuild,
  steerSlaves,
  sweepQueue,
  tendPages,
  tendAccessLog,
  thinHistory,
  trimDeliveries,
  unplaced,
  unsignedFiles,
  unreadProjects,
  upstreamListing,
  upstreamSerial,
  withdrawnFiles,
  yieldNames,
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
