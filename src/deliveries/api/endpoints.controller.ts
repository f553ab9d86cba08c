import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Query, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBody,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { RequiresScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { JsonBody } from '../../platform/http/json-body.decorator.js';
import { readMoment } from '../../platform/http/moment.js';
import { UuidParam } from '../../platform/http/uuid-param.decorator.js';
import { readFields, readNewEndpoint } from '../endpoints/endpoint-input.js';
import { RecoverDto, RecoveryDto, TestEventDto } from '../resend.dto.js';
import { EndpointsService } from '../endpoints.service.js';
import {
  ChangeEndpointDto,
  CreateEndpointDto,
  EndpointDto,
  EndpointPageDto,
  ListEndpointsQuery,
  NewEndpointDto,
  RotateSecretDto,
  toEndpointDto,
  toEndpointPageDto,
  toNewEndpointDto,
} from './endpoint.dto.js';

const LOCATION = {
  description: 'The path of the endpoint.',
  required: true,
  schema: { type: 'string' },
};

@Controller('v1/endpoints')
@RequiresScope('jobs')
@ApiTags('Events')
export class EndpointsController {
  constructor(private readonly endpoints: EndpointsService) {}

  /**
   * Create an endpoint for events
   * @remarks The gateway posts each event that passes the filters to the URL, signed according to Standard Webhooks. The secret is answered only here.
   */
  @Post()
  @ApiBody({ type: CreateEndpointDto })
  @ApiCreatedResponse({
    type: NewEndpointDto,
    description: 'The endpoint with its secret.',
    headers: { Location: LOCATION },
  })
  @ApiProblems('validation_failed', 'endpoint_address_refused', 'too_many_endpoints')
  async createEndpoint(
    @CurrentCaller() caller: Caller,
    @JsonBody() { value }: JsonBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NewEndpointDto> {
    const created = await this.endpoints.create(caller.service, readNewEndpoint(value));
    void reply.header('location', `/v1/endpoints/${created.endpoint.id}`);
    return toNewEndpointDto(created);
  }

  /** List your endpoints, oldest first */
  @Get()
  async listEndpoints(
    @CurrentCaller() caller: Caller,
    @Query() { cursor, limit }: ListEndpointsQuery,
  ): Promise<EndpointPageDto> {
    const found = await this.endpoints.list(caller.service, cursor, limit + 1);
    return toEndpointPageDto(found, limit);
  }

  /** Read an endpoint and how it fares */
  @Get(':id')
  @ApiProblems('endpoint_not_found')
  async getEndpoint(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
  ): Promise<EndpointDto> {
    return toEndpointDto(await this.endpoints.get(caller.service, id));
  }

  /**
   * Change an endpoint
   * @remarks What is absent stays as it is; null resets it. `{"enabled":true}` also sends what the endpoint has missed.
   */
  @Patch(':id')
  @ApiBody({ type: ChangeEndpointDto })
  @ApiProblems('validation_failed', 'endpoint_address_refused', 'endpoint_not_found')
  async changeEndpoint(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
    @JsonBody() { value }: JsonBody,
  ): Promise<EndpointDto> {
    return toEndpointDto(await this.endpoints.update(caller.service, id, readFields(value)));
  }

  /**
   * Delete an endpoint; what it has not received is cancelled
   * @remarks An endpoint that jobs made for their own webhooks is refused while open jobs name it, and while deliveries to it wait, unless it is disabled.
   */
  @Delete(':id')
  @HttpCode(204)
  @ApiNoContentResponse({ description: 'It is deleted.' })
  @ApiProblems('endpoint_not_found', 'endpoint_in_use')
  async deleteEndpoint(@CurrentCaller() caller: Caller, @UuidParam() id: string): Promise<void> {
    await this.endpoints.delete(caller.service, id);
  }

  /**
   * Replace the secret of an endpoint
   * @remarks During the overlap both secrets sign, so that receivers can change to the new one. The new one signs alone if the gateway cannot read the previous one: `previousSecretUntil` is then null.
   */
  @Post(':id/rotate-secret')
  @HttpCode(200)
  @ApiOkResponse({ type: NewEndpointDto, description: 'The endpoint with its new secret.' })
  @ApiProblems('validation_failed', 'endpoint_not_found')
  async rotateSecret(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
    @Body() { overlapSeconds }: RotateSecretDto,
  ): Promise<NewEndpointDto> {
    return toNewEndpointDto(await this.endpoints.rotateSecret(caller.service, id, overlapSeconds));
  }

  /**
   * Send a test event to an endpoint
   * @remarks It is signed, sent, and retried as every event is. `GET /v1/events/{eventId}/attempts` shows the outcome.
   */
  @Post(':id/test')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: TestEventDto, description: 'The event, which is sent now.' })
  @ApiProblems('endpoint_not_found', 'endpoint_disabled')
  async testEndpoint(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
  ): Promise<TestEventDto> {
    return { eventId: await this.endpoints.test(caller.service, id) };
  }

  /**
   * Enable an endpoint and send what it has missed
   * @remarks Each event since `since` that was not delivered is sent again, once, with the same id.
   */
  @Post(':id/recover')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: RecoveryDto, description: 'How many deliveries are sent again.' })
  @ApiProblems('validation_failed', 'endpoint_not_found')
  async recoverEndpoint(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
    @Body() { since, dryRun }: RecoverDto,
  ): Promise<RecoveryDto> {
    const begin = readMoment(since) ?? new Date(since);
    return {
      deliveries: await this.endpoints.recover(caller.service, id, begin, dryRun),
      dryRun,
    };
  }
}
