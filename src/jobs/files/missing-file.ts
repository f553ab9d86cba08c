/** A file that the result links to and that could not be fetched. The link stays in the result. */
export interface MissingFile {
  /** As the file would be named, without an extension. */
  readonly name: string;
  /** For people. */
  readonly reason: string;
}

/** Maximum number of missing files that a job names. */
export const MAX_MISSING_FILES = 100;
