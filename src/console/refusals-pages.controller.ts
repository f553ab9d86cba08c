import { Controller, Get, Header, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { h } from 'preact';
import { RefusalRecheck } from '../admin/recheck.js';
import { RefusalExport } from '../admin/refusal-export.js';
import { toRecheckDto } from '../admin/refusal.dto.js';
import { RefusalsService } from '../admin/refusals.service.js';
import {
  toRefusalDto,
  toRefusalPageDto,
  toRefusalSummaryDto,
  type RefusalSummaryDto,
} from '../admin/refusal.dto.js';
import { ConsolePages } from './console-pages.decorator.js';
import { causeName } from './text/refusal-help.js';
import { Page } from './components/page.js';
import { Recheck } from './pages/recheck.page.js';
import { askedRefusals, cursorOf, requiredRefusals } from './refusal-filter.js';
import { Refusal } from './pages/refusal.page.js';
import { Refusals } from './pages/refusals.page.js';
import { CurrentSession, Form } from './session/session.decorator.js';
import { Access } from './session/session.guard.js';
import type { Session } from './session/sessions.service.js';

const PAGE_SIZE = 50;

type Given = Record<string, unknown>;

@ConsolePages()
@Controller('admin/refusals')
export class RefusalsPagesController {
  constructor(
    private readonly refusals: RefusalsService,
    private readonly recheck: RefusalRecheck,
    private readonly exports: RefusalExport,
  ) {}

  @Get()
  async list(
    @CurrentSession() session: Session,
    @Query() query: Given,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page> {
    const asked = askedRefusals(query);
    if (asked.problems.length > 0) void reply.status(422);
    const cursor = cursorOf(query);
    const [entries, summary] = await Promise.all([
      this.refusals.list(asked.filter, cursor, PAGE_SIZE + 1),
      this.refusals.summary(asked.filter),
    ]);
    const page = toRefusalPageDto(entries, PAGE_SIZE);
    const properties = { session, asked, cursor, page, summary: toRefusalSummaryDto(summary) };
    return new Page('Refused callbacks', 'refusals', h(Refusals, properties));
  }

  /** What the page asks for every few seconds. */
  @Get('counts')
  @Access('watcher')
  @Header('content-type', 'application/json; charset=utf-8')
  async counts(
    @Query() query: Given,
  ): Promise<RefusalSummaryDto & { names: Record<string, string> }> {
    const summary = toRefusalSummaryDto(
      await this.refusals.summary(requiredRefusals(query).filter),
    );
    const causes = Object.keys(summary.byCause);
    const names = Object.fromEntries(causes.map((cause) => [cause, causeName(cause)]));
    return Object.assign(summary, { names });
  }

  @Get('export')
  async export(
    @CurrentSession() session: Session,
    @Query() query: Given,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const format = query['format'] === 'json' ? 'json' : 'csv';
    const { filter } = requiredRefusals(query);
    await this.exports.send(session.actor, format, filter, reply);
  }

  @Get(':id')
  async get(@CurrentSession() session: Session, @Param('id') id: string): Promise<Page> {
    const refusal = toRefusalDto(await this.refusals.find(id));
    return new Page(`Refusal ${refusal.id}`, 'refusals', h(Refusal, { session, refusal }));
  }

  @Post('recheck')
  @HttpCode(200)
  async judge(@CurrentSession() session: Session, @Form() form: URLSearchParams): Promise<Page> {
    const { filter, values } = requiredRefusals(Object.fromEntries(form));
    // What is accepted afterwards is what is shown now, and nothing that comes later.
    const to = filter.to ?? new Date();
    const found = toRecheckDto(await this.recheck.recheck({ ...filter, to }, session.actor));
    const shown = { ...values, to: to.toISOString() };
    return new Page('Re-check', 'refusals', h(Recheck, { session, values: shown, found }));
  }

  @Post('accept')
  @HttpCode(200)
  async accept(@CurrentSession() session: Session, @Form() form: URLSearchParams): Promise<Page> {
    const { filter, values } = requiredRefusals(Object.fromEntries(form));
    const { polling, ...done } = await this.recheck.accept(filter, session.actor);
    const found = toRecheckDto(done);
    return new Page('Accepted', 'refusals', h(Recheck, { session, values, found, polling }));
  }
}
