import { Body, Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { RequiresScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { ApiKeysService } from '../../access/api-keys.service.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { UuidParam } from '../../platform/http/uuid-param.decorator.js';
import { AdminKeys } from '../admin-keys.js';
import { byApi } from '../admin-actions.js';
import { ApiKeyListDto, CreatedApiKeyDto, CreateApiKeyDto, toApiKeyDto } from '../api-key.dto.js';

@Controller('v1/admin/keys')
@RequiresScope('admin')
@ApiTags('Admin')
export class ApiKeysController {
  constructor(
    private readonly keys: ApiKeysService,
    private readonly adminKeys: AdminKeys,
  ) {}

  /**
   * Create an API key
   * @remarks Only this answer contains the key.
   */
  @Post()
  @ApiProblems('validation_failed')
  async createApiKey(
    @CurrentCaller() caller: Caller,
    @Body() { service, scopes }: CreateApiKeyDto,
  ): Promise<CreatedApiKeyDto> {
    const { stored, key } = await this.adminKeys.create(byApi(caller), service, scopes);
    return { id: stored.id, service: stored.service, scopes: stored.scopes, key };
  }

  /** List all API keys */
  @Get()
  async listApiKeys(): Promise<ApiKeyListDto> {
    return { keys: (await this.keys.list()).map(toApiKeyDto) };
  }

  /**
   * Revoke an API key
   * @remarks All processes refuse the key within 5 seconds.
   */
  @Delete(':id')
  @HttpCode(204)
  @ApiProblems('key_not_found')
  revokeApiKey(@CurrentCaller() caller: Caller, @UuidParam() id: string): Promise<void> {
    return this.adminKeys.revoke(byApi(caller), id);
  }
}
