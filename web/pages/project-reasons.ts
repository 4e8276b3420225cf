/**
 * Why something of a project is not built, in words for its users: a sentence on what happened and one on what can be
 * done, for each cause, each reason of a skip and each state. The project's page and its JSON documentation use them.
 */
import type { Cause } from "../../protocol/model/cause.ts";
import { PLACES_COUNTED, type ReleaseBuildState } from "../../protocol/model/project-page.ts";
import { countText } from "./words.ts";

export interface Reason {
  /** A heading, without a full stop. */
  readonly title: string;
  readonly what: string;
  /** What a user, or the project's maintainers, can do; or that nothing need be done. */
  readonly advice: string;
}

/** What an attempt with this cause means to a user. */
export const causeReasons: Readonly<Record<Cause, Reason>> = {
  built: {
    title: "Built",
    what: "The build succeeded.",
    advice: "Nothing need be done.",
  },
  "build-failed": {
    title: "The build ended with an error",
    what: "The project's own build commands failed.",
    advice:
      "The log shows what they said. Often a library or tool is missing on the builder, or the release does not support this Python: a newer release may. It is not tried again unless the farm's operator asks for it.",
  },
  "dependency-missing": {
    title: "Something needed for the build is missing",
    what: "No index that the farm knows has a package that the build asks for.",
    advice: "It goes back on the queue by itself as soon as one arrives.",
  },
  "index-unreachable": {
    title: "An index could not be reached",
    what: "The build needed packages while their index did not answer. That says nothing of the project.",
    advice: "It is tried again by itself.",
  },
  "hash-mismatch": {
    title: "The source archive is not the one that was announced",
    what: "Its SHA-256 differs from the one that the upstream index states, so nothing was built from it.",
    advice: "If it stays so, the project's maintainers or the operators of the index should know.",
  },
  timeout: {
    title: "The build took too long",
    what: "It was ended when it had used up the time that its builder allows.",
    advice: "The farm's operator can allow more, or have it built on a faster machine.",
  },
  "out-of-memory": {
    title: "The builder ran out of memory",
    what: "The machine could not give the build as much memory as it wanted.",
    advice: "It is tried again by itself; a builder with more memory helps if that goes on.",
  },
  "out-of-disk": {
    title: "The builder ran out of disk",
    what: "The machine's disk was full before the build was done.",
    advice: "It is tried again by itself.",
  },
  "resource-limit": {
    title: "The build went beyond a limit",
    what: "It used more processes, disk or memory than one build may use on its builder.",
    advice: "The farm's operator can raise the limit for this project.",
  },
  deferred: {
    title: "The builder put it off",
    what: "What builds it on that machine asked to be called again later.",
    advice: "It is tried again by itself.",
  },
  killed: {
    title: "The build was stopped",
    what: "The farm or its operator ended it. That says nothing of the project.",
    advice: "It is tried again by itself where it is still wanted.",
  },
  "bad-wheel": {
    title: "The wheel did not pass the checks",
    what: "A file came out of the build that is no proper wheel of this release, so it was not published.",
    advice: "The message says what is wrong with it; the project's maintainers can mend it.",
  },
  "no-sdist": {
    title: "The source archive could not be fetched",
    what: "Upstream names one, and it could not be downloaded.",
    advice: "It may be gone upstream. The farm's operator can have it tried again.",
  },
  "slave-lost": {
    title: "The builder was lost",
    what: "The machine went away in the middle of the build. That says nothing of the project.",
    advice: "It is tried again by itself.",
  },
  poison: {
    title: "The build took its builders down",
    what: "Several machines were lost while they built it, so it is given to no further one.",
    advice: "The farm's operator can look into it, and have it tried again.",
  },
};

/** Why a package, a release or a target is not built. `by` is what the reason stands at. */
export function skipReasonOf(reason: string, by: "package" | "release" | "target"): Reason {
  const subject = { package: "this package", release: "this release", target: "this target" }[by];
  switch (reason) {
    case "binary only":
      return {
        title: "There is no source archive",
        what: "Upstream has published wheels of it only, and the farm builds from source.",
        advice:
          "Install upstream's wheel where there is one for your machine. Should a source archive come, it is built.",
      };
    case "no hash":
      return {
        title: "The source archive cannot be checked",
        what: "The upstream index states no SHA-256 for it, and the farm builds nothing that it cannot check.",
        advice: "It is built as soon as upstream states one.",
      };
    case "deleted":
      return {
        title: "It was removed",
        what: "Upstream, or the farm's operator, has removed it.",
        advice: "Nothing is built of it unless it comes back.",
      };
    default:
      return {
        title: `The farm does not build ${subject}`,
        what: `Its operator says why: “${reason}”.`,
        advice: "Ask the operator if you need it.",
      };
  }
}

/** Of a release that a farm of a wanted set has no use for. */
export const unwantedReason: Reason = {
  title: "Not asked for",
  what: "This farm builds a chosen set of releases, and nothing in it asks for these.",
  advice: "Its operator can add them.",
};

/** What a state means, for the key to the table. */
export const stateReasons: Readonly<Record<ReleaseBuildState, string>> = {
  built: "a wheel was built for this target",
  imported: "its wheel was built elsewhere and brought here",
  covered: "a wheel that was built for another target serves this one too",
  upstream: "upstream has a wheel for it",
  failed: "the last attempt failed",
  blocked: "waits for something that it needs to be built",
  ready: "on the queue",
  leased: "being built",
  waiting: "will be tried again",
  behind: "another target goes first, since its wheel may serve all",
  excluded: "the release does not support this Python",
  skipped: "not built any more",
};

/** Where a build is in the queue, and how long that may take. */
export function placeText(before: number | null, hourly: number): string {
  if (before === null) return `more than ${countText(PLACES_COUNTED)} builds are before it`;
  if (before === 0) return "it is next";
  const builds =
    before === 1 ? "1 build is before it" : `${countText(before)} builds are before it`;
  if (hourly === 0) return builds;
  const minutes = Math.ceil(((before + 1) / hourly) * 60);
  return `${builds}: about ${aboutText(minutes)} at the pace of the last hour`;
}

function aboutText(minutes: number): string {
  if (minutes < 2) return "a minute";
  if (minutes < 90) return `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${countText(Math.round(hours / 24))} days`;
}
