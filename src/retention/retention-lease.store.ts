import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';

/** The lease: the database’s time, and how far the search for orphans has come. */
export interface RetentionLease {
  readonly now: Date;
  readonly searchedUpTo: string;
}

/** How long a process may not be heard of until another one takes over. */
const LEASE_SECONDS = 60;

/** Whose turn it is, of all processes on the database. All SQL on `retention_lease`. */
@Injectable()
export class RetentionLeaseStore {
  /**
   * Takes the turn, or keeps it. `undefined` where another process has it. The row stays locked until the
   * transaction ends, so that no two processes are within a step at once.
   */
  async acquireLease(manager: EntityManager, holder: string): Promise<RetentionLease | undefined> {
    const [turn] = await rows<RetentionLease>(manager, ACQUIRE_LEASE, [holder, LEASE_SECONDS]);
    return turn;
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
