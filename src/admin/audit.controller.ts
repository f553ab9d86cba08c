import { Controller, Get, Query, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiKeyGuard, NeedsScope } from '../access/api-key.guard.js';
import type { Caller } from '../access/caller.js';
import { CurrentCaller } from '../access/caller.decorator.js';
import { AuditReads } from '../audit/audit-reads.js';
import { AuditVerifier } from '../audit/audit-verifier.js';
import { ApiProblems } from '../platform/errors/api-problems.js';
import { AdminActions } from './admin-actions.js';
import { byApi } from './refusals.controller.js';
import { PageQuery } from './refusals.query.js';
import { ActionPage, VerificationView, viewOfActions } from './refusals.view.js';

const PAGE_SIZE = 50;

@Controller('v1/admin')
@UseGuards(ApiKeyGuard)
@NeedsScope('admin')
@ApiTags('Admin')
@ApiBearerAuth()
@ApiProblems('unauthenticated', 'forbidden', 'invalid_query', 'validation_failed')
export class AuditController {
  constructor(
    private readonly verifier: AuditVerifier,
    private readonly reads: AuditReads,
    private readonly actions: AdminActions,
  ) {}

  @Get('audit/verify')
  @ApiOperation({
    summary: 'Verify that nobody has changed the audit',
    description: 'Recomputes the whole chain, and names the first entry that is not right.',
  })
  @ApiOkResponse({ type: VerificationView })
  async verify(@CurrentCaller() caller: Caller): Promise<VerificationView> {
    const found = await this.verifier.verify();
    await this.actions.record(byApi(caller), 'audit.verify', { ...found });
    return found;
  }

  @Get('actions')
  @ApiOperation({ summary: 'List what admins did, newest first' })
  @ApiOkResponse({ type: ActionPage })
  async list(@Query() { limit = PAGE_SIZE, cursor }: PageQuery): Promise<ActionPage> {
    return viewOfActions(await this.reads.actions(cursor, limit + 1), limit);
  }
}
