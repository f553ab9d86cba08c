import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { EntityManager } from 'typeorm';
import { JobRetentionStore, type Searched } from './persistence/job-retention.store.js';
import { JobCallsStore } from './calls/job-calls.store.js';
import { UploadStore } from './uploads/upload.store.js';

/** How long a request that began to read a result may continue after it expired. */
const READ_GRACE_SECONDS = 3600;

/**
 * Chunks without a job count as orphans of a crash from this age on. It is more than the longest download, because
 * the age comes from the UUIDv7 and so from the writer’s clock.
 */
const ORPHAN_AGE_MILLISECONDS = 24 * 3_600_000;

/** Deletes expired rows in batches. Each batch needs its own transaction and returns the number of deleted rows. */
@Injectable()
export class JobRetentionService {
  constructor(
    private readonly store: JobRetentionStore,
    private readonly uploads: UploadStore,
    private readonly calls: JobCallsStore,
  ) {}

  expireResults(manager: EntityManager, days: number, limit: number): Promise<number> {
    return this.store.expireResults(manager, days, limit);
  }

  deleteJobs(manager: EntityManager, days: number, limit: number): Promise<number> {
    return this.store.deleteJobs(manager, days, limit);
  }

  /** Deletes ids and idempotency keys; Reducto deletes the files. */
  deleteUploads(manager: EntityManager, hours: number, limit: number): Promise<number> {
    return this.uploads.deleteOld(manager, hours, limit);
  }

  /** Deletes requests that no repeat can join any more. */
  deleteCalls(manager: EntityManager, limit: number): Promise<number> {
    return this.calls.deleteOld(manager, limit);
  }

  deleteTraceContexts(manager: EntityManager, jobIds: readonly string[]): Promise<void> {
    return this.store.deleteTraceContexts(manager, jobIds);
  }

  deleteChunks(manager: EntityManager, limit: number): Promise<number> {
    return this.store.deleteChunks(manager, READ_GRACE_SECONDS, limit);
  }

  /** Continues the search for orphaned chunks after content `after`. `now` is the database’s time. */
  deleteOrphans(
    manager: EntityManager,
    after: string,
    now: Date,
    limit: number,
  ): Promise<Searched> {
    const before = uuidv7({ msecs: now.getTime() - ORPHAN_AGE_MILLISECONDS });
    return this.store.deleteOrphans(manager, after, before, limit);
  }
}
