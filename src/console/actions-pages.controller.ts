import { Controller, Get, Query } from '@nestjs/common';
import { h } from 'preact';
import { AuditVerification } from '../admin/audit-verification.js';
import { toActionPageDto, type ActionPageDto } from '../admin/refusal.dto.js';
import { AuditQueries } from '../audit/audit-queries.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { Actions } from './pages/actions.page.js';
import { truncate } from '../platform/text.js';
import { ConsolePages } from './console-pages.decorator.js';
import { Page } from './components/page.js';
import { cursorOf } from './refusal-filter.js';
import { CurrentSession } from './session/session.decorator.js';
import type { Session } from './session/sessions.service.js';

const PAGE_SIZE = 50;
const MAX_HEAD_LENGTH = 1000;

@ConsolePages()
@Controller('admin/actions')
export class ActionsPagesController {
  constructor(
    private readonly queries: AuditQueries,
    private readonly verification: AuditVerification,
    private readonly writer: AuditWriter,
  ) {}

  @Get()
  async list(@Query() query: Record<string, unknown>): Promise<Page> {
    const cursor = cursorOf(query);
    const page = await this.page(cursor);
    return new Page('Admin actions', 'actions', h(Actions, { page, cursor }));
  }

  /** Only reads, so that it can be reloaded and linked. */
  @Get('verify')
  async verify(
    @CurrentSession() session: Session,
    @Query() query: Record<string, unknown>,
  ): Promise<Page> {
    const given = query['since'];
    const since = typeof given === 'string' ? truncate(given.trim(), MAX_HEAD_LENGTH) : '';
    const verified = await this.verification.verify(
      session.actor,
      since === '' ? undefined : since,
    );
    const at = new Date();
    const properties = { page: await this.page(undefined), cursor: undefined };
    const body = h(Actions, { ...properties, verified: { at, since, verification: verified } });
    return new Page('Verify the audit', 'actions', body);
  }

  private async page(cursor: string | undefined): Promise<ActionPageDto> {
    await this.writer.flushAudit();
    return toActionPageDto(await this.queries.listActions(cursor, PAGE_SIZE + 1), PAGE_SIZE);
  }
}
