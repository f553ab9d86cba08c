import { Page } from '../documents/document.js';
import { Job } from '../jobs/job.js';
import { Platform } from '../faults/platform-switches.js';

/** What the result of a job is built from, anew at each read. */
export interface ResultContext {
  job: Job;
  pages: readonly Page[];
  platform: Platform;
  /** The page count to report. */
  numPages: number;
  durationSeconds: number;
  /** A link to a file of the job, for example `picture-1.png`. */
  link(name: string): string;
  /** The part itself, or a `UrlResult` with a link to it. The main part is `result`. */
  place(name: string, part: unknown): unknown;
}
