#!/usr/bin/env -S node --enable-source-maps
/** The command piw-remove. */
import { remove } from "./commands/remove.ts";

await remove(process.argv.slice(2));
