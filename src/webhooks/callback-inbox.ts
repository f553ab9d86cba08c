import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { CallbackHints } from '../jobs/callback-hints.js';
import { rows } from '../platform/database/sql.js';
import { Transactions } from '../platform/database/transactions.js';
import type { ReceivedCallback } from './received-callback.js';

/** Keeps the callbacks that passed the guards. All SQL on `callbacks`. */
@Injectable()
export class CallbackInbox {
  constructor(
    private readonly hints: CallbackHints,
    private readonly transactions: Transactions,
  ) {}

  /**
   * Stores a callback together with the task that follows from it. Once this resolves both are durable,
   * and only then may the sender hear a 200.
   */
  async receive({ job, message, provedBy, clientAddress }: ReceivedCallback): Promise<void> {
    if (job === undefined || message === undefined) return;
    const { upstreamId, status } = message;
    await this.transactions.run(async (manager) => {
      const repeated = await insert(manager, [
        job.id,
        upstreamId,
        status,
        provedBy ?? 'none',
        clientAddress,
      ]);
      await this.hints.take(manager, job, {
        upstreamId,
        status,
        proven: provedBy !== undefined,
        repeated,
      });
    });
  }
}

/** Whether the same message had come before. */
async function insert(manager: EntityManager, values: readonly string[]): Promise<boolean> {
  const [row] = await rows<{ deliveries: number }>(
    manager,
    `INSERT INTO callbacks (job_id, upstream_id, status, proved_by, client_address)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (job_id, upstream_id, status)
     DO UPDATE SET deliveries = callbacks.deliveries + 1, last_received_at = now()
     RETURNING deliveries`,
    values,
  );
  return (row?.deliveries ?? 1) > 1;
}
