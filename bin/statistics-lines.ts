/** A few of the farm's figures as lines of text, below the report; `piw status --json` has them all. */
import type { Everything } from "../protocol/model/statistics.ts";
import { countText, sizeText } from "../web/pages/words.ts";

export function statisticsLines({ farm, master }: Everything): string[] {
  const counted = (figure: number | null | undefined, one: string): string =>
    `${countText(figure ?? 0)} ${one}${figure === 1 ? "" : "s"}`;
  const lines: string[] = [];
  if (farm !== null) {
    lines.push(
      `in the last hour: ${counted(farm.buildsLastHour, "build")}, ` +
        counted(farm.newVersionsLastHour, "new version"),
      `published: ${counted(farm.packages, "package")}, ${counted(farm.files, "file")}, ` +
        sizeText(farm.sizeBytes ?? 0),
    );
  }
  if (master !== null && master.diskSizeBytes > 0) {
    const { diskFreeBytes, diskSizeBytes } = master;
    lines.push(`output disk: ${sizeText(diskFreeBytes)} free of ${sizeText(diskSizeBytes)}`);
  }
  return lines;
}
