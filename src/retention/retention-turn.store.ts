import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';

/** What whoever has the turn is told: the database's time, and how far the search for lost chunks has come. */
export interface Turn {
  readonly now: Date;
  readonly searchedUpTo: string;
}

/** How long a process may not be heard of until another one takes over. */
const LEASE_SECONDS = 60;

/** Whose turn it is, of all processes on the database. All SQL on `retention_turn`. */
@Injectable()
export class RetentionTurnStore {
  /**
   * Takes the turn, or keeps it. `undefined` where another process has it. The row stays locked until the
   * transaction ends, so that no two processes are within a step at once.
   */
  async hold(manager: EntityManager, holder: string): Promise<Turn | undefined> {
    const [turn] = await rows<Turn>(manager, HOLD, [holder, LEASE_SECONDS]);
    return turn;
  }

  async noteSearched(manager: EntityManager, upTo: string): Promise<void> {
    await rows(manager, 'UPDATE retention_turn SET searched_up_to = $1', [upTo]);
  }
}

const HOLD = `
  INSERT INTO retention_turn (holder, held_until) VALUES ($1, now() + make_interval(secs => $2))
  ON CONFLICT (single) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
   WHERE retention_turn.holder = excluded.holder OR retention_turn.held_until < now()
  RETURNING now() AS now, searched_up_to AS "searchedUpTo"`;
