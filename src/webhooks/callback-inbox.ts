import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { Batches } from '../platform/batches.js';
import { Settings } from '../platform/config/settings.js';
import { preparedRows } from '../platform/database/sql.js';
import { addToSpan, currentTraceparent } from '../platform/tracing/spans.js';
import { Wakeups } from '../tasks/wakeups.js';
import type { InboxEntry } from './inbox-entry.entity.js';
import type { ReceivedCallback } from './received-callback.js';

type Taken = Omit<InboxEntry, 'id' | 'receivedAt'>;

/** The topic that announces callbacks to the relays. */
export const CALLBACKS_KEPT = 'callbacks';

/** More callbacks in one commit make it no cheaper, and the first of them wait longer. */
const MOST_PER_COMMIT = 200;
/** While one commit waits for the disk, the next one is prepared. */
const COMMITS_AT_A_TIME = 2;

/**
 * Keeps the callbacks that passed the guards, by one row each and nothing else: what follows from them is
 * the work of the relay, which needs not be done before the sender is answered.
 */
@Injectable()
export class CallbackInbox {
  private readonly commits: Batches<Taken, true>;

  constructor(
    settings: Settings,
    private readonly wakeups: Wakeups,
    @InjectEntityManager() private readonly database: EntityManager,
  ) {
    this.commits = new Batches((callbacks) => this.store(callbacks), {
      size: MOST_PER_COMMIT,
      waiting: settings.WEBHOOK_BACKLOG,
      atATime: COMMITS_AT_A_TIME,
    });
  }

  /** Callbacks that wait for the next commit. */
  get waiting(): number {
    return this.commits.length;
  }

  /**
   * Stores a callback. Once this resolves it is durable, and only then may the sender hear a 200. Callbacks
   * that come while a commit is under way go into the next one together. Throws `unavailable` where more
   * wait than `WEBHOOK_BACKLOG`.
   */
  async receive({ job, message, provedBy, clientAddress }: ReceivedCallback): Promise<void> {
    if (job === undefined || message === undefined) return;
    const { upstreamId, status } = message;
    addToSpan({ 'gateway.job_id': job.id });
    await this.commits.add({
      jobId: job.id,
      upstreamId,
      status,
      provedBy: provedBy ?? 'none',
      clientAddress,
      trace: currentTraceparent() ?? null,
    });
  }

  private async store(callbacks: readonly Taken[]): Promise<true[]> {
    await preparedRows(this.database, PUT_IN, [
      callbacks.map(({ jobId }) => jobId),
      callbacks.map(({ upstreamId }) => upstreamId),
      callbacks.map(({ status }) => status),
      callbacks.map(({ provedBy }) => provedBy),
      callbacks.map(({ clientAddress }) => clientAddress),
      callbacks.map(({ trace }) => trace),
    ]);
    this.wakeups.send(CALLBACKS_KEPT);
    return callbacks.map(() => true);
  }
}

const PUT_IN = {
  name: 'callback-inbox-put-in',
  text: `
  INSERT INTO callback_inbox (job_id, upstream_id, status, proved_by, client_address, trace)
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])`,
};
