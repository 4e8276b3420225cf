/**
 * One line of the screen: pieces of text with their colours. The only place where text is given to ink, and it cleans
 * all of it, so that no screen can forget to.
 */
import { Text } from "ink";
import { createContext, type ReactNode, useContext } from "react";
import { cleanText, widthOf } from "../terminal/clean-text.ts";
import type { PlotStyle } from "./plot.ts";
import type { Colour } from "./theme.ts";

export interface Look {
  readonly hasColours: boolean;
  readonly plots: PlotStyle;
}

export const LookContext = createContext<Look>({ hasColours: false, plots: "ascii" });

export interface Span {
  readonly text: string;
  readonly colour?: Colour | undefined;
  readonly isBold?: boolean;
  readonly isInverse?: boolean;
  readonly isDim?: boolean;
}

/** @param props.width the rest of it is blank, also under an inverse text */
export function Line({
  spans,
  width,
}: {
  readonly spans: readonly Span[];
  readonly width: number;
}): ReactNode {
  const { hasColours } = useContext(LookContext);
  const clean = spans.map((span) => ({ ...span, text: cleanText(span.text) }));
  const used = clean.reduce((sum, { text }) => sum + widthOf(text), 0);
  const isInverse = clean.at(-1)?.isInverse ?? false;
  const padded = used < width ? [...clean, { text: " ".repeat(width - used), isInverse }] : clean;
  return (
    <Text wrap="truncate-end">
      {padded.map(({ text, colour, isBold = false, isInverse = false, isDim = false }, at) => (
        <Text
          // The pieces of a line have no names, and no state: their places are their keys.
          key={at}
          bold={isBold}
          inverse={isInverse}
          dimColor={isDim && hasColours}
          {...(hasColours && colour !== undefined && { color: colour })}
        >
          {text}
        </Text>
      ))}
    </Text>
  );
}
