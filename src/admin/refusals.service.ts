import { Injectable } from '@nestjs/common';
import {
  AuditReads,
  type AuditEntry,
  type RefusalFilter,
  type RefusalSummary,
} from '../audit/audit-reads.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { GatewayError } from '../platform/errors/error-codes.js';

/** What admins read of refusals. What this process has recorded is written first, so that it is there. */
@Injectable()
export class RefusalsService {
  constructor(
    private readonly reads: AuditReads,
    private readonly writer: AuditWriter,
  ) {}

  async list(
    filter: RefusalFilter,
    cursor: string | undefined,
    limit: number,
  ): Promise<AuditEntry[]> {
    await this.writer.settle();
    return this.reads.list(filter, cursor, limit);
  }

  async summary(filter: RefusalFilter): Promise<RefusalSummary> {
    await this.writer.settle();
    return this.reads.summary(filter);
  }

  /** Throws `refusal_not_found`. */
  async find(id: string): Promise<AuditEntry> {
    await this.writer.settle();
    const entry = /^\d{1,18}$/.test(id) ? await this.reads.find(id) : undefined;
    if (entry === undefined || entry.kind === 'action') throw new GatewayError('refusal_not_found');
    return entry;
  }
}
