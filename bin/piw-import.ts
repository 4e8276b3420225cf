#!/usr/bin/env -S node --enable-source-maps
/** The command piw-import. */
import { importCommand } from "./commands/import.ts";

await importCommand(process.argv.slice(2));
