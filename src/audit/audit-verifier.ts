import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { AuditKeys } from './audit-keys.js';
import { ChainWalk, type Verification } from './chain/chain-walk.js';
import { KnownHead } from './chain/known-head.js';

export type { Verification } from './chain/chain-walk.js';

/**
 * Recomputes the whole chain, to find entries that were changed, removed, inserted, or cut off without a key. Reads one
 * snapshot page by page.
 */
@Injectable()
export class AuditVerifier {
  constructor(
    private readonly keys: AuditKeys,
    private readonly known: KnownHead,
    @InjectDataSource() private readonly dataSource: DataSource,
  ) {}

  /** @param since a head from the log, which the chain must contain */
  verify(since?: string): Promise<Verification> {
    // The head is read before the snapshot, which must contain it.
    const known = this.known.current;
    return this.dataSource.transaction('REPEATABLE READ', (manager) =>
      new ChainWalk(manager, this.keys).verify(known, since),
    );
  }
}
