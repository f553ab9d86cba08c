import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';

/** Accepted callbacks with a proof, by time before now. Repeats of a message count once. */
export interface AcceptedCounts {
  readonly now: Date;
  readonly inTwoMinutes: number;
  readonly inTenMinutes: number;
  readonly inSixtyMinutes: number;
  /** In the hour before the last ten minutes. */
  readonly hourBefore: number;
  readonly lastAt: Date | null;
}

/** The number of latest callbacks whose senders count as known. */
const LAST_CALLBACKS = 1000;

/** Queries of accepted callbacks for the detection of alerts. */
@Injectable()
export class AcceptedCallbacks {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  async countAccepted(): Promise<AcceptedCounts> {
    const [counts] = await rows<AcceptedCounts>(this.database, COUNTS);
    if (counts === undefined) throw new Error('the aggregate returned no row');
    return counts;
  }

  /** The client addresses of the latest callbacks with a proof. */
  async findSenders(): Promise<Set<string>> {
    const found = await rows<{ address: string }>(this.database, SENDERS, [LAST_CALLBACKS]);
    return new Set(found.map(({ address }) => address));
  }

  /** The subset of `jobIds` for which a callback with a proof was accepted. */
  async findAccepted(jobIds: readonly string[]): Promise<Set<string>> {
    const found = await rows<{ id: string }>(
      this.database,
      `SELECT DISTINCT job_id AS id FROM callbacks
        WHERE job_id = ANY ($1::uuid[]) AND proved_by <> 'none'`,
      [jobIds],
    );
    return new Set(found.map(({ id }) => id));
  }
}

const COUNTS = `
  SELECT now() AS now,
         count(*) FILTER (WHERE received_at >= now() - interval '2 min')::integer AS "inTwoMinutes",
         count(*) FILTER (WHERE received_at >= now() - interval '10 min')::integer AS "inTenMinutes",
         count(*) FILTER (WHERE received_at >= now() - interval '60 min')::integer AS "inSixtyMinutes",
         count(*) FILTER (WHERE received_at < now() - interval '10 min')::integer AS "hourBefore",
         (SELECT received_at FROM callbacks WHERE proved_by <> 'none'
           ORDER BY received_at DESC LIMIT 1) AS "lastAt"
    FROM callbacks
   WHERE received_at >= now() - interval '70 min' AND proved_by <> 'none'`;

const SENDERS = `
  SELECT DISTINCT client_address AS address
    FROM (SELECT client_address FROM callbacks WHERE proved_by <> 'none'
           ORDER BY received_at DESC LIMIT $1) AS latest`;
