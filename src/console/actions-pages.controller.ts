import { Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { h } from 'preact';
import { AuditVerification } from '../admin/audit-verification.js';
import { toActionPageDto, type ActionPageDto } from '../admin/refusal.dto.js';
import { AuditQueries } from '../audit/audit-queries.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { Actions } from './pages/actions.page.js';
import { ConsolePages } from './console-pages.decorator.js';
import { Page } from './components/page.js';
import { cursorOf } from './refusal-filter.js';
import { CurrentSession } from './session/session.decorator.js';
import type { Session } from './session/sessions.service.js';

const PAGE_SIZE = 50;

@ConsolePages()
@Controller('admin/actions')
export class ActionsPagesController {
  constructor(
    private readonly queries: AuditQueries,
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

  private async page(cursor: string | undefined): Promise<ActionPageDto> {
    await this.writer.flushAudit();
    return toActionPageDto(await this.queries.listActions(cursor, PAGE_SIZE + 1), PAGE_SIZE);
  }
}
