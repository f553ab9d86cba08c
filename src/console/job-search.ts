import { isServiceName } from '../access/service-name.js';
import { JOB_STATUSES, type JobStatus } from '../jobs/job-status.js';
import { JOB_TYPES, type JobType } from '../jobs/job-type.js';
import type { JobSearch } from '../jobs/jobs-admin.js';
import { truncate } from '../platform/text.js';
import { validate as isUuid } from 'uuid';

/** Which jobs a page is about. */
export interface AskedJobs {
  readonly id: string | undefined;
  readonly search: JobSearch;
  readonly values: Readonly<Partial<Record<'id' | 'service' | 'status' | 'type', string>>>;
}

export function askedJobs(given: Readonly<Record<string, unknown>>): AskedJobs {
  const id = textOf(given['id']);
  const service = textOf(given['service']);
  const status = JOB_STATUSES.find((known): known is JobStatus => known === given['status']);
  const type = JOB_TYPES.find((known): known is JobType => known === given['type']);
  const before = textOf(given['cursor']);
  const search = {
    ...(isServiceName(service) ? { service } : {}),
    ...(status === undefined ? {} : { status }),
    ...(type === undefined ? {} : { type }),
  };
  return {
    id: id === '' ? undefined : id,
    values: { ...search, ...(id === '' ? {} : { id }) },
    search: isUuid(before) ? { ...search, before } : search,
  };
}

/** No id of a job, ours or Reducto's, is longer. */
function textOf(value: unknown): string {
  return typeof value === 'string' && !value.includes('\0') ? truncate(value.trim(), 128) : '';
}
