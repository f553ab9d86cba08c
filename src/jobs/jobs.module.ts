import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccessModule } from '../access/access.module.js';
import { AuditChainModule } from '../audit/audit-chain.module.js';
import { ReductoModule } from '../reducto/reducto.module.js';
import { WorkModule } from '../platform/work/work.module.js';
import { JobAcceptance } from './submission/job-acceptance.js';
import { JobCancellation } from './cancellation/job-cancellation.js';
import { CallbackJobsService } from './callback-jobs.service.js';
import { JobLeaseStore } from './leases/job-lease.store.js';
import { RefusedJobs } from './leases/refused-jobs.js';
import { JobCompletionNotifier } from './api/job-completion.notifier.js';
import { JobFile } from './files/job-file.entity.js';
import { JobFileStore } from './files/job-file.store.js';
import { JobFiles } from './files/job-files.js';
import { JobEvent } from './timeline/job-event.entity.js';
import { JobMetrics } from './persistence/job.metrics.js';
import { PollGrants } from './polling/poll-grants.js';
import { CoolDownReasons } from './leases/cool-down-reasons.js';
import { SubmissionQueueStore } from './submission/submission-queue.store.js';
import { EndedJob } from './persistence/ended-job.entity.js';
import { JobQueries } from './persistence/job-queries.store.js';
import { JobSearchStore } from './persistence/job-search.store.js';
import { JobResult } from './results/job-result.entity.js';
import { JobRetentionService } from './job-retention.service.js';
import { JobRetentionStore } from './persistence/job-retention.store.js';
import { CallbackTokenService } from './callback-token.service.js';
import { Job } from './job.entity.js';
import { JobTransitionsStore } from './persistence/job-transitions.store.js';
import { JobSubmissionStore } from './submission/job-submission.store.js';
import { JobsAdminService } from './jobs-admin.service.js';
import { JobsService } from './jobs.service.js';
import { ResultChunk } from './results/result-chunk.entity.js';
import { ResultStore } from './results/result.store.js';
import { DependentJobs } from './submission/dependent-jobs.js';
import { InputJobs } from './submission/input-jobs.js';
import { JobInput } from './submission/job-input.entity.js';
import { FileLinks } from './files/file-links.js';
import { JobDeletion } from './deletion/job-deletion.js';
import { JobDeletionStore } from './deletion/job-deletion.store.js';
import { OrphanedJobs } from './deletion/orphaned-jobs.js';
import { EventErasure } from './deletion/event-erasure.entity.js';
import { UpstreamDeletion } from './deletion/upstream-deletion.entity.js';
import { JobCall } from './calls/job-call.entity.js';
import { JobCallsStore } from './calls/job-calls.store.js';
import { WakeUp } from './submission/wake-up.entity.js';
import { JobInputsStore } from './submission/job-inputs.store.js';
import { Service } from './services/service.entity.js';
import { TimelineSources } from './timeline/timeline-sources.js';
import { ServiceLimitsStore } from './services/service-limits.store.js';
import { ServiceLimitsService } from './service-limits.service.js';
import { UploadReferences } from './uploads/upload-references.js';
import { UploadStore } from './uploads/upload.store.js';
import { AwaitingCallbackService } from './awaiting-callback.service.js';

/**
 * Jobs as every role needs them. Features use `JobsService` (services), `JobsAdminService` (admins),
 * `CallbackJobsService` (callbacks), `AwaitingCallbackService` (alerts), and `JobRetentionService` (retention).
 */
@Module({
  imports: [
    TypeOrmModule.forFeature([
      Job,
      JobInput,
      WakeUp,
      JobCall,
      UpstreamDeletion,
      EventErasure,
      JobEvent,
      EndedJob,
      JobResult,
      JobFile,
      ResultChunk,
      Service,
    ]),
    AccessModule,
    AuditChainModule,
    ReductoModule,
    WorkModule,
  ],
  providers: [
    TimelineSources,
    JobQueries,
    CoolDownReasons,
    JobSearchStore,
    JobTransitionsStore,
    JobSubmissionStore,
    SubmissionQueueStore,
    ResultStore,
    JobFileStore,
    JobFiles,
    CallbackTokenService,
    JobMetrics,
    RefusedJobs,
    JobLeaseStore,
    JobCancellation,
    JobCompletionNotifier,
    JobAcceptance,
    JobCallsStore,
    JobDeletion,
    JobDeletionStore,
    OrphanedJobs,
    FileLinks,
    JobsService,
    JobsAdminService,
    InputJobs,
    JobInputsStore,
    DependentJobs,
    UploadStore,
    UploadReferences,
    ServiceLimitsStore,
    ServiceLimitsService,
    PollGrants,
    CallbackJobsService,
    AwaitingCallbackService,
    JobRetentionService,
    JobRetentionStore,
  ],
  exports: [
    // For `JobsWorkerModule`; other features cannot import them.
    JobQueries,
    JobTransitionsStore,
    JobSubmissionStore,
    SubmissionQueueStore,
    JobLeaseStore,
    ResultStore,
    JobFileStore,
    JobFiles,
    JobMetrics,
    JobCompletionNotifier,
    InputJobs,
    DependentJobs,
    PollGrants,
    JobCancellation,
    JobDeletionStore,
    OrphanedJobs,
    FileLinks,
    JobsService,
    JobsAdminService,
    CallbackTokenService,
    CallbackJobsService,
    AwaitingCallbackService,
    JobRetentionService,
    UploadStore,
    ServiceLimitsService,
    AccessModule,
    AuditChainModule,
    ReductoModule,
    WorkModule,
  ],
})
export class JobsModule {}
