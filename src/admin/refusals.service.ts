import { Injectable } from '@nestjs/common';
import {
  AuditReads,
  type AuditEntry,
  type RefusalFilter,
  type RefusalSummary,
} from '../audit/audit-reads.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { CallbackHints } from '../jobs/callback-hints.js';
import { GatewayError } from '../platform/errors/error-codes.js';

/** What admins read of refusals. What this process has recorded is written first, so that it is there. */
@Injectable()
export class RefusalsService {
  constructor(
    private readonly reads: AuditReads,
    private readonly writer: AuditWriter,
    private readonly hints: CallbackHints,
  ) {}

  async list(
    filter: RefusalFilter,
    cursor: string | undefined,
    limit: number,
  ): Promise<AuditEntry[]> {
    await this.writer.flush();
    const entries = await this.reads.list(filter, cursor, limit);
    return Promise.all(entries.map((entry) => this.withJob(entry)));
  }

  async summary(filter: RefusalFilter): Promise<RefusalSummary> {
    await this.writer.flush();
    return this.reads.summary(filter);
  }

  /** Throws `refusal_not_found`. */
  async find(id: string): Promise<AuditEntry> {
    await this.writer.flush();
    const entry = /^\d{1,18}$/.test(id) ? await this.reads.find(id) : undefined;
    if (entry === undefined || entry.kind === 'action') throw new GatewayError('refusal_not_found');
    return this.withJob(entry);
  }

  /**
   * With the job of ours that it names. A callback that was refused for its secret was not looked up then,
   * since a flood must not reach the database.
   */
  private async withJob(entry: AuditEntry): Promise<AuditEntry> {
    const { jobId, claimedJobId, claimedUpstreamId } = entry.data;
    if (typeof jobId === 'string' || typeof claimedUpstreamId !== 'string') return entry;
    const own = typeof claimedJobId === 'string' ? claimedJobId : undefined;
    const job = await this.hints.find(own, claimedUpstreamId);
    return job === null ? entry : { ...entry, data: { ...entry.data, jobId: job.id } };
  }
}
