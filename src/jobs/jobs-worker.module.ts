import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Job } from './job.entity.js';
import { JobsModule } from './jobs.module.js';
import { JobFailureHandler } from './polling/job-failure.handler.js';
import { JobLease } from './polling/job-lease.js';
import { SubmissionTransitions } from './submission/submission-transitions.js';
import { PollTransitions } from './polling/poll-transitions.js';
import { SubmissionLimiter } from './submission/submission-limiter.js';
import { Submitter } from './submission/submitter.js';
import { SubmissionWorker } from './submission/submission-worker.js';
import { JobPoller } from './polling/job-poller.js';
import { SubmissionRecovery } from './recovery/submission-recovery.js';
import { UpstreamSearch } from './recovery/upstream-search.js';
import { UpstreamCanceller } from './cancellation/upstream-canceller.js';
import { JobTaskHandlers } from './polling/job-task-handlers.js';
import { DueJobsService } from './due-jobs.service.js';

/** Submits and polls jobs, and recovers uncertain submits; only in processes with the role `worker`. */
@Module({
  imports: [TypeOrmModule.forFeature([Job]), JobsModule],
  providers: [
    JobFailureHandler,
    JobLease,
    SubmissionTransitions,
    PollTransitions,
    SubmissionLimiter,
    Submitter,
    SubmissionWorker,
    JobPoller,
    SubmissionRecovery,
    UpstreamSearch,
    UpstreamCanceller,
    JobTaskHandlers,
    DueJobsService,
  ],
  exports: [DueJobsService],
})
export class JobsWorkerModule {}
