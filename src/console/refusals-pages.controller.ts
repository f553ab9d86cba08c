import { Controller, Get, Header, Param, Post, Query, Redirect, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { h } from 'preact';
import { RefusalRecheck } from '../admin/recheck.js';
import { RefusalExport } from '../admin/refusal-export.js';
import { RefusalsService } from '../admin/refusals.service.js';
import { toRefusalDto, toRefusalSummaryDto, type RefusalSummaryDto } from '../admin/refusal.dto.js';
import { ConsolePages } from './console-pages.decorator.js';
import { causeName } from './text/refusal-help.js';
import { link, Page } from './components/page.js';
import { Recheck, type RecheckStep } from './pages/recheck.page.js';
import { RefusalComparison } from './refusal-comparison.js';
import { askedRefusals, cursorOf, requiredRefusals, skippedOf } from './refusal-filter.js';
import { RefusalLists } from './refusal-lists.js';
import { Refusal } from './pages/refusal.page.js';
import { Refusals } from './pages/refusals.page.js';
import { CurrentSession, Form } from './session/session.decorator.js';
import { Access } from './session/session.guard.js';
import type { Session } from './session/sessions.service.js';

type Given = Record<string, unknown>;

@ConsolePages()
@Controller('admin/refusals')
export class RefusalsPagesController {
  constructor(
    private readonly refusals: RefusalsService,
    private readonly lists: RefusalLists,
    private readonly comparison: RefusalComparison,
    private readonly rechecks: RefusalRecheck,
    private readonly exports: RefusalExport,
  ) {}

  @Get()
  async list(
    @Query() query: Given,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page> {
    const asked = askedRefusals(query);
    if (asked.problems.length > 0) void reply.status(422);
    const filter = await this.lists.filterOf(asked);
    const place = { cursor: cursorOf(query), skip: skippedOf(query) };
    const [list, summary] = await Promise.all([
      this.lists.list(filter, place),
      this.refusals.summary(filter),
    ]);
    const properties = { asked, place, list, summary: toRefusalSummaryDto(summary) };
    return new Page('Refused callbacks', 'refusals', h(Refusals, properties));
  }

  /** The page polls it every few seconds. */
  @Get('counts')
  @Access('watcher')
  @Header('content-type', 'application/json; charset=utf-8')
  async counts(
    @Query() query: Given,
  ): Promise<RefusalSummaryDto & { names: Record<string, string> }> {
    const filter = await this.lists.filterOf(requiredRefusals(query));
    const summary = toRefusalSummaryDto(await this.refusals.summary(filter));
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
    const filter = await this.lists.filterOf(requiredRefusals(query));
    await this.exports.send(session.actor, format, filter, reply);
  }

  /** Only reads, so that it can be reloaded and linked. */
  @Get('recheck')
  recheck(@CurrentSession() session: Session, @Query() query: Given): Promise<Page> {
    return this.judge(session, query, query['done'] === 'accept' ? 'accepted' : 'recheck');
  }

  @Get('accept')
  askToAccept(@CurrentSession() session: Session, @Query() query: Given): Promise<Page> {
    return this.judge(session, query, 'confirm');
  }

  @Post('accept')
  @Redirect('/admin/refusals', 303)
  async accept(
    @CurrentSession() session: Session,
    @Form() form: URLSearchParams,
  ): Promise<{ url: string }> {
    const asked = requiredRefusals(Object.fromEntries(form));
    await this.rechecks.accept(await this.lists.filterOf(asked), session.actor);
    return { url: link('/admin/refusals/recheck', { ...asked.values, done: 'accept' }) };
  }

  @Get(':id')
  async get(@Param('id') id: string): Promise<Page> {
    const refusal = toRefusalDto(await this.refusals.find(id));
    const comparisons = await this.comparison.compare(refusal);
    return new Page(`Refusal ${refusal.id}`, 'refusals', h(Refusal, { refusal, comparisons }));
  }

  private async judge(session: Session, query: Given, step: RecheckStep): Promise<Page> {
    const asked = requiredRefusals(query);
    const filter = await this.lists.filterOf(asked);
    // A fixed end, so that nothing is accepted that this page does not show.
    const to = filter.to ?? new Date();
    const found = await this.rechecks.recheck({ ...filter, to }, session.actor);
    const values = { ...asked.values, to: to.toISOString() };
    const properties = { session, asked: asked.values, values, found, step };
    return new Page(TITLES[step], 'refusals', h(Recheck, properties));
  }
}

const TITLES: Readonly<Record<RecheckStep, string>> = {
  recheck: 'Re-check',
  confirm: 'Accept refused callbacks',
  accepted: 'Accepted callbacks',
};
