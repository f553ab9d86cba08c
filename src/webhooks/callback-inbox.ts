import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { CallbackHints, type CallbackJob } from '../jobs/callback-hints.js';
import { Batches } from '../platform/batches.js';
import { Settings } from '../platform/config/settings.js';
import { rows } from '../platform/database/sql.js';
import { Transactions } from '../platform/database/transactions.js';
import { addToSpan, currentTraceparent } from '../platform/tracing/spans.js';
import type { ReceivedCallback } from './received-callback.js';

/** A callback that passed the guards, with the job that it is for. */
interface Taken {
  readonly job: CallbackJob;
  readonly upstreamId: string;
  readonly status: string;
  readonly provedBy: 'token' | 'svix' | undefined;
  readonly clientAddress: string;
  readonly trace: string | undefined;
}

/** More callbacks in one commit make it no cheaper, and the first of them wait longer. */
const MOST_PER_COMMIT = 200;

/** Keeps the callbacks that passed the guards. All that writes `callbacks`. */
@Injectable()
export class CallbackInbox {
  private readonly commits: Batches<Taken, true>;

  constructor(
    settings: Settings,
    private readonly hints: CallbackHints,
    private readonly transactions: Transactions,
  ) {
    this.commits = new Batches((callbacks) => this.store(callbacks), {
      size: MOST_PER_COMMIT,
      waiting: settings.WEBHOOK_BACKLOG,
    });
  }

  /** Callbacks that wait for the next commit. */
  get waiting(): number {
    return this.commits.length;
  }

  /**
   * Stores a callback together with the task that follows from it. Once this resolves both are durable,
   * and only then may the sender hear a 200. Callbacks that come while a commit is under way go into the
   * next one together. Throws `unavailable` where more wait than `WEBHOOK_BACKLOG`.
   */
  async receive({ job, message, provedBy, clientAddress }: ReceivedCallback): Promise<void> {
    if (job === undefined || message === undefined) return;
    const { upstreamId, status } = message;
    addToSpan({ 'gateway.job_id': job.id });
    const trace = currentTraceparent();
    await this.commits.add({ job, upstreamId, status, provedBy, clientAddress, trace });
  }

  private async store(callbacks: readonly Taken[]): Promise<true[]> {
    const messages = distinct(callbacks);
    await this.transactions.run(async (manager) => {
      const repeated = await insert(manager, messages);
      const hints = messages.map(({ job, upstreamId, status, provedBy, trace }, n) => ({
        job,
        hint: {
          upstreamId,
          status,
          proven: provedBy !== undefined,
          repeated: repeated[n] ?? false,
          trace,
        },
      }));
      await this.hints.take(manager, hints);
    });
    return callbacks.map(() => true);
  }
}

interface Message extends Taken {
  deliveries: number;
}

/** A message that came several times is one row; one statement cannot write the same row twice. */
function distinct(callbacks: readonly Taken[]): Message[] {
  const messages = new Map<string, Message>();
  for (const callback of callbacks) {
    const key = JSON.stringify([callback.job.id, callback.upstreamId, callback.status]);
    const known = messages.get(key);
    if (known === undefined) messages.set(key, { ...callback, deliveries: 1 });
    else known.deliveries += 1;
  }
  return [...messages.values()];
}

/** Stores `messages`; says of each whether it had come before. */
async function insert(manager: EntityManager, messages: readonly Message[]): Promise<boolean[]> {
  const stored = await rows<{ key: string; deliveries: number }>(manager, INSERT, [
    messages.map(({ job }) => job.id),
    messages.map(({ upstreamId }) => upstreamId),
    messages.map(({ status }) => status),
    messages.map(({ provedBy }) => provedBy ?? 'none'),
    messages.map(({ clientAddress }) => clientAddress),
    messages.map(({ deliveries }) => deliveries),
  ]);
  const total = new Map(stored.map(({ key, deliveries }) => [key, deliveries]));
  return messages.map(
    ({ job, upstreamId, status, deliveries }) =>
      (total.get(`${job.id} ${upstreamId} ${status}`) ?? deliveries) > deliveries,
  );
}

/** In the order of the key, so that two processes never wait for each other. */
const INSERT = `
  INSERT INTO callbacks (job_id, upstream_id, status, proved_by, client_address, deliveries)
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[])
    AS message (job_id, upstream_id, status, proved_by, client_address, deliveries)
   ORDER BY job_id, upstream_id, status
  ON CONFLICT (job_id, upstream_id, status)
  DO UPDATE SET deliveries = callbacks.deliveries + excluded.deliveries, last_received_at = now()
  RETURNING concat(job_id, ' ', upstream_id, ' ', status) AS key, deliveries`;
