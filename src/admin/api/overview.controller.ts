import { Controller, Get, Query, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiKeyGuard, NeedsScope } from '../../access/api-key.guard.js';
import { JobsAdminService } from '../../jobs/jobs-admin.service.js';
import { ServiceList } from '../admin-job.dto.js';
import { DEFAULT_RANGE, OverviewService } from '../overview.service.js';
import { OverviewQuery, OverviewView, viewOfOverview } from '../overview.dto.js';

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
    description: 'The numbers may be 5 seconds old.',
  })
  @ApiOkResponse({ type: OverviewView, description: 'The numbers.' })
  async show(@Query() { range = DEFAULT_RANGE }: OverviewQuery): Promise<OverviewView> {
    return viewOfOverview(await this.overview.figures(range));
  }

  @Get('services')
  @ApiOperation({
    operationId: 'listServices',
    summary: 'List the services that have jobs',
    description: 'At most 500, in alphabetical order.',
  })
  @ApiOkResponse({ type: ServiceList, description: 'The services.' })
  async services(): Promise<ServiceList> {
    return { services: await this.jobs.services() };
  }
}
