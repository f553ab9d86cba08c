import { Controller, Get, Query } from '@nestjs/common';
import { h } from 'preact';
import { ADMIN_ACTIONS } from '../admin/admin-actions.js';
import { AuditVerification } from '../admin/audit-verification.js';
import { toActionPageDto, type ActionPageDto } from '../admin/action.dto.js';
import { AuditQueries, type ActionFilter } from '../audit/audit-queries.js';
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
const MAX_TEXT_LENGTH = 128;

type Given = Record<string, unknown>;

@ConsolePages()
@Controller('admin/actions')
export class ActionsPagesController {
  constructor(
    private readonly queries: AuditQueries,
    private readonly verification: AuditVerification,
    private readonly writer: AuditWriter,
  ) {}

  @Get()
  async list(@Query() query: Given): Promise<Page> {
    const asked = askedActions(query);
    const cursor = cursorOf(query);
    const page = await this.page(cursor, asked);
    return new Page('Actions', 'actions', h(Actions, { page, cursor, asked }));
  }

  /** Only reads, so that it can be reloaded and linked. */
  @Get('verify')
  async verify(@CurrentSession() session: Session, @Query() query: Given): Promise<Page> {
    const given = query['since'];
    const since = typeof given === 'string' ? truncate(given.trim(), MAX_HEAD_LENGTH) : '';
    const verified = await this.verification.verify(
      session.actor,
      since === '' ? undefined : since,
    );
    const at = new Date();
    const properties = { page: await this.page(undefined, {}), cursor: undefined, asked: {} };
    const body = h(Actions, { ...properties, verified: { at, since, verification: verified } });
    return new Page('Verify the audit', 'actions', body);
  }

  /** An action that ended is one row: its outcome repeats what the entry of its start says. */
  private async page(cursor: string | undefined, filter: ActionFilter): Promise<ActionPageDto> {
    await this.writer.flushAudit();
    const found = await this.queries.listActions(cursor, PAGE_SIZE + 1, filter);
    const { actions, nextCursor } = toActionPageDto(found, PAGE_SIZE);
    const earlier =
      cursor === undefined ? [] : await this.queries.listStartsOfOutcomes(cursor, PAGE_SIZE);
    const ended = new Set<unknown>([...earlier, ...actions.map(({ intent }) => intent)]);
    return { actions: actions.filter(({ id }) => !ended.has(id)), nextCursor };
  }
}

function askedActions({ action, text }: Given): ActionFilter {
  const known = ADMIN_ACTIONS.find((name) => name === action);
  const given = typeof text === 'string' ? truncate(text.trim(), MAX_TEXT_LENGTH) : '';
  return {
    ...(known === undefined ? {} : { action: known }),
    ...(given === '' || /\p{Cc}/u.test(given) ? {} : { text: given }),
  };
}
