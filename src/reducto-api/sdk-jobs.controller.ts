import { Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { RequiresScope } from '../access/api-key.guard.js';
import type { Caller } from '../access/caller.js';
import { CurrentCaller } from '../access/caller.decorator.js';
import { JobsService } from '../jobs/jobs.service.js';
import { ClientSignal } from '../platform/client-signal.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { JsonAnswer } from '../platform/http/json-answer.js';
import { readIncludePersisted, readListQuery } from './list-query.js';
import { jobText, listedJob } from './sdk-job.js';
import { sendAroundResult } from './send-result.js';

/** Reducto’s `/job`, `/jobs`, and `/cancel`. */
@Controller('reducto')
@RequiresScope('jobs')
@ApiExcludeController()
export class SdkJobsController {
  constructor(private readonly jobs: JobsService) {}

  @Get('job/:id')
  async getJob(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @ClientSignal() signal: AbortSignal,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const job = await this.jobs.get(caller.service, id, 0, signal);
    const [before, after] = jobText(job);
    if (job.status !== 'completed') {
      await reply.send(new JsonAnswer(`${before}null${after}`));
      return;
    }
    const result = await this.jobs.resultOf(job);
    const opened = await this.jobs.openResult(job, result);
    await sendAroundResult(reply, [before, after], opened);
  }

  @Get('jobs')
  async listJobs(
    @CurrentCaller() caller: Caller,
    @Query() query: unknown,
  ): Promise<Record<string, unknown>> {
    const { limit, cursor, withConfigs } = readListQuery(query);
    const filter = cursor === undefined ? {} : { before: cursor };
    const jobs = await this.jobs.list(caller.service, filter, limit + 1);
    const page = jobs.slice(0, limit);
    return {
      jobs: page.map((job) => listedJob(job, withConfigs)),
      next_cursor: jobs.length > limit ? (page.at(-1)?.id ?? null) : null,
    };
  }

  /** As at Reducto, the cancel of a job that has ended changes nothing. */
  @Post('cancel/:id')
  @HttpCode(200)
  async cancelJob(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
  ): Promise<Record<string, never>> {
    await this.jobs.cancel(caller.service, id).catch((error: unknown) => {
      if (!(error instanceof GatewayError) || error.code !== 'job_already_ended') throw error;
    });
    return {};
  }

  @Delete('job/:id')
  @HttpCode(202)
  async deleteJob(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() query: unknown,
  ): Promise<{ job_id: string }> {
    await this.jobs.delete(caller, id, readIncludePersisted(query), 'sdk');
    return { job_id: id };
  }
}
