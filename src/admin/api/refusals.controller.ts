import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBody, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { RequiresScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { byApi } from '../admin-actions.js';
import { RefusalRecheck } from '../recheck.js';
import { AcceptDto, RecheckDto, toRecheckDto } from './recheck.dto.js';
import { RefusalExport } from '../refusal-export.js';
import { ExportQuery, filterOf, RefusalPageQuery, RefusalQuery } from '../refusals.query.js';
import { RefusalsService } from '../refusals.service.js';
import {
  ApiExportResponse,
  RefusalPageDto,
  RefusalSummaryDto,
  RefusalDto,
  toRefusalDto,
  toRefusalPageDto,
  toRefusalSummaryDto,
} from '../refusal.dto.js';

@Controller('v1/admin/refusals')
@RequiresScope('admin')
@ApiTags('Admin')
export class RefusalsController {
  constructor(
    private readonly refusals: RefusalsService,
    private readonly recheck: RefusalRecheck,
    private readonly exports: RefusalExport,
  ) {}

  /** List refused callbacks, newest first */
  @Get()
  async listRefusals(@Query() query: RefusalPageQuery): Promise<RefusalPageDto> {
    const { limit, cursor } = query;
    return toRefusalPageDto(await this.refusals.list(filterOf(query), cursor, limit + 1), limit);
  }

  /**
   * Count refused callbacks
   * @remarks `total` is exact.
   */
  @Get('summary')
  async countRefusals(@Query() query: RefusalQuery): Promise<RefusalSummaryDto> {
    return toRefusalSummaryDto(await this.refusals.summary(filterOf(query)));
  }

  /** Download refused callbacks */
  @Get('export')
  @ApiExportResponse()
  async exportRefusals(
    @CurrentCaller() caller: Caller,
    @Query() query: ExportQuery,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.exports.send(byApi(caller), query.format, filterOf(query), reply);
  }

  /**
   * Read a refused callback with the verdict of every guard
   * @param id The position in the audit chain, such as 42.
   */
  @Get(':id')
  @ApiProblems('refusal_not_found')
  async getRefusal(@Param('id') id: string): Promise<RefusalDto> {
    return toRefusalDto(await this.refusals.find(id));
  }

  /**
   * Check refused callbacks again with the current settings
   * @remarks Changes nothing. Filters as for the list, in the body or the query.
   */
  @Post('recheck')
  @HttpCode(200)
  @ApiBody({ type: RefusalQuery, required: false })
  @ApiProblems('validation_failed')
  async recheckRefusals(
    @CurrentCaller() caller: Caller,
    @Query() query: RefusalQuery,
    @Body() body: RefusalQuery,
  ): Promise<RecheckDto> {
    const filter = { ...filterOf(query), ...filterOf(body) };
    return toRecheckDto(await this.recheck.recheck(filter, byApi(caller)));
  }

  /**
   * Accept the refused callbacks that the current settings would accept
   * @remarks The gateway polls the jobs of those callbacks. A job that has ended does not change.
   */
  @Post('accept')
  @HttpCode(200)
  @ApiBody({ type: RefusalQuery, required: false })
  @ApiProblems('validation_failed')
  async acceptRefusals(
    @CurrentCaller() caller: Caller,
    @Query() query: RefusalQuery,
    @Body() body: RefusalQuery,
  ): Promise<AcceptDto> {
    const filter = { ...filterOf(query), ...filterOf(body) };
    const { polling, ...found } = await this.recheck.accept(filter, byApi(caller));
    return Object.assign(toRecheckDto(found), { polling });
  }
}
