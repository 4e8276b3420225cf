#!/usr/bin/env -S node --enable-source-maps
/** The command piw-logger. */
import { logger } from "./commands/logger.ts";

await logger(process.argv.slice(2));
