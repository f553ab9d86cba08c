import { Controller, Get, Query, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiKeyGuard, NeedsScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { AuditQueries } from '../../audit/audit-queries.js';
import { AuditWriter } from '../../audit/audit-writer.js';
import { AuditVerification } from '../audit-verification.js';
import { byApi } from '../admin-actions.js';
import { PageQuery, VerificationQuery } from '../refusals.query.js';
import { ActionPageDto, VerificationDto, toActionPageDto } from '../refusal.dto.js';

const PAGE_SIZE = 50;

@Controller('v1/admin')
@UseGuards(ApiKeyGuard)
@NeedsScope('admin')
@ApiTags('Admin')
@ApiBearerAuth()
export class AuditController {
  constructor(
    private readonly verification: AuditVerification,
    private readonly queries: AuditQueries,
    private readonly writer: AuditWriter,
  ) {}

  @Get('audit/verify')
  @ApiOperation({
    operationId: 'verifyAudit',
    summary: 'Verify that nobody has changed the audit',
    description:
      'Recomputes the whole chain, and names the first entry that is changed, missing, or forged.',
  })
  @ApiOkResponse({ type: VerificationDto })
  verify(
    @CurrentCaller() caller: Caller,
    @Query() { since }: VerificationQuery,
  ): Promise<VerificationDto> {
    return this.verification.verify(byApi(caller), since);
  }

  @Get('actions')
  @ApiOperation({ operationId: 'listAdminActions', summary: 'List admin actions, newest first' })
  @ApiOkResponse({ type: ActionPageDto })
  async list(@Query() { limit = PAGE_SIZE, cursor }: PageQuery): Promise<ActionPageDto> {
    await this.writer.flushAudit();
    return toActionPageDto(await this.queries.listActions(cursor, limit + 1), limit);
  }
}
