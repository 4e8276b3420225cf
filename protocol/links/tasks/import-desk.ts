/** What is said to the import desk: File Juggler asks it for ranges of the files of an import. */
import type { MessagesOfProtocol } from "../../../supervisor/index.ts";
import { declareProtocol } from "../declare.ts";
import { fetchMessages } from "../files.ts";

export const importDeskProtocol = declareProtocol({
  name: "import-desk",
  /** Answered to File Juggler with CHUNK or MISSING, by and by or never: then it asks again. */
  messages: fetchMessages,
});
export type ToImportDesk = MessagesOfProtocol<typeof importDeskProtocol>;
