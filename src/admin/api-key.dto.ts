import { ApiProperty, OmitType } from '@nestjs/swagger';
import { ArrayNotEmpty, IsArray, IsIn } from 'class-validator';
import { SCOPES, type ApiKey, type Scope } from '../access/api-key.entity.js';
import { IsServiceName } from '../access/service-name.js';

export class CreateApiKeyDto {
  /**
   * Keys of the same service share its jobs.
   * @example 'invoices'
   */
  @IsServiceName()
  service!: string;

  @IsArray()
  @ArrayNotEmpty()
  @IsIn(SCOPES, { each: true })
  scopes!: Scope[];
}

export class CreatedApiKeyDto {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  service!: string;

  @ApiProperty({ enum: SCOPES, isArray: true })
  scopes!: Scope[];

  /** Store it now: the gateway shows it only once. */
  key!: string;
}

export class ApiKeyDto extends OmitType(CreatedApiKeyDto, ['key']) {
  /** The first characters of the key. */
  prefix!: string;

  createdAt!: Date;

  /** To the minute. */
  lastUsedAt!: Date | null;

  revokedAt!: Date | null;
}

export class ApiKeyListDto {
  keys!: ApiKeyDto[];
}

export function toApiKeyDto(key: ApiKey): ApiKeyDto {
  const { id, service, scopes, prefix, createdAt, lastUsedAt, revokedAt } = key;
  return { id, service, scopes, prefix, createdAt, lastUsedAt, revokedAt };
}
