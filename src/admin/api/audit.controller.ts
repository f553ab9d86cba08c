import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { RequiresScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { AuditQueries } from '../../audit/audit-queries.js';
import { AuditWriter } from '../../audit/audit-writer.js';
import { ActionPageDto, toActionPageDto } from '../action.dto.js';
import { AuditVerification } from '../audit-verification.js';
import { byApi } from '../admin-actions.js';
import { ActionsQuery, VerificationQuery } from '../refusals.query.js';
import { VerificationDto } from './verification.dto.js';

@Controller('v1/admin')
@RequiresScope('admin')
@ApiTags('Admin')
export class AuditController {
  constructor(
    private readonly verification: AuditVerification,
    private readonly queries: AuditQueries,
    private readonly writer: AuditWriter,
  ) {}

  /**
   * Verify that nobody has changed the audit
   * @remarks Recomputes the whole chain, and names the first entry that is changed, missing, or forged.
   */
  @Get('audit/verify')
  verifyAudit(
    @CurrentCaller() caller: Caller,
    @Query() { since }: VerificationQuery,
  ): Promise<VerificationDto> {
    return this.verification.verify(byApi(caller), since);
  }

  /**
   * List admin actions and deletions of jobs, newest first
   * @remarks Services delete jobs: the action is `job.delete`. It starts with the request; its outcomes are what became of each upstream job.
   */
  @Get('actions')
  async listAdminActions(
    @Query() { limit, cursor, ...filter }: ActionsQuery,
  ): Promise<ActionPageDto> {
    await this.writer.flushAudit();
    return toActionPageDto(await this.queries.listActions(cursor, limit + 1, filter), limit);
  }
}
