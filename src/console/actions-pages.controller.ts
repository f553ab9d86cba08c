import { Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { h } from 'preact';
import { AuditVerification } from '../admin/audit-verification.js';
import { viewOfActions, type ActionPage } from '../admin/refusals.view.js';
import { AuditReads } from '../audit/audit-reads.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { Actions } from './actions.page.js';
import { ConsolePages } from './console-pages.decorator.js';
import { Page } from './page.js';
import { cursorOf } from './refusal-filter.js';
import { CurrentSession } from './session.decorator.js';
import type { Session } from './sessions.js';

const PAGE_SIZE = 50;

@ConsolePages()
@Controller('admin/actions')
export class ActionsPagesController {
  constructor(
    private readonly reads: AuditReads,
    private readonly verification: AuditVerification,
    private readonly writer: AuditWriter,
  ) {}

  @Get()
  async list(
    @CurrentSession() session: Session,
    @Query() query: Record<string, unknown>,
  ): Promise<Page> {
    const cursor = cursorOf(query);
    const page = await this.page(cursor);
    return new Page('Admin actions', 'actions', h(Actions, { session, page, cursor }));
  }

  @Post('verify')
  @HttpCode(200)
  async verify(@CurrentSession() session: Session): Promise<Page> {
    const verified = await this.verification.verify(session.actor);
    const properties = { session, page: await this.page(undefined), cursor: undefined, verified };
    return new Page('Admin actions', 'actions', h(Actions, properties));
  }

  private async page(cursor: string | undefined): Promise<ActionPage> {
    await this.writer.flush();
    return viewOfActions(await this.reads.actions(cursor, PAGE_SIZE + 1), PAGE_SIZE);
  }
}
