import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { EntityManager } from 'typeorm';
import { JobRetentionStore, type Searched } from './persistence/job-retention.store.js';
import { UploadStore } from './uploads/upload.store.js';

/** How long a request that began to read a result may continue after it expired. */
const READ_GRACE_SECONDS = 3600;

/**
 * Chunks that belong to no job are taken for left behind by a crash from this age on. Their ids tell it by the
 * clock of the process that wrote them; the longest download takes hours.
 */
const LOST_AFTER_MILLISECONDS = 24 * 3_600_000;

/**
 * Deletes what retention allows, in steps of a size. Each step belongs into a
 * transaction of its own, and returns how much it removed.
 */
@Injectable()
export class JobRetentionService {
  constructor(
    private readonly store: JobRetentionStore,
    private readonly uploads: UploadStore,
  ) {}

  expireResults(manager: EntityManager, days: number, limit: number): Promise<number> {
    return this.store.expireResults(manager, days, limit);
  }

  deleteJobs(manager: EntityManager, days: number, limit: number): Promise<number> {
    return this.store.deleteJobs(manager, days, limit);
  }

  /** After that the gateway no longer knows their ids and keys; their files are Reducto's to delete. */
  deleteUploads(manager: EntityManager, hours: number, limit: number): Promise<number> {
    return this.uploads.deleteOld(manager, hours, limit);
  }

  deleteTraceContexts(manager: EntityManager, jobIds: readonly string[]): Promise<void> {
    return this.store.deleteTraceContexts(manager, jobIds);
  }

  deleteChunks(manager: EntityManager, limit: number): Promise<number> {
    return this.store.deleteChunks(manager, READ_GRACE_SECONDS, limit);
  }

  /** Goes on with the search for chunks that a crash has left behind, after content `after`. `now` is the database's. */
  deleteOrphans(
    manager: EntityManager,
    after: string,
    now: Date,
    limit: number,
  ): Promise<Searched> {
    const before = uuidv7({ msecs: now.getTime() - LOST_AFTER_MILLISECONDS });
    return this.store.deleteOrphans(manager, after, before, limit);
  }
}
