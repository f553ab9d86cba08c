import { ApiProperty } from '@nestjs/swagger';
import { isTerminal } from '../../jobs/job-status.js';
import type { Recheck } from '../recheck.js';

/** Maximum job ids in an answer; the counts include all jobs. */
const MAX_JOBS_SHOWN = 1000;

export class RecheckDto {
  /** Refusals that were checked again. */
  checked!: number;

  /** Of `checked`, the callbacks that the current settings accept. */
  wouldPass!: number;

  /** Of `checked`, the callbacks that the current settings refuse. */
  stillRefused!: number;

  /** Matching refusals without a raw request: only counted, or past their retention. */
  notKept!: number;

  /** Refusals whose raw request is encrypted with a missing key. */
  keyMissing!: number;

  /** The ids of keys that are missing in `AUDIT_KEYS`. */
  @ApiProperty({ type: [String] })
  missingKeys!: readonly string[];

  /** Refusals whose raw request was changed. */
  unreadable!: number;

  stillRefusedBy!: Record<string, number>;

  /** Jobs of the callbacks that would pass. */
  jobsTotal!: number;

  /** Of `jobsTotal`, the jobs that have not ended. */
  jobsOpen!: number;

  /** The ids of the first 1,000 jobs. */
  jobs!: string[];

  /** False if more refusals matched than one re-check covers. */
  complete!: boolean;
}

export class AcceptDto extends RecheckDto {
  /** Jobs that the gateway polls now. */
  polling!: number;
}

export function toRecheckDto({ jobs, ...counts }: Recheck): RecheckDto {
  const open = [...jobs.values()].filter(({ job }) => !isTerminal(job.status));
  return {
    ...counts,
    jobsTotal: jobs.size,
    jobsOpen: open.length,
    jobs: [...jobs.keys()].slice(0, MAX_JOBS_SHOWN),
  };
}
