import { Controller, Get, Param, Post, Query, Redirect, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { h } from 'preact';
import { AdminJobs } from '../admin/admin-jobs.js';
import { RefusalsService } from '../admin/refusals.service.js';
import { toRefusalDto } from '../admin/refusal.dto.js';
import { DeliveriesAdminService } from '../deliveries/deliveries-admin.service.js';
import { JobsAdminService } from '../jobs/jobs-admin.service.js';
import { CallbackHistory } from '../webhooks/callback-history.js';
import { CancelJob } from './pages/cancel-job.page.js';
import { ConsolePages } from './console-pages.decorator.js';
import { askedJobs } from './job-search.js';
import { JobDetail, type JobProperties } from './pages/job.page.js';
import { Jobs } from './pages/jobs.page.js';
import { Page } from './components/page.js';
import { cursorOf } from './refusal-filter.js';
import { CurrentSession } from './session/session.decorator.js';
import type { Session } from './session/sessions.service.js';

const PAGE_SIZE = 50;
const EVENTS_PAGE_SIZE = 100;
const MAX_REFUSALS = 20;
const MAX_TOLD = 5;

@ConsolePages()
@Controller('admin/jobs')
export class JobsPagesController {
  constructor(
    private readonly jobs: JobsAdminService,
    private readonly callbacks: CallbackHistory,
    private readonly refusals: RefusalsService,
    private readonly adminJobs: AdminJobs,
    private readonly deliveries: DeliveriesAdminService,
  ) {}

  @Get()
  async list(
    @Query() query: Record<string, unknown>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page> {
    const asked = askedJobs(query);
    if (asked.problems.length > 0) void reply.status(422);
    const { before: _, ...all } = asked.search;
    const [found, counted, services] = await Promise.all([
      this.jobs.search(asked.search, PAGE_SIZE + 1),
      this.jobs.count(all),
      this.jobs.services(),
    ]);
    const jobs = found.slice(0, PAGE_SIZE);
    const nextCursor = found.length > PAGE_SIZE ? jobs.at(-1)?.id : undefined;
    return new Page('Jobs', 'jobs', h(Jobs, { asked, services, jobs, counted, nextCursor }));
  }

  @Get(':id')
  async get(
    @CurrentSession() session: Session,
    @Param('id') id: string,
    @Query() query: Record<string, unknown>,
  ): Promise<Page> {
    const job = await this.jobs.get(id);
    const [found, callbacks, refused, result, files, { events: told }] = await Promise.all([
      this.jobs.events(job, cursorOf(query), EVENTS_PAGE_SIZE + 1),
      this.callbacks.listForJob(job.id),
      this.refusals.list({ job: job.id }, undefined, MAX_REFUSALS),
      this.jobs.resultFacts(job),
      this.jobs.filesIfAny(job),
      this.deliveries.listEvents({ jobId: job.id }, undefined, MAX_TOLD),
    ]);
    const asked = query['done'];
    const done: JobProperties['done'] = asked === 'poll' || asked === 'cancel' ? asked : undefined;
    const refusals = refused.map(toRefusalDto);
    const events = found.slice(0, EVENTS_PAGE_SIZE);
    const nextCursor = found.length > EVENTS_PAGE_SIZE ? events.at(-1)?.id : undefined;
    const properties = {
      session,
      job,
      events,
      told,
      nextCursor,
      callbacks,
      refusals,
      result,
      files,
      done,
    };
    return new Page(`Job ${job.id}`, 'jobs', h(JobDetail, properties));
  }

  @Get(':id/result')
  async result(
    @CurrentSession() { actor }: Session,
    @Param('id') id: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.adminJobs.sendResult(actor, id, request, reply);
  }

  @Get(':id/files/:name')
  async file(
    @CurrentSession() { actor }: Session,
    @Param('id') id: string,
    @Param('name') name: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.adminJobs.sendFile(actor, id, name, request, reply);
  }

  @Post(':id/poll')
  @Redirect('/admin/jobs', 303)
  async poll(
    @CurrentSession() { actor }: Session,
    @Param('id') id: string,
  ): Promise<{ url: string }> {
    const job = await this.adminJobs.poll(actor, id);
    return { url: `/admin/jobs/${job.id}?done=poll` };
  }

  @Get(':id/cancel')
  async askToCancel(@CurrentSession() session: Session, @Param('id') id: string): Promise<Page> {
    const job = await this.jobs.get(id);
    return new Page('Cancel a job', 'jobs', h(CancelJob, { session, job }));
  }

  @Post(':id/cancel')
  @Redirect('/admin/jobs', 303)
  async cancel(
    @CurrentSession() { actor }: Session,
    @Param('id') id: string,
  ): Promise<{ url: string }> {
    const job = await this.adminJobs.cancel(actor, id);
    return { url: `/admin/jobs/${job.id}?done=cancel` };
  }
}
