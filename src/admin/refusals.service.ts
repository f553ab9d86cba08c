import { Injectable } from '@nestjs/common';
import {
  AuditQueries,
  type AuditEntry,
  type RefusalFilter,
  type RefusalSummary,
} from '../audit/audit-queries.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { CallbackJobsService } from '../jobs/callback-jobs.service.js';
import { GatewayError } from '../platform/errors/error-codes.js';

/** Reads refusals for admins. Flushes this process's audit buffer first. */
@Injectable()
export class RefusalsService {
  constructor(
    private readonly queries: AuditQueries,
    private readonly writer: AuditWriter,
    private readonly callbackJobs: CallbackJobsService,
  ) {}

  async list(
    filter: RefusalFilter,
    cursor: string | undefined,
    limit: number,
  ): Promise<AuditEntry[]> {
    await this.writer.flushAudit();
    const entries = await this.queries.listEntries(filter, cursor, limit);
    return Promise.all(entries.map((entry) => this.withJob(entry)));
  }

  async summary(filter: RefusalFilter): Promise<RefusalSummary> {
    await this.writer.flushAudit();
    return this.queries.summarizeRefusals(filter);
  }

  /** Throws `refusal_not_found`. */
  async find(id: string): Promise<AuditEntry> {
    await this.writer.flushAudit();
    const entry = /^\d{1,18}$/.test(id) ? await this.queries.findEntry(id) : undefined;
    if (entry === undefined || entry.kind === 'action') throw new GatewayError('refusal_not_found');
    return this.withJob(entry);
  }

  /**
   * Adds the job that the callback names. The guards do not query jobs for callbacks with a wrong secret, because a flood
   * must not reach the database.
   */
  private async withJob(entry: AuditEntry): Promise<AuditEntry> {
    const { jobId, assertedJobId, assertedUpstreamId } = entry.data;
    if (typeof jobId === 'string' || typeof assertedUpstreamId !== 'string') return entry;
    const own = typeof assertedJobId === 'string' ? assertedJobId : undefined;
    const job = await this.callbackJobs.findJob(own, assertedUpstreamId);
    return job === null ? entry : { ...entry, data: { ...entry.data, jobId: job.id } };
  }
}
