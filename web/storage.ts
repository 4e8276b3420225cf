/**
 * Front door of the storage: the contract and the local folder that implements it. Everything that
 * joins paths below the output folder lives behind it (`web/storage/`), and nowhere else.
 */
export {
  type ByteRange,
  type ContentCoding,
  type JoinedPage,
  type PageStretch,
  type PublicFile,
  type PublicFiles,
  type PublicPage,
  type StagedBuild,
  type StagedFile,
  type Storage,
  StorageError,
  type StorageErrorCode,
  type StreamedPage,
} from "./storage/contract.ts";
export {
  blobPlace,
  type Look,
  type Place,
  type TreeEntry,
  TreeInspection,
} from "./storage/inspection.ts";
export { openLocalStorage } from "./storage/local-storage.ts";
export { openPublicFolder } from "./storage/public-folder.ts";
export {
  isCompressible,
  VARIANTS,
  type Variant,
  variantOwner,
  variantsOf,
} from "./storage/variants.ts";
