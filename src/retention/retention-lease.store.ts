import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';

/** The database’s time, and the position of the search for orphans. */
export interface RetentionLease {
  readonly now: Date;
  readonly searchedUpTo: string;
}

/** Time after which the lease of a silent process expires. */
const LEASE_SECONDS = 60;

/** Lease that lets one process at a time run retention. All SQL on `retention_lease`. */
@Injectable()
export class RetentionLeaseStore {
  /** Acquires or renews the lease; `undefined` if another process holds it. Locks it until the transaction ends. */
  async acquireLease(manager: EntityManager, holder: string): Promise<RetentionLease | undefined> {
    const [lease] = await rows<RetentionLease>(manager, ACQUIRE_LEASE, [holder, LEASE_SECONDS]);
    return lease;
  }

  async recordSearched(manager: EntityManager, upTo: string): Promise<void> {
    await rows(manager, 'UPDATE retention_lease SET searched_up_to = $1', [upTo]);
  }
}

const ACQUIRE_LEASE = `
  INSERT INTO retention_lease (holder, held_until) VALUES ($1, now() + make_interval(secs => $2))
  ON CONFLICT (single) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
   WHERE retention_lease.holder = excluded.holder OR retention_lease.held_until < now()
  RETURNING now() AS now, searched_up_to AS "searchedUpTo"`;
