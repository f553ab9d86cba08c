import { Controller, Get, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { GatewayError } from '../../platform/errors/error-codes.js';
import { ConsoleAssets } from './console-assets.js';

/** Open to anybody: the page to sign in needs them, and there is nothing in them. */
@Controller('admin/assets')
@ApiExcludeController()
export class AssetsController {
  constructor(private readonly assets: ConsoleAssets) {}

  @Get(':version/:name')
  async get(
    @Param('version') version: string,
    @Param('name') name: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const asset = this.assets.find(name);
    if (asset === undefined) throw new GatewayError('not_found');
    const current = version === asset.version;
    await reply
      .type(asset.type)
      .header('cache-control', current ? 'public, max-age=31536000, immutable' : 'no-cache')
      .send(asset.bytes);
  }
}
