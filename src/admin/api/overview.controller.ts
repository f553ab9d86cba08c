import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { RequiresScope } from '../../access/api-key.guard.js';
import { OverviewService } from '../overview.service.js';
import { OverviewQuery, OverviewDto, toOverviewDto } from '../overview.dto.js';

@Controller('v1/admin')
@RequiresScope('admin')
@ApiTags('Admin')
export class AdminOverviewController {
  constructor(private readonly overview: OverviewService) {}

  /**
   * Count jobs and callbacks of the last hour, day, or week
   * @remarks The answer may be 5 seconds old.
   */
  @Get('overview')
  async getOverview(@Query() { range }: OverviewQuery): Promise<OverviewDto> {
    return toOverviewDto(await this.overview.readOverview(range));
  }
}
