/** The box over everything else: help, a menu, a question before what could do harm. */
import { Box } from "ink";
import type { ReactNode } from "react";
import { dialogBox } from "../state/dialog-box.ts";
import type { Dialog } from "../state/monitor-state.ts";
import { cleanText, fitted } from "../terminal/clean-text.ts";
import type { Size } from "../terminal/frame-painter.ts";
import { Line } from "./line.tsx";

export function DialogBox({
  dialog,
  size,
}: {
  readonly dialog: Dialog;
  readonly size: Size;
}): ReactNode {
  const { rect, lines } = dialogBox(dialog, size);
  const inner = rect.width - 2;
  const colour = dialog.kind === "confirm" ? "yellow" : "cyan";
  const rule = "─".repeat(inner);
  const framed = (text: string) => `│ ${fitted(cleanText(text), inner - 2)} │`;
  return (
    <Box position="absolute" marginLeft={rect.x} marginTop={rect.y} flexDirection="column">
      <Line width={rect.width} spans={[{ text: `┌${rule}┐`, colour }]} />
      {lines.map(({ text, isHead = false, isChosen = false }, at) => (
        <Line
          // Lines of a box have no names: their places are their keys.
          key={at}
          width={rect.width}
          spans={[{ text: framed(text), isBold: isHead || isChosen, isInverse: isChosen }]}
        />
      ))}
      <Line width={rect.width} spans={[{ text: `└${rule}┘`, colour }]} />
    </Box>
  );
}
