import { Injectable } from '@nestjs/common';
import { GatewayError } from '../../platform/errors/error-codes.js';
import type { ByteRange } from '../../platform/http/byte-range.js';
import { isJobId, type Job } from '../job.entity.js';
import { JobQueries } from '../persistence/job-queries.store.js';
import { throwNoResult } from '../results/no-result.js';
import type { JobFile } from './job-file.entity.js';
import { JobFileStore } from './job-file.store.js';

/** Form of the names of files; the database cannot compare any text with one. */
const FILE_NAME = /^[a-z0-9.-]{1,100}$/;

/** The stored files of jobs. They are there exactly as long as the result. */
@Injectable()
export class JobFiles {
  constructor(
    private readonly store: JobFileStore,
    private readonly queries: JobQueries,
  ) {}

  /** By name. Throws `job_not_completed`, `job_has_no_result`, or `result_expired`. */
  async list(job: Job): Promise<JobFile[]> {
    if (job.status !== 'completed' || job.resultExpiredAt !== null) throwNoResult(job);
    return this.store.listFiles(job.id);
  }

  /** Empty without a stored result. */
  listIfAny({ id, status, resultExpiredAt }: Job): Promise<JobFile[]> {
    const isStored = status === 'completed' && resultExpiredAt === null;
    return isStored ? this.store.listFiles(id) : Promise.resolve([]);
  }

  /** As `list`; throws `file_not_found`, too. */
  async find(job: Job, name: string): Promise<JobFile> {
    if (job.status !== 'completed' || job.resultExpiredAt !== null) throwNoResult(job);
    const file = FILE_NAME.test(name) ? await this.store.findFile(job.id, name) : null;
    if (file === null) throw new GatewayError('file_not_found');
    return file;
  }

  /** The file of a job of any service, for a link that the gateway signed. */
  async findByLink(jobId: string, name: string): Promise<JobFile> {
    const job = isJobId(jobId) ? await this.queries.findAny({ id: jobId }) : null;
    if (job === null) throw new GatewayError('job_not_found');
    return this.find(job, name);
  }

  readBytes(file: JobFile, range: ByteRange): AsyncIterable<Buffer> {
    return this.store.readBytes(file, range);
  }
}
