import { Module } from '@nestjs/common';
import { DatabaseSession } from './database-session.js';
import { Notifications } from './notifications.js';
import { WorkEngine } from './work-engine.js';
import { WorkMetrics } from './work.metrics.js';
import { WorkerLock } from './worker-lock.js';

/** Due work and notifications. A process that adds no work leases nothing. */
@Module({
  providers: [DatabaseSession, Notifications, WorkEngine, WorkerLock, WorkMetrics],
  exports: [DatabaseSession, Notifications, WorkEngine, WorkerLock],
})
export class WorkModule {}
