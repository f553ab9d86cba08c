import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { stringify } from 'csv-stringify';
import { AuditQueries, type AuditEntry, type RefusalFilter } from '../audit/audit-queries.js';
import { AuditWriter } from '../audit/audit-writer.js';
import type { Actor } from '../audit/audit-entry.js';
import { AdminActions } from './admin-actions.js';
import { toRefusalDto, type RefusalDto } from './refusal.dto.js';

const PAGE_SIZE = 500;

const COLUMNS: readonly (keyof RefusalDto)[] = [
  'id',
  'at',
  'kind',
  'cause',
  'guard',
  'status',
  'count',
  'clientAddress',
  'peerAddress',
  'forwardedFor',
  'jobId',
  'assertedJobId',
  'assertedUpstreamId',
  'method',
  'path',
  'requestId',
  'bodyBytes',
  'bodySha256',
  'bodySample',
  'firstAt',
  'lastAt',
];
const VERDICTS = ['source_ip', 'well_formed', 'secret', 'job_id'] as const;

/** Exports refusals as a file, newest first, page by page. */
@Injectable()
export class RefusalExport {
  constructor(
    private readonly queries: AuditQueries,
    private readonly writer: AuditWriter,
    private readonly actions: AdminActions,
  ) {}

  async send(
    actor: Actor,
    format: 'csv' | 'json',
    filter: RefusalFilter,
    reply: FastifyReply,
  ): Promise<void> {
    await this.writer.flushAudit();
    const type = format === 'csv' ? 'text/csv; charset=utf-8' : 'application/json; charset=utf-8';
    await this.actions.run(actor, 'refusals.export', { format, filter }, async () => {
      await reply
        .header('content-type', type)
        .header('content-disposition', `attachment; filename="refusals.${format}"`)
        .send(this[format](filter));
      return { result: undefined, detail: { complete: reply.raw.writableFinished } };
    });
  }

  /** Quotes cells that a spreadsheet would read as formulas. */
  csv(filter: RefusalFilter): Readable {
    const rows = Readable.from(this.entries(filter)).map((entry: AuditEntry) => {
      const view = toRefusalDto(entry);
      const verdicts = VERDICTS.map((guard) => view.verdicts?.[guard].result ?? '');
      return [...COLUMNS.map((column) => view[column] ?? ''), ...verdicts];
    });
    const header = [...COLUMNS, ...VERDICTS.map((guard) => `verdict_${guard}`)];
    const writer = stringify({
      header: true,
      columns: header,
      escape_formulas: true,
      record_delimiter: 'windows',
    });
    rows.on('error', (error) => writer.destroy(error));
    return rows.pipe(writer);
  }

  json(filter: RefusalFilter): Readable {
    return Readable.from(this.jsonParts(filter));
  }

  private async *jsonParts(filter: RefusalFilter): AsyncGenerator<string> {
    let separator = '{"refusals":[\n';
    for await (const entry of this.entries(filter)) {
      yield separator + JSON.stringify(toRefusalDto(entry));
      separator = ',\n';
    }
    yield separator === ',\n' ? '\n]}\n' : '{"refusals":[]}\n';
  }

  private async *entries(filter: RefusalFilter): AsyncGenerator<AuditEntry> {
    let cursor: string | undefined;
    for (;;) {
      const page: AuditEntry[] = await this.queries.listEntries(filter, cursor, PAGE_SIZE);
      yield* page;
      if (page.length < PAGE_SIZE) return;
      cursor = page.at(-1)?.id;
    }
  }
}
