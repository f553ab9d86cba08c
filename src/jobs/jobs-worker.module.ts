import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Job } from './job.entity.js';
import { JobsModule } from './jobs.module.js';
import { CancelWork } from './cancellation/cancel.work.js';
import { JobFailureHandler } from './leases/job-failure.handler.js';
import { GoneWorkerJobs } from './leases/gone-worker-jobs.js';
import { PollWork } from './polling/poll.work.js';
import { RecoveryWork } from './recovery/recovery.work.js';
import { SubmissionTransitions } from './submission/submission-transitions.js';
import { PollSlots } from './polling/poll-slots.js';
import { PollTransitions } from './polling/poll-transitions.js';
import { JobCompletionStore } from './polling/job-completion.store.js';
import { SubmissionSlots } from './submission/submission-slots.js';
import { ClassifyEndpoint } from './submission/classify-endpoint.js';
import { ClassifyWork } from './submission/classify.work.js';
import { Submitter } from './submission/submitter.js';
import { MissedWakeUps } from './submission/missed-wake-ups.js';
import { WakeUpWork } from './submission/wake-up.work.js';
import { SubmissionWork } from './submission/submission.work.js';
import { FileFetcher } from './files/file-fetcher.js';
import { ResultFetcher } from './results/result-fetcher.js';
import { JobPoller } from './polling/job-poller.js';
import { SubmissionRecovery } from './recovery/submission-recovery.js';
import { UpstreamSearch } from './recovery/upstream-search.js';
import { DeletionWork } from './deletion/deletion.work.js';
import { UpstreamCanceller } from './cancellation/upstream-canceller.js';
import { DueJobsService } from './due-jobs.service.js';
import { DueJobsStore } from './polling/due-jobs.store.js';

/** Submits and polls jobs, and recovers uncertain submits; only in processes with the role `worker`. */
@Module({
  imports: [TypeOrmModule.forFeature([Job]), JobsModule],
  providers: [
    JobFailureHandler,
    GoneWorkerJobs,
    SubmissionTransitions,
    PollSlots,
    PollTransitions,
    JobCompletionStore,
    SubmissionSlots,
    Submitter,
    SubmissionWork,
    ClassifyEndpoint,
    ClassifyWork,
    MissedWakeUps,
    WakeUpWork,
    JobPoller,
    ResultFetcher,
    FileFetcher,
    SubmissionRecovery,
    UpstreamSearch,
    UpstreamCanceller,
    PollWork,
    RecoveryWork,
    CancelWork,
    DeletionWork,
    DueJobsStore,
    DueJobsService,
  ],
  exports: [DueJobsService],
})
export class JobsWorkerModule {}
