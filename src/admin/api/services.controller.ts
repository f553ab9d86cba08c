import { Body, Controller, Get, Param, Put } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import { CurrentCaller } from '../../access/caller.decorator.js';
import type { Caller } from '../../access/caller.js';
import { RequiresScope } from '../../access/api-key.guard.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { byApi } from '../admin-actions.js';
import { AdminServices } from '../admin-services.js';
import {
  ServiceLimitsDto,
  ServiceParam,
  ServiceShareDto,
  ServiceShareListDto,
  toServiceLimits,
  toServiceShareDto,
} from '../service-share.dto.js';

@Controller('v1/admin/services')
@RequiresScope('admin')
@ApiTags('Admin')
export class ServicesController {
  constructor(private readonly services: AdminServices) {}

  /**
   * List services with their weights, limits, and open jobs
   * @remarks Services that have jobs, limits, or a valid API key, in alphabetical order.
   */
  @Get()
  async listServices(): Promise<ServiceShareListDto> {
    return { services: (await this.services.listServices()).map(toServiceShareDto) };
  }

  /**
   * Read the weight, limits, and open jobs of a service
   * @remarks A service without jobs and limits has the defaults.
   */
  @Get(':service')
  @ApiParam({ name: 'service' })
  @ApiProblems('validation_failed')
  async getService(@Param() { service }: ServiceParam): Promise<ServiceShareDto> {
    return toServiceShareDto(await this.services.getService(service));
  }

  /**
   * Set the weight and limits of a service
   * @remarks They apply to the next job that is accepted or sent. What the body leaves out gets its default.
   */
  @Put(':service')
  @ApiParam({ name: 'service' })
  @ApiProblems('validation_failed')
  async setServiceLimits(
    @CurrentCaller() caller: Caller,
    @Param() { service }: ServiceParam,
    @Body() body: ServiceLimitsDto,
  ): Promise<ServiceShareDto> {
    const limits = toServiceLimits(body);
    return toServiceShareDto(await this.services.setLimits(byApi(caller), service, limits));
  }
}
