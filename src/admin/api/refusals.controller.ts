import {
  Body,
  Controller,
  Get,
  HttpCode,
  Param,
  Post,
  Query,
  Res,
  UseGuards,
} from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  getSchemaPath,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ApiKeyGuard, NeedsScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { byApi } from '../admin-actions.js';
import { RefusalRecheck } from '../recheck.js';
import { RefusalExport } from '../refusal-export.js';
import { ExportQuery, filterOf, RefusalPageQuery, RefusalQuery } from '../refusals.query.js';
import { RefusalsService } from '../refusals.service.js';
import {
  AcceptDto,
  RecheckDto,
  RefusalPageDto,
  RefusalSummaryDto,
  RefusalDto,
  toRecheckDto,
  toRefusalDto,
  toRefusalPageDto,
  toRefusalSummaryDto,
} from '../refusal.dto.js';

const PAGE_SIZE = 50;

@Controller('v1/admin/refusals')
@UseGuards(ApiKeyGuard)
@NeedsScope('admin')
@ApiTags('Admin')
@ApiBearerAuth()
export class RefusalsController {
  constructor(
    private readonly refusals: RefusalsService,
    private readonly recheck: RefusalRecheck,
    private readonly exports: RefusalExport,
  ) {}

  @Get()
  @ApiOperation({ operationId: 'listRefusals', summary: 'List refused callbacks, newest first' })
  @ApiOkResponse({ type: RefusalPageDto })
  async list(@Query() query: RefusalPageQuery): Promise<RefusalPageDto> {
    const { limit = PAGE_SIZE, cursor } = query;
    return toRefusalPageDto(await this.refusals.list(filterOf(query), cursor, limit + 1), limit);
  }

  @Get('summary')
  @ApiOperation({
    operationId: 'countRefusals',
    summary: 'Count refused callbacks',
    description: '`total` is exact.',
  })
  @ApiOkResponse({ type: RefusalSummaryDto })
  async summary(@Query() query: RefusalQuery): Promise<RefusalSummaryDto> {
    return toRefusalSummaryDto(await this.refusals.summary(filterOf(query)));
  }

  @Get('export')
  @ApiOperation({ operationId: 'exportRefusals', summary: 'Download refused callbacks' })
  @ApiOkResponse({
    description: 'The refusals, newest first.',
    content: {
      'text/csv': { schema: { type: 'string' } },
      'application/json': {
        schema: {
          type: 'object',
          properties: { refusals: { type: 'array', items: { $ref: getSchemaPath(RefusalDto) } } },
          required: ['refusals'],
        },
      },
    },
  })
  async export(
    @CurrentCaller() caller: Caller,
    @Query() query: ExportQuery,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { format = 'json' } = query;
    await this.exports.send(byApi(caller), format, filterOf(query), reply);
  }

  @Get(':id')
  @ApiOperation({
    operationId: 'getRefusal',
    summary: 'Read a refused callback with the verdict of every guard',
  })
  @ApiParam({ name: 'id', example: '42' })
  @ApiOkResponse({ type: RefusalDto })
  @ApiProblems('refusal_not_found')
  async get(@Param('id') id: string): Promise<RefusalDto> {
    return toRefusalDto(await this.refusals.find(id));
  }

  @Post('recheck')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'recheckRefusals',
    summary: 'Check refused callbacks again with the current settings',
    description: 'Changes nothing. Filters as for the list, in the body or the query.',
  })
  @ApiBody({ type: RefusalQuery, required: false })
  @ApiProblems('validation_failed')
  @ApiOkResponse({ type: RecheckDto })
  async judge(
    @CurrentCaller() caller: Caller,
    @Query() query: RefusalQuery,
    @Body() body: RefusalQuery,
  ): Promise<RecheckDto> {
    const filter = { ...filterOf(query), ...filterOf(body) };
    return toRecheckDto(await this.recheck.recheck(filter, byApi(caller)));
  }

  @Post('accept')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'acceptRefusals',
    summary: 'Accept the refused callbacks that the current settings would accept',
    description:
      'The gateway polls the jobs of those callbacks. A job that has ended does not change.',
  })
  @ApiBody({ type: RefusalQuery, required: false })
  @ApiProblems('validation_failed')
  @ApiOkResponse({ type: AcceptDto })
  async accept(
    @CurrentCaller() caller: Caller,
    @Query() query: RefusalQuery,
    @Body() body: RefusalQuery,
  ): Promise<AcceptDto> {
    const filter = { ...filterOf(query), ...filterOf(body) };
    const { polling, ...found } = await this.recheck.accept(filter, byApi(caller));
    return Object.assign(toRecheckDto(found), { polling });
  }
}
