import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccessModule } from '../access/access.module.js';
import { ReductoModule } from '../reducto/reducto.module.js';
import { TasksModule } from '../tasks/tasks.module.js';
import { JobAcceptance } from './submission/job-acceptance.js';
import { JobCancellation } from './cancellation/job-cancellation.js';
import { UpstreamCanceller } from './cancellation/upstream-canceller.js';
import { CallbackJobsService } from './callback-jobs.service.js';
import { JobLease } from './polling/job-lease.js';
import { JobLeaseStore } from './polling/job-lease.store.js';
import { JobCompletionNotifier } from './job-completion.notifier.js';
import { JobEvent } from './job-event.entity.js';
import { JobFailureHandler } from './polling/job-failure.handler.js';
import { JobMetrics } from './job.metrics.js';
import { SubmissionQueueStore } from './submission/submission-queue.store.js';
import { PollCoolDown } from './polling/poll-cool-down.js';
import { JobQueries } from './persistence/job-queries.store.js';
import { JobSearchStore } from './persistence/job-search.store.js';
import { JobResult } from './results/job-result.entity.js';
import { JobRetentionService } from './job-retention.service.js';
import { JobRetentionStore } from './persistence/job-retention.store.js';
import { JobTaskHandlers } from './polling/job-task-handlers.js';
import { CallbackTokenService } from './callback-token.service.js';
import { Job } from './job.entity.js';
import { JobTransitionsStore } from './persistence/job-transitions.store.js';
import { JobSubmissionStore } from './submission/job-submission.store.js';
import { JobsAdminService } from './jobs-admin.service.js';
import { JobsService } from './jobs.service.js';
import { DueJobsService } from './due-jobs.service.js';
import { ResultChunk } from './results/result-chunk.entity.js';
import { ResultStore } from './results/result.store.js';
import { PollTransitions } from './polling/poll-transitions.js';
import { JobPoller } from './polling/job-poller.js';
import { InputJobs } from './submission/input-jobs.js';
import { SubmissionWorker } from './submission/submission-worker.js';
import { SubmissionLimiter } from './submission/submission-limiter.js';
import { SubmissionTransitions } from './submission/submission-transitions.js';
import { Submitter } from './submission/submitter.js';
import { SubmissionRecovery } from './recovery/submission-recovery.js';
import { UploadReferences } from './uploads/upload-references.js';
import { UploadStore } from './uploads/upload.store.js';
import { UpstreamSearch } from './recovery/upstream-search.js';
import { AwaitingCallbackService } from './awaiting-callback.service.js';

/**
 * The jobs and all that moves them. Other modules come in through `JobsService` (services),
 * `CallbackJobsService` (callbacks), `DueJobsService` (the reconciler), `AwaitingCallbackService` (the alerts),
 * `JobRetentionService` (what removes old ones) and `JobsAdminService` (admins); nothing else writes a job.
 */
@Module({
  imports: [
    TypeOrmModule.forFeature([Job, JobEvent, JobResult, ResultChunk]),
    AccessModule,
    ReductoModule,
    TasksModule,
  ],
  providers: [
    JobQueries,
    PollCoolDown,
    JobSearchStore,
    JobTransitionsStore,
    JobSubmissionStore,
    SubmissionQueueStore,
    ResultStore,
    CallbackTokenService,
    JobMetrics,
    JobLeaseStore,
    JobFailureHandler,
    JobLease,
    SubmissionTransitions,
    PollTransitions,
    JobCancellation,
    JobCompletionNotifier,
    JobAcceptance,
    JobsService,
    JobsAdminService,
    InputJobs,
    UploadStore,
    UploadReferences,
    SubmissionLimiter,
    Submitter,
    SubmissionWorker,
    JobPoller,
    SubmissionRecovery,
    UpstreamSearch,
    UpstreamCanceller,
    JobTaskHandlers,
    CallbackJobsService,
    DueJobsService,
    AwaitingCallbackService,
    JobRetentionService,
    JobRetentionStore,
  ],
  exports: [
    JobsService,
    JobsAdminService,
    CallbackTokenService,
    CallbackJobsService,
    DueJobsService,
    AwaitingCallbackService,
    JobRetentionService,
    UploadStore,
    AccessModule,
    ReductoModule,
  ],
})
export class JobsModule {}
