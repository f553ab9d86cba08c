import { Controller, Get, HttpCode, Post, Res, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ApiKeyGuard } from '../access/api-key.guard.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { JsonAnswer } from '../platform/http/json-answer.js';
import { packageVersion } from '../platform/package-version.js';
import { UpstreamVersion } from './upstream-version.js';

/** Reducto’s endpoints about the account. */
@Controller('reducto')
@ApiExcludeController()
export class AccountController {
  private readonly gatewayVersion = packageVersion();

  constructor(private readonly version: UpstreamVersion) {}

  @Get('version')
  async readVersion(@Res({ passthrough: true }) reply: FastifyReply): Promise<JsonAnswer> {
    void reply.header('x-gateway-version', this.gatewayVersion);
    return new JsonAnswer(JSON.stringify((await this.version.read()) ?? 'unknown'));
  }

  /** Reducto’s answer would open the webhook portal of the whole organization. */
  @Post('configure_webhook')
  @UseGuards(ApiKeyGuard)
  @HttpCode(403)
  configureWebhook(): never {
    throw new GatewayError(
      'forbidden',
      'Reducto’s webhook portal is for the whole organization, so the gateway does not open it. Give a webhook with each job, or register an endpoint at the gateway.',
    );
  }
}
