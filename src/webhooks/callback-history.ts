import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';

/** An accepted callback. The sender asserts all values except the times. */
export interface JobCallback {
  readonly id: string;
  readonly upstreamId: string;
  readonly status: string;
  readonly provedBy: string;
  readonly clientAddress: string;
  readonly deliveries: number;
  readonly receivedAt: Date;
  readonly lastReceivedAt: Date;
}

export interface AcceptedSlot {
  readonly at: Date;
  readonly count: number;
}

/** No genuine job has more. */
const MAX_PER_JOB = 100;

/** Queries of accepted callbacks for the console and the admin API. */
@Injectable()
export class CallbackHistory {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  listForJob(jobId: string): Promise<JobCallback[]> {
    return rows<JobCallback>(
      this.database,
      `SELECT id, upstream_id AS "upstreamId", status, proved_by AS "provedBy",
              client_address AS "clientAddress", deliveries, received_at AS "receivedAt",
              last_received_at AS "lastReceivedAt"
         FROM callbacks WHERE job_id = $1 ORDER BY id LIMIT $2`,
      [jobId, MAX_PER_JOB],
    );
  }

  /** Counts callbacks per slot; repeats of a message count once. */
  countPerSlot(from: Date, to: Date, slotSeconds: number): Promise<AcceptedSlot[]> {
    return rows<AcceptedSlot>(
      this.database,
      `SELECT date_bin(make_interval(secs => $3), received_at, 'epoch'::timestamptz) AS at,
              count(*)::integer AS count
         FROM callbacks WHERE received_at >= $1 AND received_at < $2 GROUP BY 1 ORDER BY 1`,
      [from, to, slotSeconds],
    );
  }
}
