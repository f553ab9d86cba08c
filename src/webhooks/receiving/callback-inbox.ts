import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { Batches } from '../../platform/batches.js';
import { Settings } from '../../platform/config/settings.js';
import { preparedRows } from '../../platform/database/sql.js';
import { addToSpan, currentTraceparent } from '../../platform/tracing/spans.js';
import { Notifications } from '../../platform/work/notifications.js';
import type { KnownJob } from '../../jobs/callback-jobs.service.js';
import type { ReceivedCallback } from '../guards/received-callback.js';
import type { InboxEntry } from './inbox-entry.entity.js';

type NewEntry = Omit<InboxEntry, 'id' | 'receivedAt'>;

/** The topic that announces callbacks to the relays. */
export const CALLBACKS_STORED = 'callbacks';

/** More callbacks in one commit make it no cheaper, and the first of them wait longer. */
const MAX_PER_COMMIT = 200;
/** While one commit waits for the disk, the next one is prepared. */
const CONCURRENT_COMMITS = 2;

/** Stores each callback as one row. The relay does the rest after the sender has its answer. */
@Injectable()
export class CallbackInbox {
  private readonly commits: Batches<NewEntry, true>;

  constructor(
    settings: Settings,
    private readonly notifications: Notifications,
    @InjectEntityManager() private readonly database: EntityManager,
  ) {
    this.commits = new Batches((entries) => this.insertEntries(entries), {
      size: MAX_PER_COMMIT,
      waiting: settings.WEBHOOK_BACKLOG,
      concurrency: CONCURRENT_COMMITS,
    });
  }

  /** Callbacks that wait for the next commit. */
  get waiting(): number {
    return this.commits.length;
  }

  /**
   * Resolves once the callback is durable. Callbacks that arrive during a commit share the next one. Throws
   * `unavailable` if more than `WEBHOOK_BACKLOG` wait.
   */
  async storeCallback(
    { id: jobId, service }: KnownJob,
    { message, provedBy, clientAddress }: ReceivedCallback,
  ): Promise<void> {
    if (message === undefined) throw new Error('a callback without a message cannot be stored');
    addToSpan({ 'gateway.job_id': jobId });
    await this.commits.addItem({
      service,
      jobId,
      upstreamId: message.upstreamId,
      status: message.status,
      provedBy: provedBy ?? 'none',
      clientAddress,
      trace: currentTraceparent() ?? null,
    });
  }

  private async insertEntries(entries: readonly NewEntry[]): Promise<true[]> {
    await preparedRows(this.database, INSERT_ENTRIES, [
      entries.map(({ jobId }) => jobId),
      entries.map(({ upstreamId }) => upstreamId),
      entries.map(({ status }) => status),
      entries.map(({ provedBy }) => provedBy),
      entries.map(({ clientAddress }) => clientAddress),
      entries.map(({ trace }) => trace),
      entries.map(({ service }) => service),
    ]);
    this.notifications.send(CALLBACKS_STORED);
    return entries.map(() => true);
  }
}

/** The subqueries hide the lengths of the arrays, for which PostgreSQL would plan each execution anew. */
const INSERT_ENTRIES = {
  name: 'callback-inbox-insert',
  text: `
  INSERT INTO callback_inbox (job_id, upstream_id, status, proved_by, client_address, trace, service)
  SELECT * FROM unnest((SELECT $1::uuid[]), (SELECT $2::text[]), (SELECT $3::text[]),
                       (SELECT $4::text[]), (SELECT $5::text[]), (SELECT $6::text[]),
                       (SELECT $7::text[]))`,
};
