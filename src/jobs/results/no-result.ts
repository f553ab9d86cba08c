import { GatewayError } from '../../platform/errors/error-codes.js';
import { isTerminal } from '../job-status.js';
import type { Job } from '../job.entity.js';

/** Throws why a job has no stored result: `job_not_completed`, `job_has_no_result`, or `result_expired`. */
export function throwNoResult({ status, resultExpiredAt }: Job): never {
  if (!isTerminal(status)) {
    throw new GatewayError(
      'job_not_completed',
      `The job is ${status}. Try again when it has ended.`,
    );
  }
  // Every completed job had a result; retention may delete it between the two reads.
  if (status === 'completed') {
    const when = resultExpiredAt === null ? '' : ` on ${resultExpiredAt.toISOString()}`;
    throw new GatewayError('result_expired', `It was deleted${when} because of its age.`);
  }
  throw new GatewayError('job_has_no_result', `The job is ${status}.`);
}
