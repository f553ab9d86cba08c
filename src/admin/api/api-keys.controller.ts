import { Body, Controller, Delete, Get, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { ApiKeyGuard, NeedsScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { ApiKeysService } from '../../access/api-keys.service.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { AdminKeys } from '../admin-keys.js';
import { byApi } from '../admin-actions.js';
import { ApiKeyListDto, CreatedApiKeyDto, CreateApiKeyDto, toApiKeyDto } from '../api-key.dto.js';

@Controller('v1/admin/keys')
@UseGuards(ApiKeyGuard)
@NeedsScope('admin')
@ApiTags('Admin')
@ApiBearerAuth()
export class ApiKeysController {
  constructor(
    private readonly keys: ApiKeysService,
    private readonly adminKeys: AdminKeys,
  ) {}

  @Post()
  @ApiOperation({
    operationId: 'createApiKey',
    summary: 'Create an API key',
    description: 'Only this answer contains the key.',
  })
  @ApiCreatedResponse({ type: CreatedApiKeyDto })
  @ApiProblems('validation_failed')
  async create(
    @CurrentCaller() caller: Caller,
    @Body() { service, scopes }: CreateApiKeyDto,
  ): Promise<CreatedApiKeyDto> {
    const { stored, key } = await this.adminKeys.create(byApi(caller), service, scopes);
    return { id: stored.id, service: stored.service, scopes: stored.scopes, key };
  }

  @Get()
  @ApiOperation({ operationId: 'listApiKeys', summary: 'List all API keys' })
  @ApiOkResponse({ type: ApiKeyListDto })
  async list(): Promise<ApiKeyListDto> {
    return { keys: (await this.keys.list()).map(toApiKeyDto) };
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'revokeApiKey',
    summary: 'Revoke an API key',
    description: 'All processes refuse the key within 5 seconds.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiNoContentResponse()
  @ApiProblems('key_not_found')
  revoke(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<void> {
    return this.adminKeys.revoke(byApi(caller), id);
  }
}
