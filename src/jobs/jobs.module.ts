import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccessModule } from '../access/access.module.js';
import { ReductoModule } from '../reducto/reducto.module.js';
import { TasksModule } from '../tasks/tasks.module.js';
import { Acceptances } from './acceptances.js';
import { CancelSteps } from './cancel-steps.js';
import { Canceller } from './canceller.js';
import { CallbackHints } from './callback-hints.js';
import { JobClaims } from './job-claims.js';
import { JobClaimsStore } from './job-claims.store.js';
import { JobEndings } from './job-endings.js';
import { JobEvent } from './job-event.entity.js';
import { JobFailures } from './job-failures.js';
import { JobFigures } from './job-figures.js';
import { JobQueueStore } from './job-queue.store.js';
import { HeldPolls } from './held-polls.js';
import { JobReads } from './job-reads.store.js';
import { JobSearchStore } from './job-search.store.js';
import { JobResult } from './job-result.entity.js';
import { JobRetention } from './job-retention.js';
import { JobRetentionStore } from './job-retention.store.js';
import { JobTasks } from './job-tasks.js';
import { JobTokens } from './job-token.js';
import { Job } from './job.entity.js';
import { JobStore } from './job.store.js';
import { JobSubmitsStore } from './job-submits.store.js';
import { JobsAdmin } from './jobs-admin.js';
import { JobsService } from './jobs.service.js';
import { OverdueJobs } from './overdue-jobs.js';
import { ResultChunk } from './result-chunk.entity.js';
import { ResultStore } from './result.store.js';
import { SettleSteps } from './settle-steps.js';
import { Settler } from './settler.js';
import { SourceJobs } from './source-jobs.js';
import { SubmitFeed } from './submit-feed.js';
import { SubmitPlaces } from './submit-places.js';
import { SubmitSteps } from './submit-steps.js';
import { Submitter } from './submitter.js';
import { UncertainSubmits } from './uncertain-submits.js';
import { UploadReferences } from './upload-references.js';
import { UploadStore } from './upload.store.js';
import { UpstreamSearch } from './upstream-search.js';
import { WaitingJobs } from './waiting-jobs.js';

/**
 * The jobs and all that moves them. Other modules come in through `JobsService` (services),
 * `CallbackHints` (callbacks), `OverdueJobs` (the reconciler), `WaitingJobs` (the alerts),
 * `JobRetention` (what removes old ones) and `JobsAdmin` (admins); nothing else writes a job.
 */
@Module({
  imports: [
    TypeOrmModule.forFeature([Job, JobEvent, JobResult, ResultChunk]),
    AccessModule,
    ReductoModule,
    TasksModule,
  ],
  providers: [
    JobReads,
    HeldPolls,
    JobSearchStore,
    JobStore,
    JobSubmitsStore,
    JobQueueStore,
    ResultStore,
    JobTokens,
    JobFigures,
    JobClaimsStore,
    JobFailures,
    JobClaims,
    SubmitSteps,
    SettleSteps,
    CancelSteps,
    JobEndings,
    Acceptances,
    JobsService,
    JobsAdmin,
    SourceJobs,
    UploadStore,
    UploadReferences,
    SubmitPlaces,
    Submitter,
    SubmitFeed,
    Settler,
    UncertainSubmits,
    UpstreamSearch,
    Canceller,
    JobTasks,
    CallbackHints,
    OverdueJobs,
    WaitingJobs,
    JobRetention,
    JobRetentionStore,
  ],
  exports: [
    JobsService,
    JobsAdmin,
    JobTokens,
    CallbackHints,
    OverdueJobs,
    WaitingJobs,
    JobRetention,
    UploadStore,
    AccessModule,
    ReductoModule,
  ],
})
export class JobsModule {}
