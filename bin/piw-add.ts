#!/usr/bin/env -S node --enable-source-maps
/** The command piw-add. */
import { add } from "./commands/add.ts";

await add(process.argv.slice(2));
