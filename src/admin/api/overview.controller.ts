import { Controller, Get, Query, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiKeyGuard, NeedsScope } from '../../access/api-key.guard.js';
import { JobsAdminService } from '../../jobs/jobs-admin.service.js';
import { ServiceListDto } from '../admin-job.dto.js';
import { DEFAULT_RANGE, OverviewService } from '../overview.service.js';
import { OverviewQuery, OverviewDto, toOverviewDto } from '../overview.dto.js';

@Controller('v1/admin')
@UseGuards(ApiKeyGuard)
@NeedsScope('admin')
@ApiTags('Admin')
@ApiBearerAuth()
export class AdminOverviewController {
  constructor(
    private readonly overview: OverviewService,
    private readonly jobs: JobsAdminService,
  ) {}

  @Get('overview')
  @ApiOperation({
    operationId: 'getOverview',
    summary: 'Count jobs and callbacks of the last hour, day, or week',
    description: 'The answer may be 5 seconds old.',
  })
  @ApiOkResponse({ type: OverviewDto, description: 'The numbers.' })
  async show(@Query() { range = DEFAULT_RANGE }: OverviewQuery): Promise<OverviewDto> {
    return toOverviewDto(await this.overview.readOverview(range));
  }

  @Get('services')
  @ApiOperation({
    operationId: 'listServices',
    summary: 'List the services that have jobs',
    description: 'At most 500, in alphabetical order.',
  })
  @ApiOkResponse({ type: ServiceListDto, description: 'The services.' })
  async services(): Promise<ServiceListDto> {
    return { services: await this.jobs.services() };
  }
}
