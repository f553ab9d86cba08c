import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { withoutPilingUp } from '../platform/young-garbage.js';
import { ReductoClient } from '../reducto/reducto.client.js';
import { ResultDownload, ResultDownloadError } from '../reducto/result-download.js';
import { JobTransitions } from './job-transitions.js';
import type { Job } from './job.entity.js';
import { JobStore, type JobAges } from './job.store.js';
import {
  afterLook,
  afterMissingResult,
  type LookLimits,
  type Waiting,
  type WaitOrEnd,
} from './look-plan.js';
import { contentOf } from './result-content.js';
import { resultDocument } from './result-document.js';
import { ResultStore } from './result.store.js';
import { UncertainSubmits } from './uncertain-submits.js';

/**
 * Finds out how a job stands and moves it: the one step in which every callback and every pass of
 * the reconciler ends. A callback is only a hint that it is time to look; the truth is what Reducto
 * answers to our key.
 */
@Injectable()
export class Settler {
  private readonly logger = new Logger(Settler.name);

  constructor(
    private readonly settings: Settings,
    private readonly store: JobStore,
    private readonly transitions: JobTransitions,
    private readonly results: ResultStore,
    private readonly uncertain: UncertainSubmits,
    private readonly reducto: ReductoClient,
    private readonly download: ResultDownload,
  ) {}

  async settle(jobId: string): Promise<void> {
    const open = await this.store.findOpen(jobId);
    if (open === undefined) return;
    switch (open.job.status) {
      case 'submitted':
        return this.look(open.job, open.ages);
      case 'uncertain':
        return this.uncertain.resolve(open.job, open.ages);
      default:
        // Queued: its submit will look for what has come meanwhile.
        return;
    }
  }

  private async look(job: Job, ages: JobAges): Promise<void> {
    if (job.upstreamId === null) throw new Error('a submitted job has no upstream id');
    const answer = await this.reducto.look(job.upstreamId);
    if (answer.kind === 'trouble') {
      this.logger.warn({ msg: 'a look at a job failed', reason: answer.error.message });
    }
    const waiting = waitingOf(job, ages);
    const step = afterLook(answer, waiting, this.limits());
    if (step.do === 'fetch-result') {
      const result = answer.kind === 'completed' ? answer.result : null;
      return this.complete(job, waiting, result);
    }
    await this.take(job, step, answer.kind === 'open' ? answer.progress : null);
  }

  /** Stores the result, then completes the job: never the other way round. */
  private async complete(job: Job, waiting: Waiting, result: unknown): Promise<void> {
    try {
      if (result === null) throw new ResultDownloadError('Reducto’s answer holds no result');
      const document = resultDocument(job.type, result);
      const content = await this.results.write(
        withoutPilingUp(contentOf(document, (url) => this.download.read(url))),
      );
      if (await this.transitions.complete(job, content)) this.logger.log({ msg: 'job completed' });
    } catch (error) {
      if (!(error instanceof ResultDownloadError)) throw error;
      this.logger.warn({ msg: 'a result could not be fetched', reason: error.message });
      const step = afterMissingResult(error.message, waiting, this.limits());
      await this.take(job, step, null, true);
    }
  }

  private async take(
    job: Job,
    step: WaitOrEnd,
    progress: number | null,
    resultMissing = false,
  ): Promise<void> {
    if (step.do === 'end') {
      const ended = await this.transitions.end(job, step.status, step.error);
      if (!ended) return;
      const level = step.status === 'expired' ? 'error' : 'log';
      this.logger[level]({ msg: `job ${step.status}`, code: step.error?.code });
      return;
    }
    await this.transitions.putOffLook(job, {
      seconds: step.seconds * (0.9 + Math.random() * 0.2),
      answer: resultMissing ? 'completed, result not available' : step.because,
      missing: step.because === 'missing',
      resultMissing,
      ...(step.because === 'open' ? { progress } : {}),
    });
  }

  private limits(): LookLimits {
    return {
      scheduleSeconds: this.settings.LOOK_SCHEDULE_SECONDS,
      maxAgeSeconds: this.settings.JOB_MAX_AGE_SECONDS,
      goneGraceSeconds: this.settings.GONE_GRACE_SECONDS,
      resultGraceSeconds: this.settings.RESULT_GRACE_SECONDS,
    };
  }
}

function waitingOf(job: Job, ages: JobAges): Waiting {
  return {
    // The wait before look n+1 is entry n; entry 0 was spent when the job was submitted.
    looks: job.looks + 1,
    ageSeconds: ages.created,
    sinceSubmitSeconds: ages.submitted ?? 0,
    sinceCallbackSeconds: ages.callback,
    sinceCancelSeconds: ages.cancel,
    missingSeconds: ages.missing,
    resultMissingSeconds: ages.resultMissing,
  };
}
