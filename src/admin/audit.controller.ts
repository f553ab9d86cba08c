import { Controller, Get, Query, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiKeyGuard, NeedsScope } from '../access/api-key.guard.js';
import type { Caller } from '../access/caller.js';
import { CurrentCaller } from '../access/caller.decorator.js';
import { AuditReads } from '../audit/audit-reads.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { AuditVerification } from './audit-verification.js';
import { byApi } from './refusals.controller.js';
import { PageQuery, VerificationQuery } from './refusals.query.js';
import { ActionPage, VerificationView, viewOfActions } from './refusals.view.js';

const PAGE_SIZE = 50;

@Controller('v1/admin')
@UseGuards(ApiKeyGuard)
@NeedsScope('admin')
@ApiTags('Admin')
@ApiBearerAuth()
export class AuditController {
  constructor(
    private readonly verification: AuditVerification,
    private readonly reads: AuditReads,
    private readonly writer: AuditWriter,
  ) {}

  @Get('audit/verify')
  @ApiOperation({
    operationId: 'verifyAudit',
    summary: 'Verify that nobody has changed the audit',
    description: 'Recomputes the whole chain, and names the first entry that is not right.',
  })
  @ApiOkResponse({ type: VerificationView })
  verify(
    @CurrentCaller() caller: Caller,
    @Query() { since }: VerificationQuery,
  ): Promise<VerificationView> {
    return this.verification.verify(byApi(caller), since);
  }

  @Get('actions')
  @ApiOperation({ operationId: 'listAdminActions', summary: 'List what admins did, newest first' })
  @ApiOkResponse({ type: ActionPage })
  async list(@Query() { limit = PAGE_SIZE, cursor }: PageQuery): Promise<ActionPage> {
    await this.writer.flush();
    return viewOfActions(await this.reads.actions(cursor, limit + 1), limit);
  }
}
