/** Writes what changes with every build: the home page and its figures, the queue, the statistics, the feeds. */
import { farmFeeds, renderFarmFeed } from "../../../web/pages/farm-feeds.ts";
import { renderFarmJson } from "../../../web/pages/farm-json.ts";
import { renderHomePage } from "../../../web/pages/home-page.ts";
import { renderQueuePage } from "../../../web/pages/queue-page.ts";
import { renderStatisticsPage } from "../../../web/pages/statistics-page.ts";
import {
  FARM_JSON_KEY,
  HOME_PAGE_KEY,
  QUEUE_PAGE_KEY,
  STATISTICS_PAGE_KEY,
} from "../../../web/public-key.ts";
import type { PageWriter } from "./writer.ts";

export const writeFarmPages: PageWriter = async ({ ask, storage, site }) => {
  const home = await ask("homePage", null);
  await storage.replace(HOME_PAGE_KEY, renderHomePage(home, site));
  await storage.replace(FARM_JSON_KEY, renderFarmJson(home));
  await storage.replace(farmFeeds.builds.key, renderFarmFeed("builds", home.recentBuilds, site));
  const failures = await ask("farmFailures", null);
  await storage.replace(farmFeeds.failures.key, renderFarmFeed("failures", failures, site));
  await storage.replace(QUEUE_PAGE_KEY, renderQueuePage(await ask("queuePage", null), site));
  const statistics = await ask("statisticsPage", null);
  await storage.replace(STATISTICS_PAGE_KEY, renderStatisticsPage(statistics, site));
};
